//! Compressed sparse matrices in their store.

use std::sync::Arc;

use super::{both, child_path, required_array};
use anndex_store::error::{Error, Result};
use anndex_store::{Array, Attribute, DataType, Store, read_all};

/// Along which axis a sparse matrix is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SparseFormat {
    /// By rows.
    Csr,
    /// By columns.
    Csc,
}

/// A sparse matrix that stays in its store: `data` and `indices` hold the values and their
/// minor-axis positions, one stretch after the other, and `indptr` where each stretch begins.
#[derive(Debug, Clone)]
pub struct SparseMatrix {
    path: String,
    format: SparseFormat,
    n_rows: u64,
    n_columns: u64,
    data: Arc<dyn Array>,
    indices: Arc<dyn Array>,
    indptr: Arc<dyn Array>,
}

impl SparseMatrix {
    /// Puts a matrix together from its arrays.
    ///
    /// # Errors
    /// `Corrupt` if the arrays' types or lengths do not fit the shape.
    pub fn new(
        path: impl Into<String>,
        format: SparseFormat,
        [n_rows, n_columns]: [u64; 2],
        [data, indices, indptr]: [Arc<dyn Array>; 3],
    ) -> Result<Self> {
        let major = if format == SparseFormat::Csr {
            n_rows
        } else {
            n_columns
        };
        let vector = |array: &Arc<dyn Array>| array.info().shape.len() == 1;
        if ![&data, &indices, &indptr].into_iter().all(vector) {
            return Err(Error::corrupt(
                "`data`, `indices` and `indptr` must have one dimension",
            ));
        }
        if !data.info().data_type.is_numeric() {
            return Err(Error::unsupported(format!(
                "a matrix of {} can't be read as numbers",
                data.info().data_type
            )));
        }
        if !indices.info().data_type.is_integer() || !indptr.info().data_type.is_integer() {
            return Err(Error::corrupt("`indices` and `indptr` must be integers"));
        }
        if data.info().rows() != indices.info().rows() {
            return Err(Error::corrupt(format!(
                "`data` has {} values, but `indices` {}",
                data.info().rows(),
                indices.info().rows()
            )));
        }
        if major.checked_add(1) != Some(indptr.info().rows()) {
            return Err(Error::corrupt(format!(
                "`indptr` has {} entries, but the shape {n_rows} x {n_columns} needs one more \
                 than {major}",
                indptr.info().rows()
            )));
        }
        Ok(Self {
            path: path.into(),
            format,
            n_rows,
            n_columns,
            data,
            indices,
            indptr,
        })
    }

    pub(super) fn open(
        store: &Arc<dyn Store>,
        path: &str,
        format: SparseFormat,
        shape: Option<&Attribute>,
    ) -> Result<Self> {
        let shape = match shape.and_then(|shape| shape.as_list()) {
            Some([rows, columns]) => rows.as_u64().zip(columns.as_u64()),
            _ => None,
        };
        let (n_rows, n_columns) =
            shape.ok_or_else(|| Error::corrupt("the sparse matrix has no valid `shape`"))?;
        let array = |name: &str| required_array(store, &child_path(path, name));
        let (data, indices) = both(store, || array("data"), || array("indices"));
        let parts = [data?, indices?, array("indptr")?];
        Self::new(path, format, [n_rows, n_columns], parts)
    }

    /// The path inside the store.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Along which axis it is compressed.
    pub fn format(&self) -> SparseFormat {
        self.format
    }

    /// The number of rows (observations).
    pub fn n_rows(&self) -> u64 {
        self.n_rows
    }

    /// The number of columns (variables).
    pub fn n_columns(&self) -> u64 {
        self.n_columns
    }

    /// The number of stored values.
    pub fn n_stored(&self) -> u64 {
        self.data.info().rows()
    }

    /// The stored values.
    pub fn data(&self) -> &Arc<dyn Array> {
        &self.data
    }

    /// The column of each value in CSR, its row in CSC.
    pub fn indices(&self) -> &Arc<dyn Array> {
        &self.indices
    }

    /// Where each row (CSR) or column (CSC) begins.
    pub fn indptr(&self) -> &Arc<dyn Array> {
        &self.indptr
    }

    /// Reads `indptr` into memory: 8 bytes per row (CSR) or column (CSC), and one more.
    ///
    /// # Errors
    /// `Corrupt` if it does not begin at 0, decreases, or ends past the stored values.
    pub fn read_indptr(&self) -> Result<Vec<u64>> {
        let node = |error: Error| error.with("node", format!("/{}/indptr", self.path));
        let stored = read_all(&*self.indptr).map_err(node)?;
        // Unsigned values past the range of int64 wrap below 0 and fail as decreasing.
        let wide = stored.cast(&DataType::Int64)?;
        let values = wide.as_slice::<i64>().unwrap_or_default();
        let monotone = values.windows(2).all(|pair| pair[0] <= pair[1]);
        let last = values.last().copied().unwrap_or_default();
        if values.first() != Some(&0) || !monotone {
            return Err(node(Error::corrupt(
                "`indptr` must begin at 0 and must not decrease",
            )));
        }
        if last as u64 > self.n_stored() {
            return Err(node(Error::corrupt(format!(
                "`indptr` ends at {last}, past the {} stored values",
                self.n_stored()
            ))));
        }
        // None is below 0, so the same words are the unsigned numbers, of which a copy would be large.
        Ok(wide.into_words())
    }
}
