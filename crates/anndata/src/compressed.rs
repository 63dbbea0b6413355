//! Compressed sparse matrices in memory: by rows, and by columns.

use std::borrow::Cow;

use anndex_store::error::{Error, Result};
use anndex_store::{DataType, NumericArray, converted, with_element};

/// A sparse matrix by rows, in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct CsrMatrix {
    n_columns: usize,
    data: NumericArray,
    /// Of int32.
    indices: NumericArray,
    indptr: Vec<i64>,
}

impl CsrMatrix {
    /// A matrix of `indptr.len() - 1` rows. Row `i` holds the values `data[indptr[i]..indptr[i +
    /// 1]]` in the columns `indices[indptr[i]..indptr[i + 1]]`.
    ///
    /// # Errors
    /// `InvalidInput` if the lengths do not fit, `indptr` does not grow from 0 to the number of
    /// values, or a column is out of range.
    pub fn new(
        n_columns: usize,
        data: NumericArray,
        indices: Vec<i32>,
        indptr: Vec<i64>,
    ) -> Result<Self> {
        let grows = indptr.windows(2).all(|pair| pair[0] <= pair[1]);
        let ends = indptr.first() == Some(&0)
            && indptr.last().and_then(|&end| usize::try_from(end).ok()) == Some(data.len());
        let in_range = indices
            .iter()
            .all(|&i| usize::try_from(i).is_ok_and(|index| index < n_columns));
        if data.shape().len() != 1 || data.len() != indices.len() || !grows || !ends || !in_range {
            return Err(Error::invalid_input(
                "the parts of the sparse matrix do not fit",
            ));
        }
        Ok(Self {
            n_columns,
            data,
            indices: NumericArray::from_values([indices.len()], &indices)?,
            indptr,
        })
    }

    /// A matrix of parts that are known to fit, which is not checked again.
    pub fn assembled(
        n_columns: usize,
        data: NumericArray,
        indices: NumericArray,
        indptr: Vec<i64>,
    ) -> Self {
        Self {
            n_columns,
            data,
            indices,
            indptr,
        }
    }

    /// The number of rows.
    pub fn n_rows(&self) -> usize {
        self.indptr.len() - 1
    }

    /// The number of columns.
    pub fn n_columns(&self) -> usize {
        self.n_columns
    }

    /// The stored values, row after row.
    pub fn data(&self) -> &NumericArray {
        &self.data
    }

    /// The column of each stored value.
    pub fn indices(&self) -> &[i32] {
        self.indices.as_slice().unwrap_or_default()
    }

    /// The column of each stored value, as this type.
    pub(super) fn indices_as(&self, data_type: &DataType) -> Result<Cow<'_, NumericArray>> {
        converted(&self.indices, data_type)
    }

    /// The stored values, their columns (int32) and the row pointers, without a copy.
    pub fn into_parts(self) -> (NumericArray, NumericArray, Vec<i64>) {
        (self.data, self.indices, self.indptr)
    }

    /// Where each row begins in `data` and `indices`, and the end of the last one.
    pub fn indptr(&self) -> &[i64] {
        &self.indptr
    }
}

/// A sparse matrix by columns, in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct CscMatrix {
    /// Its columns are the rows of this.
    transposed: CsrMatrix,
}

impl CscMatrix {
    /// The matrix whose columns are the rows of `transposed`.
    pub fn from_transposed(transposed: CsrMatrix) -> Self {
        Self { transposed }
    }

    /// The matrix that has its columns as rows.
    pub fn transposed(&self) -> &CsrMatrix {
        &self.transposed
    }

    /// As [`CscMatrix::transposed`], without a copy.
    pub fn into_transposed(self) -> CsrMatrix {
        self.transposed
    }

    /// The number of rows.
    pub fn n_rows(&self) -> usize {
        self.transposed.n_columns()
    }

    /// The number of columns.
    pub fn n_columns(&self) -> usize {
        self.transposed.n_rows()
    }

    /// The same matrix by rows, with columns in order in each.
    ///
    /// # Errors
    /// `InvalidInput` if it does not fit into memory, `Unsupported` if it has more columns than
    /// int32 can count.
    pub fn to_csr(&self) -> Result<CsrMatrix> {
        let columns = &self.transposed;
        check_columns(self.n_columns())?;
        let mut indptr = vec![0i64; self.n_rows() + 1];
        for &row in columns.indices() {
            indptr[row as usize + 1] += 1;
        }
        for row in 0..self.n_rows() {
            indptr[row + 1] += indptr[row];
        }
        let data_type = columns.data().data_type().clone();
        let mut next = indptr.clone();
        let mut data = NumericArray::zeros(data_type.clone(), [columns.data().len()])?;
        let mut indices = vec![0i32; columns.data().len()];
        with_element!(&data_type, T => {
            let values: &[T] = bytemuck::cast_slice(columns.data().bytes());
            let out: &mut [T] = bytemuck::cast_slice_mut(data.bytes_mut());
            for (column, ends) in columns.indptr().windows(2).enumerate() {
                for position in ends[0] as usize..ends[1] as usize {
                    let cursor = &mut next[columns.indices()[position] as usize];
                    out[*cursor as usize] = values[position];
                    indices[*cursor as usize] = column as i32;
                    *cursor += 1;
                }
            }
        }, else return Err(Error::unsupported("a sparse matrix holds numbers")));
        let indices = NumericArray::from_values([indices.len()], &indices)?;
        Ok(CsrMatrix::assembled(
            self.n_columns(),
            data,
            indices,
            indptr,
        ))
    }
}

/// The type of the indices and of the pointers of a sparse matrix that is written: one for both, as
/// SciPy chooses it, since its functions fail over two.
pub(super) fn index_data_type(n_stored: usize, shape: [usize; 2]) -> DataType {
    let largest = shape.into_iter().fold(n_stored, usize::max);
    match i32::try_from(largest) {
        Ok(_) => DataType::Int32,
        Err(_) => DataType::Int64,
    }
}

/// The type in which the values of a sparse matrix are written: SciPy has none of float16, so that
/// nobody could read it.
pub fn sparse_data_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Float16 => DataType::Float32,
        other => other.clone(),
    }
}

/// Refuses more columns than the indices of a sparse matrix can tell apart.
///
/// # Errors
/// `Unsupported` if there are.
pub(crate) fn check_columns(n_columns: usize) -> Result<()> {
    match i32::try_from(n_columns) {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::unsupported(format!(
            "a sparse matrix of {n_columns} columns, which is more than 2^31 - 1"
        ))),
    }
}
