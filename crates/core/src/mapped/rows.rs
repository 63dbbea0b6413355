//! Reading rows of one stored matrix: row numbers in, packed values out.

mod scratch;
mod tasks;

use std::sync::Arc;

use rayon::prelude::*;

use super::allowance::Allowance;
use super::held::{HeldRows, Pieces};
use super::pack::{Columns, Packed};
use crate::anndata::{Matrix, SparseFormat, SparseMatrix};
use crate::error::{Error, Result};
use crate::store::{Array, DataType, NumericArray, Span};
use tasks::{Task, Tasks};

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

    /// Extent along axis 0 of what is decoded at once; `None` if the bytes lie there as they are.
    fn chunk_rows(array: &dyn Array) -> Option<u64> {
        let info = array.info();
        let rows = *info.chunk_shape.as_ref()?.first()?;
        (!info.filters.is_empty()).then_some(rows.max(1))
    }

    /// Whether values have to be decoded, so that reading rows together costs less than one by
    /// one.
    pub(super) fn is_encoded(&self) -> bool {
        match &self.parts {
            Parts::Dense(array) => Self::chunk_rows(&**array).is_some(),
            Parts::Csr { data, indices, .. } => Self::chunk_rows(&**data)
                .or(Self::chunk_rows(&**indices))
                .is_some(),
        }
    }

    /// The mean number of stored elements of a row.
    pub(super) fn mean_elements(&self) -> f64 {
        match &self.parts {
            Parts::Dense(_) => self.row_shape.iter().product::<usize>() as f64,
            Parts::Csr { indptr, .. } => {
                let elements = indptr.last().copied().unwrap_or_default();
                elements as f64 / (indptr.len() - 1).max(1) as f64
            }
        }
    }

    /// The largest number of bytes that one stored element takes once it was read.
    pub(super) fn element_bytes(&self, data_type: &DataType) -> Result<usize> {
        let column = match &self.parts {
            Parts::Dense(_) => 0,
            Parts::Csr { .. } if self.n_columns() <= 1 << 16 => size_of::<u16>(),
            Parts::Csr { .. } => size_of::<u32>(),
        };
        Ok(data_type.fixed_size()? + column)
    }

    fn n_columns(&self) -> usize {
        self.row_shape.first().copied().unwrap_or_default()
    }

    /// Reads `rows`, which are sorted, distinct and in range, converted to `data_type`. Chunks
    /// are decoded on all of rayon's threads, each of them once.
    ///
    /// # Errors
    /// `Corrupt`, `Unsupported` or `Storage` if rows can't be read; `Cancelled` if `allowance`
    /// ran out.
    pub(super) fn read(
        &self,
        rows: &[u64],
        data_type: &DataType,
        allowance: &Allowance,
    ) -> Result<HeldRows> {
        let pack = |stored: &DataType, bytes: &[u8]| -> Result<Packed> {
            let packed = if stored == data_type {
                Packed::new(data_type, bytes)
            } else {
                let count = bytes.len() / stored.fixed_size()?;
                let values = NumericArray::from_bytes(stored.clone(), [count], bytes)?;
                Packed::new(data_type, values.cast(data_type)?.bytes())
            }?;
            allowance.spend(packed.bytes())?;
            Ok(packed)
        };
        match &self.parts {
            Parts::Dense(array) => {
                let spans = join_spans(rows.iter().map(|&row| Span::new(row, row + 1)));
                let values =
                    read_pieces(&**array, &spans, pack).map_err(|error| self.locate(error, ""))?;
                Ok(HeldRows::Dense {
                    width: self.row_shape.iter().product(),
                    values,
                })
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
                allowance.spend(size_of_val(starts.as_slice()))?;
                let stretch =
                    |&row: &u64| Span::new(indptr[row as usize], indptr[row as usize + 1]);
                let spans = join_spans(rows.iter().map(stretch));
                let pack_columns = |stored: &DataType, bytes: &[u8]| -> Result<Columns> {
                    let columns = Columns::new(stored, bytes, self.n_columns())?;
                    allowance.spend(columns.bytes())?;
                    Ok(columns)
                };
                let read_columns = || read_pieces(&**indices, &spans, pack_columns);
                let read_values = || read_pieces(&**data, &spans, pack);
                let (columns, values) = if self.is_encoded() {
                    rayon::join(read_columns, read_values)
                } else {
                    (read_columns(), read_values())
                };
                Ok(HeldRows::Csr {
                    starts,
                    values: values.map_err(|error| self.locate(error, "/data"))?,
                    columns: columns.map_err(|error| self.locate(error, "/indices"))?,
                })
            }
        }
    }

    fn locate(&self, error: Error, part: &str) -> Error {
        error.with("node", format!("/{}{part}", self.path))
    }
}

/// Reads `spans` in tasks of whole chunks, and packs what each of them gives.
fn read_pieces<B: Send + Sync>(
    array: &dyn Array,
    spans: &[Span],
    pack: impl Fn(&DataType, &[u8]) -> Result<B> + Sync,
) -> Result<Pieces<B>> {
    let info = array.info();
    let row_bytes = info.row_bytes()?;
    let row_elements = usize::try_from(info.row_elements()?)
        .map_err(|_| Error::corrupt(format!("the shape {:?} is not possible", info.shape)))?;
    let tasks = Tasks::new(spans, MatrixRows::chunk_rows(array), row_bytes);
    let read = |task: &Task| -> Result<(Arc<B>, usize)> {
        let rows = usize::try_from(task.rows).unwrap_or(usize::MAX);
        let bytes = rows
            .checked_mul(row_bytes)
            .ok_or_else(|| Error::corrupt("a row is larger than memory"))?;
        scratch::with(bytes, |buffer| {
            array.read_spans(tasks.spans(task), buffer)?;
            Ok((
                Arc::new(pack(&info.data_type, buffer)?),
                rows * row_elements,
            ))
        })
    };
    let blocks: Vec<_> = match tasks.all() {
        [one] => vec![read(one)?],
        all => all.par_iter().map(read).collect::<Result<_>>()?,
    };
    let mut pieces = Pieces::new();
    for (block, length) in blocks {
        pieces.push(block, 0, length);
    }
    Ok(pieces)
}

/// Joins neighbouring spans and drops empty ones.
fn join_spans(parts: impl Iterator<Item = Span>) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for part in parts.filter(|part| !part.is_empty()) {
        match spans.last_mut() {
            Some(last) if last.end == part.start => last.end = part.end,
            _ => spans.push(part),
        }
    }
    spans
}
