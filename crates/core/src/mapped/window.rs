//! Many observations in memory at once, read together, from which batches are assembled.
//!
//! A batch asked for by itself is a window of its own. In a loader a window spans many batches, so
//! that a chunk that holds rows of several of them is decoded once.

use rayon::prelude::*;

use super::MappedCollection;
use super::allowance::Allowance;
use super::assemble::{self, PlacedRows};
use super::batch::BatchFormat;
use super::buffer::Buffers;
use super::held::HeldRows;
use super::join::VarMap;
use super::selection::{Selection, Slot};
use crate::anndata::{InMemoryMatrix, MatrixKey};
use crate::error::{Error, Result};
use crate::store::{DataType, promote};

/// The rows of all matrices of some observations.
#[derive(Debug)]
pub(super) struct Window {
    selection: Selection,
    /// One per matrix key.
    matrices: Vec<WindowMatrix>,
}

#[derive(Debug)]
struct WindowMatrix {
    /// One per group of the selection.
    held: Vec<HeldRows>,
    shape: MatrixShape,
}

/// What is the same in all rows of a matrix in a window.
#[derive(Debug, Clone)]
pub(super) struct MatrixShape {
    pub(super) data_type: DataType,
    /// Extent of one row along each of its axes.
    pub(super) row_shape: Vec<usize>,
}

impl Window {
    /// Reads observations in any order, any of them more than once, on rayon's threads: as much as
    /// `allowance` lets it, or, with none, by way of the cache of chunks.
    ///
    /// # Errors
    /// As [`MappedCollection::batch`]; `Cancelled` if `allowance` ran out.
    pub(super) fn read(
        mapped: &MappedCollection,
        selection: Selection,
        allowance: Option<&Allowance>,
    ) -> Result<Self> {
        if let Some(allowance) = allowance {
            allowance.spend(selection.bytes())?;
        }
        let matrices: Result<Vec<_>> = (0..mapped.keys.matrices.len())
            .map(|key| {
                let sources = selection.groups().iter().map(|group| group.source);
                let shape = mapped.matrix_shape(key, sources)?;
                let held: Result<Vec<_>> = selection
                    .groups()
                    .par_iter()
                    .map(|group| {
                        let source = &mapped.sources[group.source];
                        let rows = source
                            .matrix(key)
                            .ok_or_else(|| mapped.lacks(key, group.source))?;
                        rows.read(&group.rows, &shape.data_type, allowance)
                            .map_err(|error| source.locate(error))
                    })
                    .collect();
                Ok(WindowMatrix { held: held?, shape })
            })
            .collect();
        Ok(Self {
            selection,
            matrices: matrices?,
        })
    }

    pub(super) fn selection(&self) -> &Selection {
        &self.selection
    }

    /// The number of bytes held.
    pub(super) fn bytes(&self) -> usize {
        let held = self.matrices.iter().flat_map(|matrix| &matrix.held);
        held.map(HeldRows::bytes).sum::<usize>() + self.selection.bytes()
    }

    /// The store of each of `slots`.
    pub(super) fn store_index(&self, slots: &[Slot]) -> Vec<i64> {
        let groups = self.selection.groups();
        let source = |slot: &Slot| groups[slot.group as usize].source as i64;
        slots.iter().map(source).collect()
    }

    /// One matrix per key, with a row for each of `slots`.
    ///
    /// # Errors
    /// `InvalidInput` if a batch does not fit into memory; `Unsupported` if there are too many
    /// columns for a sparse one.
    pub(super) fn matrices(
        &self,
        mapped: &MappedCollection,
        slots: &[Slot],
        format: BatchFormat,
        buffers: &Buffers,
    ) -> Result<Vec<(String, InMemoryMatrix)>> {
        let keys = mapped.keys.matrices.iter().zip(&self.matrices);
        keys.map(|(key, matrix)| {
            let groups = self.selection.groups().iter();
            let maps: Vec<Option<&VarMap>> = groups
                .map(|group| mapped.sources[group.source].var_map(key))
                .collect();
            let placed = PlacedRows {
                held: &matrix.held,
                maps: &maps,
                slots,
            };
            let sparse = format == BatchFormat::Csr && !matches!(key, MatrixKey::Obsm(_));
            let matrix = if sparse {
                assemble::csr(&placed, &matrix.shape, buffers).map(InMemoryMatrix::Csr)
            } else {
                assemble::dense(&placed, &matrix.shape, buffers).map(InMemoryMatrix::Dense)
            };
            Ok((key.to_string(), matrix?))
        })
        .collect()
    }
}

impl MappedCollection {
    /// What the rows of a matrix in some stores have in common.
    ///
    /// # Errors
    /// `InvalidInput` if one of them lacks the matrix, or their rows differ in length.
    pub(super) fn matrix_shape(
        &self,
        key: usize,
        sources: impl Iterator<Item = usize>,
    ) -> Result<MatrixShape> {
        let name = &self.keys.matrices[key];
        let mut row_shape: Option<Vec<usize>> = None;
        for index in sources {
            let source = &self.sources[index];
            let rows = source.matrix(key).ok_or_else(|| self.lacks(key, index))?;
            let shape = source.sample_shape(name, rows);
            let other = row_shape.replace(shape.clone());
            if let Some(first) = other.filter(|first| *first != shape) {
                return Err(source.locate(Error::invalid_input(format!(
                    "the rows of `{name}` have the shape {shape:?} here, but {first:?} in another \
                     store, so they can't be in one batch; join the variables, or leave the key \
                     out"
                ))));
            }
        }
        Ok(MatrixShape {
            data_type: self.batch_data_type(key)?,
            row_shape: row_shape.unwrap_or_else(|| self.any_row_shape(key)),
        })
    }

    /// The type of a matrix in all batches.
    pub(super) fn batch_data_type(&self, key: usize) -> Result<DataType> {
        if let Some(dtype) = &self.dtype {
            return Ok(dtype.clone());
        }
        let mut types = self.sources.iter().filter_map(|s| s.matrix(key));
        let first = types
            .next()
            .map_or(DataType::Float32, |rows| rows.data_type().clone());
        types.try_fold(first, |a, rows| promote(&a, rows.data_type()))
    }

    /// The shape of a row where no row was asked for.
    fn any_row_shape(&self, key: usize) -> Vec<usize> {
        let name = &self.keys.matrices[key];
        let mut shapes = self.sources.iter().filter_map(|source| {
            let rows = source.matrix(key)?;
            Some(source.sample_shape(name, rows))
        });
        shapes.next().unwrap_or_default()
    }

    fn lacks(&self, key: usize, source: usize) -> Error {
        let name = &self.keys.matrices[key];
        self.sources[source].locate(Error::invalid_input(format!(
            "this store has no `{name}`, so it can't be in one batch with others; leave the key \
             or the store out"
        )))
    }
}
