//! Reading rows of one stored matrix: row numbers in, packed values out.

mod direct;
mod scratch;
mod stored;
mod tasks;

use std::sync::Arc;

use super::allowance::Allowance;
use super::chunk_cache::ChunkCache;
use super::columns::{ColumnPacking, Columns};
use super::held::{HeldRows, Pieces, summed_rows};
use super::pack::Packed;
use anndex_anndata::{Matrix, SparseFormat, SparseMatrix};
use anndex_store::error::{Error, Result};
use anndex_store::operation::{self, Operation};
use anndex_store::{DataType, NumericArray, Span};
pub(super) use direct::DirectRows;
use stored::StoredArray;

/// A matrix opened for reading rows. Nothing but values is fetched per call.
#[derive(Debug)]
pub(super) struct MatrixRows {
    /// The path inside the store, for messages.
    path: String,
    /// Extent of one row along each of its axes.
    row_shape: Vec<usize>,
    /// Whether it is on a server.
    is_remote: bool,
    parts: Parts,
}

#[derive(Debug)]
enum Parts {
    Dense(StoredArray),
    Csr {
        data: StoredArray,
        indices: StoredArray,
        /// 8 bytes per row, so that finding a row costs no read.
        indptr: Vec<u64>,
    },
}

impl MatrixRows {
    /// Opens a dense matrix or one that is compressed by rows.
    pub(super) fn open(matrix: &Matrix, is_remote: bool, cache: Arc<ChunkCache>) -> Result<Self> {
        let shape = matrix.shape();
        let row_shape = shape
            .iter()
            .skip(1)
            .map(|&n| u32::try_from(n).map(|n| n as usize))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| Error::unsupported("more than 2^32 - 1 columns"))?;
        let parts = match matrix {
            Matrix::Dense(dense) => {
                let array = dense.array().clone();
                Parts::Dense(StoredArray::new(array, is_remote, cache))
            }
            Matrix::Sparse(sparse) => Self::open_csr(sparse, is_remote, cache)?,
        };
        Ok(Self {
            path: matrix.path().to_owned(),
            row_shape,
            is_remote,
            parts,
        })
    }

    fn open_csr(sparse: &SparseMatrix, is_remote: bool, cache: Arc<ChunkCache>) -> Result<Parts> {
        if sparse.format() != SparseFormat::Csr {
            return Err(Error::unsupported("rows of a matrix compressed by columns"));
        }
        Ok(Parts::Csr {
            data: StoredArray::new(sparse.data().clone(), is_remote, cache.clone()),
            indices: StoredArray::new(sparse.indices().clone(), is_remote, cache),
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
            Parts::Dense(array) | Parts::Csr { data: array, .. } => array.data_type(),
        }
    }

    /// Whether it is on a server.
    pub(super) fn is_remote(&self) -> bool {
        self.is_remote
    }

    /// Whether reading rows together costs less than one by one, since they have to be decoded or
    /// come from a server.
    pub(super) fn is_read_together(&self) -> bool {
        self.is_remote
            || match &self.parts {
                Parts::Dense(array) => array.is_encoded(),
                Parts::Csr { data, indices, .. } => data.is_encoded() || indices.is_encoded(),
            }
    }

    /// About the most bytes that a thread holds for a task, if it is on a server.
    pub(super) fn task_bytes(&self) -> u64 {
        match &self.parts {
            Parts::Dense(array) => array.task_bytes(),
            Parts::Csr { data, indices, .. } => data.task_bytes().max(indices.task_bytes()),
        }
    }

    /// The mean number of rows that have elements in one chunk; `None` if nothing has to be
    /// decoded.
    pub(super) fn rows_per_chunk(&self) -> Option<f64> {
        match &self.parts {
            Parts::Dense(array) => array.chunk_rows().map(|rows| rows as f64),
            Parts::Csr { data, indices, .. } => {
                let elements = data.chunk_rows().max(indices.chunk_rows())?;
                // One more, since rows do not end where chunks do.
                Some(elements as f64 / self.mean_elements().max(1.0) + 1.0)
            }
        }
    }

    /// The number of stored elements.
    pub(super) fn n_elements(&self) -> u64 {
        match &self.parts {
            Parts::Dense(array) => array
                .array()
                .info()
                .rows()
                .saturating_mul(self.row_elements(0)),
            Parts::Csr { indptr, .. } => indptr.last().copied().unwrap_or_default(),
        }
    }

    /// The number of stored elements of a row, which is in range.
    pub(super) fn row_elements(&self, row: u64) -> u64 {
        match &self.parts {
            Parts::Dense(_) => self.row_shape.iter().product::<usize>() as u64,
            Parts::Csr { indptr, .. } => indptr[row as usize + 1] - indptr[row as usize],
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
    /// are decoded on rayon's threads, each of them once: whatever fits into `allowance`, or, with
    /// none, by way of the cache of chunks. `packing` is how columns of sparse rows are held.
    ///
    /// # Errors
    /// `Corrupt`, `Unsupported` or `Storage` if rows can't be read; `Cancelled` if `allowance`
    /// ran out.
    pub(super) fn read(
        &self,
        rows: &[u64],
        data_type: &DataType,
        packing: ColumnPacking,
        allowance: Option<&Allowance>,
    ) -> Result<HeldRows> {
        match &self.parts {
            Parts::Dense(array) => {
                let spans = join_spans(rows.iter().map(|&row| Span::new(row, row + 1)));
                let values = read_values(array, &spans, data_type, allowance);
                Ok(HeldRows::Dense {
                    width: self.row_shape.iter().product(),
                    values: values.map_err(|error| self.locate(error, ""))?,
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
                spend(allowance, size_of_val(starts.as_slice()))?;
                let stretch =
                    |&row: &u64| Span::new(indptr[row as usize], indptr[row as usize + 1]);
                let spans = join_spans(rows.iter().map(stretch));
                let pack = |stored: &DataType, bytes: &[u8]| {
                    Columns::new(stored, bytes, self.n_columns(), packing)
                };
                let columns = || read_columns(indices, &spans, pack, allowance);
                let values = || read_values(data, &spans, data_type, allowance);
                let (columns, values) = if self.is_read_together() {
                    both(columns, values)
                } else {
                    (columns(), values())
                };
                let columns = columns.map_err(|error| self.locate(error, "/indices"))?;
                let summed = summed_rows(&starts, &columns);
                spend(allowance, size_of_val(summed.as_slice()))?;
                Ok(HeldRows::Csr {
                    values: values.map_err(|error| self.locate(error, "/data"))?,
                    starts,
                    columns,
                    summed,
                })
            }
        }
    }

    fn locate(&self, error: Error, part: &str) -> Error {
        error.with("node", format!("/{}{part}", self.path))
    }
}

fn read_values(
    array: &StoredArray,
    spans: &[Span],
    data_type: &DataType,
    allowance: Option<&Allowance>,
) -> Result<Pieces<Packed>> {
    let pack = |stored: &DataType, bytes: &[u8]| -> Result<Packed> {
        let packed = if stored == data_type {
            Packed::new(data_type, bytes)
        } else {
            let count = bytes.len() / stored.fixed_size()?;
            let values = NumericArray::from_bytes(stored.clone(), [count], bytes)?;
            Packed::new(data_type, values.cast(data_type)?.bytes())
        }?;
        spend(allowance, packed.bytes())?;
        Ok(packed)
    };
    match allowance {
        Some(_) => array.read(spans, pack),
        None => array.read_cached(spans, array.data_type() != data_type, pack),
    }
}

fn read_columns(
    array: &StoredArray,
    spans: &[Span],
    pack: impl Fn(&DataType, &[u8]) -> Result<Columns> + Sync,
    allowance: Option<&Allowance>,
) -> Result<Pieces<Columns>> {
    let pack = |stored: &DataType, bytes: &[u8]| -> Result<Columns> {
        let columns = pack(stored, bytes)?;
        spend(allowance, columns.bytes())?;
        Ok(columns)
    };
    match allowance {
        Some(_) => array.read(spans, pack),
        None => array.read_cached(spans, false, pack),
    }
}

fn spend(allowance: Option<&Allowance>, bytes: usize) -> Result<()> {
    allowance.map_or(Ok(()), |allowance| allowance.spend(bytes))
}

/// Runs both at once. On a thread that is none of rayon's, such as one that asks for a single
/// sample, the first runs right there: to hand it over and be woken takes as long as a chunk.
fn both<A: Send, B: Send>(
    here: impl FnOnce() -> A + Send,
    there: impl Fn() -> B + Send + Sync,
) -> (A, B) {
    if rayon::current_thread_index().is_some() {
        return operation::join(here, there);
    }
    let mut other = None;
    let operation = Operation::current();
    let there = || match &operation {
        Some(operation) => operation.within(&there),
        None => there(),
    };
    let own = rayon::in_place_scope(|scope| {
        scope.spawn(|_| other = Some(there()));
        here()
    });
    // The scope has waited for it.
    (own, other.unwrap_or_else(there))
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
