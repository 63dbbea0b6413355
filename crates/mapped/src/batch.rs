//! Many observations at once, each store's rows read together.

use super::buffer::Buffers;
use super::collection::MappedCollection;
use super::format::BatchFormat;
use super::obs_values::{numeric_type, values_column};
use super::selection::Selection;
use super::source::{MISSING_CODE, ObsRows};
use super::waiting;
use super::window::Window;
use anndex_anndata::{Column, CsrMatrix, InMemoryMatrix, Label};
use anndex_store::error::Result;
use anndex_store::{DataType, promote};

/// Observations in the order in which they were asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The store of each observation (`_store_idx` in Python).
    pub store_index: Vec<i64>,
    /// One matrix per key, observations along axis 0. The type is `dtype` if it was given, else
    /// the smallest that holds the values of all stores, so that it is the same in every batch.
    pub matrices: Vec<(String, InMemoryMatrix)>,
    /// One column per obs key.
    pub obs: Vec<(String, BatchColumn)>,
}

/// The values of an obs key in a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum BatchColumn {
    /// Encoded labels.
    Codes {
        /// One code per observation; -1 where missing.
        codes: Vec<i64>,
        /// `true` where there is no value, also if the store lacks the key; `None` if all have
        /// one.
        missing: Option<Vec<bool>>,
    },
    /// Values that are not encoded; masked where there is no value.
    Values(Column),
}

impl Batch {
    /// The number of observations.
    pub fn len(&self) -> usize {
        self.store_index.len()
    }

    /// Whether there are no observations.
    pub fn is_empty(&self) -> bool {
        self.store_index.is_empty()
    }

    /// The matrix under a key.
    pub fn matrix(&self, key: &str) -> Option<&InMemoryMatrix> {
        self.matrices
            .iter()
            .find(|(other, _)| other == key)
            .map(|(_, matrix)| matrix)
    }

    /// The values of an obs key.
    pub fn obs(&self, key: &str) -> Option<&BatchColumn> {
        self.obs
            .iter()
            .find(|(other, _)| other == key)
            .map(|(_, column)| column)
    }

    /// Gives the memory of the matrices to the next batches.
    pub fn recycle(self, buffers: &Buffers) {
        for (_, matrix) in self.matrices {
            match matrix {
                InMemoryMatrix::Dense(values) => buffers.give(values.into_words()),
                InMemoryMatrix::Csr(csr) => recycle(csr, buffers),
                InMemoryMatrix::Csc(csc) => recycle(csc.into_transposed(), buffers),
            }
        }
    }

    /// The size of the matrices in bytes.
    pub fn bytes(&self) -> u64 {
        let sparse = |csr: &CsrMatrix| {
            csr.data().bytes().len()
                + std::mem::size_of_val(csr.indices())
                + std::mem::size_of_val(csr.indptr())
        };
        let size = |matrix: &InMemoryMatrix| match matrix {
            InMemoryMatrix::Dense(values) => values.bytes().len(),
            InMemoryMatrix::Csr(csr) => sparse(csr),
            InMemoryMatrix::Csc(csc) => sparse(csc.transposed()),
        };
        self.matrices
            .iter()
            .map(|(_, matrix)| size(matrix) as u64)
            .sum()
    }
}

fn recycle(csr: CsrMatrix, buffers: &Buffers) {
    let (data, indices, _) = csr.into_parts();
    buffers.give(data.into_words());
    buffers.give(indices.into_words());
}

impl MappedCollection {
    /// Reads observations in any order, any of them more than once. Chunks are decoded and rows
    /// put in their places on all of rayon's threads.
    ///
    /// # Errors
    /// `InvalidInput` if an index is past the end, the collection was closed, one of the stores
    /// asked for lacks a matrix, or their rows differ in length (without a join, in `raw.X` or in
    /// obsm); `Corrupt`, `Unsupported` or `Storage` if rows can't be read.
    pub fn batch(&self, indices: &[u64], format: BatchFormat) -> Result<Batch> {
        self.batch_reusing(indices, format, &Buffers::new())
    }

    /// The same in memory of earlier batches, which [`Batch::recycle`] gave to `buffers`.
    ///
    /// # Errors
    /// As [`MappedCollection::batch`].
    pub fn batch_reusing(
        &self,
        indices: &[u64],
        format: BatchFormat,
        buffers: &Buffers,
    ) -> Result<Batch> {
        let selection = Selection::new(self, indices)?;
        let read = || Window::read(self, selection, format, false, None);
        let window = waiting::on_threads(self.requests, read)??;
        let obs = self.batch_obs(window.selection())?;
        let slots = window.selection().slots();
        Ok(Batch {
            store_index: window.store_index(slots),
            matrices: window.matrices(self, slots, format, buffers)?,
            obs,
        })
    }

    /// One column per obs key.
    pub(super) fn batch_obs(&self, selection: &Selection) -> Result<Vec<(String, BatchColumn)>> {
        let columns = (0..self.keys.obs.len()).map(|key| {
            let column = self.batch_column(key, selection)?;
            Ok((self.keys.obs[key].clone(), column))
        });
        columns.collect()
    }

    fn batch_column(&self, position: usize, selection: &Selection) -> Result<BatchColumn> {
        let n_rows = selection.slots().len();
        let encoded = self.encoder(&self.keys.obs[position]).is_some();
        let mut codes = vec![i64::from(MISSING_CODE); if encoded { n_rows } else { 0 }];
        let mut labels = vec![Label::Missing; if encoded { 0 } else { n_rows }];
        let mut numeric: Option<DataType> = None;
        let mut reads = Vec::with_capacity(selection.groups().len());
        for group in selection.groups() {
            let source = &self.sources[group.source];
            let read = source
                .obs_rows(position, &group.rows)
                .map_err(|error| source.locate(error))?;
            if let Some(ObsRows::Values(column, _)) = &read
                && let Some(data_type) = numeric_type(column)
            {
                numeric = Some(match &numeric {
                    Some(other) => promote(other, data_type)?,
                    None => data_type.clone(),
                });
            }
            reads.push(read);
        }
        for (output, slot) in selection.slots().iter().enumerate() {
            let row = slot.row as usize;
            match &reads[slot.group as usize] {
                None => {}
                Some(ObsRows::Codes(read)) => codes[output] = read[row].into(),
                Some(ObsRows::Values(column, rows)) => labels[output] = column.label(rows[row]),
            }
        }
        if !encoded {
            return values_column(&labels, numeric)
                .map(BatchColumn::Values)
                .map_err(|error| error.with("key", &self.keys.obs[position]));
        }
        let missing: Vec<bool> = codes
            .iter()
            .map(|&c| c == i64::from(MISSING_CODE))
            .collect();
        for (code, _) in codes
            .iter_mut()
            .zip(&missing)
            .filter(|(_, missing)| **missing)
        {
            *code = -1;
        }
        let missing = missing.contains(&true).then_some(missing);
        Ok(BatchColumn::Codes { codes, missing })
    }
}
