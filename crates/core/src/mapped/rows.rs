//! Reading rows of one stored matrix: row numbers in, packed values out.

use std::sync::Arc;

use num_traits::AsPrimitive;

use crate::anndata::{Matrix, SparseFormat, SparseMatrix};
use crate::error::{Error, Result};
use crate::store::{Array, DataType, NumericArray, Span, with_element};

/// A matrix opened for reading rows. Nothing but values is fetched per call.
#[derive(Debug)]
pub(super) struct MatrixRows {
    /// The path inside the store, for messages.
    path: String,
    /// Extent of one row along each of its axes.
    row_shape: Vec<usize>,
    parts: Parts,
}

#[derive(Debug)]
enum Parts {
    Dense(Arc<dyn Array>),
    Csr {
        data: Arc<dyn Array>,
        indices: Arc<dyn Array>,
        /// 8 bytes per row, so that finding a row costs no read.
        indptr: Vec<u64>,
    },
}

/// Rows that were read, one after the other.
#[derive(Debug)]
pub(super) enum RowBlock {
    /// Every value.
    Dense(NumericArray),
    /// Stored values with their columns; row `i` is at `starts[i]..starts[i + 1]`.
    Csr {
        data: NumericArray,
        columns: Vec<u32>,
        starts: Vec<usize>,
    },
}

impl MatrixRows {
    /// Opens a dense matrix or one that is compressed by rows.
    pub(super) fn open(matrix: &Matrix) -> Result<Self> {
        let shape = matrix.shape();
        let row_shape = shape
            .iter()
            .skip(1)
            .map(|&n| u32::try_from(n).map(|n| n as usize))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| Error::unsupported("more than 2^32 - 1 columns"))?;
        let parts = match matrix {
            Matrix::Dense(dense) => Parts::Dense(dense.array().clone()),
            Matrix::Sparse(sparse) => Self::open_csr(sparse)?,
        };
        Ok(Self {
            path: matrix.path().to_owned(),
            row_shape,
            parts,
        })
    }

    fn open_csr(sparse: &SparseMatrix) -> Result<Parts> {
        if sparse.format() != SparseFormat::Csr {
            return Err(Error::unsupported("rows of a matrix compressed by columns"));
        }
        Ok(Parts::Csr {
            data: sparse.data().clone(),
            indices: sparse.indices().clone(),
            indptr: sparse.read_indptr()?,
        })
    }

    /// Extent of one row along each of its axes.
    pub(super) fn row_shape(&self) -> &[usize] {
        &self.row_shape
    }

    /// The stored type of the values.
    pub(super) fn data_type(&self) -> &DataType {
        match &self.parts {
            Parts::Dense(array) | Parts::Csr { data: array, .. } => &array.info().data_type,
        }
    }

    /// Reads `rows`, which are sorted, distinct and in range, converted to `data_type`.
    pub(super) fn read(&self, rows: &[u64], data_type: &DataType) -> Result<RowBlock> {
        match &self.parts {
            Parts::Dense(array) => {
                let spans = spans(rows.iter().map(|&row| Span::new(row, row + 1)));
                let values = NumericArray::read(&**array, &spans)
                    .and_then(|values| values.cast(data_type))
                    .map_err(|error| self.locate(error, ""))?;
                Ok(RowBlock::Dense(values))
            }
            Parts::Csr {
                data,
                indices,
                indptr,
            } => {
                let mut starts = Vec::with_capacity(rows.len() + 1);
                let mut count = 0usize;
                starts.push(count);
                for &row in rows {
                    let row = row as usize;
                    // `read_indptr` has checked that this does not decrease, nor pass the data.
                    count += (indptr[row + 1] - indptr[row]) as usize;
                    starts.push(count);
                }
                let stretch =
                    |&row: &u64| Span::new(indptr[row as usize], indptr[row as usize + 1]);
                let spans = spans(rows.iter().map(stretch));
                let data = NumericArray::read(&**data, &spans)
                    .and_then(|values| values.cast(data_type))
                    .map_err(|error| self.locate(error, "/data"))?;
                let columns = NumericArray::read(&**indices, &spans)
                    .and_then(|indices| self.columns(&indices))
                    .map_err(|error| self.locate(error, "/indices"))?;
                Ok(RowBlock::Csr {
                    data,
                    columns,
                    starts,
                })
            }
        }
    }

    /// Checks column indices, since a damaged one would put a value into another gene.
    fn columns(&self, indices: &NumericArray) -> Result<Vec<u32>> {
        let n_columns = self.row_shape.first().copied().unwrap_or_default() as i64;
        with_element!(indices.data_type(), T => {
            let values: &[T] = bytemuck::cast_slice(indices.bytes());
            let mut columns = Vec::with_capacity(values.len());
            for &value in values {
                // Unsigned values past the range of int64 wrap below 0.
                let column: i64 = value.as_();
                if !(0..n_columns).contains(&column) {
                    return Err(Error::corrupt(format!(
                        "the column index {column} is out of range: there are {n_columns} columns"
                    )));
                }
                columns.push(column as u32);
            }
            Ok(columns)
        }, else Err(Error::corrupt("column indices must be integers")))
    }

    fn locate(&self, error: Error, part: &str) -> Error {
        error.with("node", format!("/{}{part}", self.path))
    }
}

/// Joins neighbouring spans and drops empty ones.
fn spans(parts: impl Iterator<Item = Span>) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for part in parts.filter(|part| !part.is_empty()) {
        match spans.last_mut() {
            Some(last) if last.end == part.start => last.end = part.end,
            _ => spans.push(part),
        }
    }
    spans
}
