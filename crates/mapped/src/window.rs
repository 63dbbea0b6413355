//! Many observations in memory at once, read together, from which batches are assembled.
//!
//! A batch asked for by itself is a window of its own. In a loader a window spans many batches, so
//! that a chunk that holds rows of several of them is decoded once.

use rayon::prelude::*;

use super::allowance::Allowance;
use super::assemble::{self, GroupRows, PlacedGroup, PlacedRows};
use super::buffer::Buffers;
use super::collection::MappedCollection;
use super::columns::ColumnPacking;
use super::format::BatchFormat;
use super::held::HeldRows;
use super::rows::DirectRows;
use super::selection::{Group, Selection, Slot};
use super::shape::MatrixShape;
use anndex_anndata::{InMemoryMatrix, MatrixKey};
use anndex_store::error::{Error, Result};
use anndex_store::operation::carried;
use anndex_store::{DataType, promote};

/// The rows of all matrices of some observations.
#[derive(Debug)]
pub(super) struct Window {
    selection: Selection,
    /// One per matrix key.
    matrices: Vec<WindowMatrix>,
}

#[derive(Debug)]
struct WindowMatrix {
    /// One per group of the selection; `None` for rows that are read when they are put into a
    /// batch.
    held: Vec<Option<HeldRows>>,
    shape: MatrixShape,
}

impl Window {
    /// Reads observations in any order, any of them more than once, on rayon's threads: as much as
    /// `allowance` lets it, or, with none, by way of the cache of chunks. What batches of `format`
    /// take straight from storage is left there, unless the window `holds_all`.
    ///
    /// # Errors
    /// As [`MappedCollection::batch`]; `Cancelled` if `allowance` ran out.
    pub(super) fn read(
        mapped: &MappedCollection,
        selection: Selection,
        format: BatchFormat,
        holds_all: bool,
        allowance: Option<&Allowance>,
    ) -> Result<Self> {
        // With runs, an epoch of sparse batches takes half as long again.
        let packing = match (format, allowance) {
            (BatchFormat::Csr, Some(_)) => ColumnPacking::Fast,
            _ => ColumnPacking::Small,
        };
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
                    .map(carried(|group: &Group| {
                        let source = &mapped.sources[group.source];
                        let rows = source
                            .matrix(key)
                            .ok_or_else(|| mapped.lacks(key, group.source))?;
                        let data_type = &shape.data_type;
                        if !holds_all && mapped.is_direct(key, group.source, data_type, format) {
                            return Ok(None);
                        }
                        rows.read(&group.rows, data_type, packing, allowance)
                            .map(Some)
                            .map_err(|error| source.locate(error))
                    }))
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
        held.flatten().map(HeldRows::bytes).sum::<usize>() + self.selection.bytes()
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
    /// columns for a sparse one; what reading gives for rows that were left in storage.
    pub(super) fn matrices(
        &self,
        mapped: &MappedCollection,
        slots: &[Slot],
        format: BatchFormat,
        buffers: &Buffers,
    ) -> Result<Vec<(String, InMemoryMatrix)>> {
        let matrices = self.matrices.iter().enumerate().map(|(key, matrix)| {
            let name = &mapped.keys.matrices[key];
            let groups = self.selection.groups().iter().zip(&matrix.held);
            let placed: Result<Vec<_>> = groups
                .map(|(group, held)| {
                    let source = &mapped.sources[group.source];
                    let direct = || mapped.direct(key, group, &matrix.shape.data_type, format);
                    let rows = match held {
                        Some(held) => GroupRows::Held(held),
                        None => GroupRows::Direct(
                            direct().ok_or_else(|| mapped.lacks(key, group.source))?,
                        ),
                    };
                    Ok(PlacedGroup {
                        source,
                        rows,
                        map: source.var_map(name),
                    })
                })
                .collect();
            let placed = PlacedRows {
                groups: &placed?,
                slots,
            };
            let matrix = match format_of(name, format) {
                BatchFormat::Csr => {
                    assemble::csr(&placed, &matrix.shape, buffers).map(InMemoryMatrix::Csr)
                }
                BatchFormat::Dense => {
                    assemble::dense(&placed, &matrix.shape, buffers).map(InMemoryMatrix::Dense)
                }
            };
            Ok((name.to_string(), matrix?))
        });
        matrices.collect()
    }
}

/// How a matrix is given in batches of a format: those of obsm are always dense.
fn format_of(name: &MatrixKey, format: BatchFormat) -> BatchFormat {
    match name {
        MatrixKey::Obsm(_) => BatchFormat::Dense,
        _ => format,
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

    /// The rows of a group that batches take straight from storage; `None` if they are to be held.
    fn direct<'a>(
        &'a self,
        key: usize,
        group: &'a Group,
        data_type: &DataType,
        format: BatchFormat,
    ) -> Option<DirectRows<'a>> {
        let name = &self.keys.matrices[key];
        let source = &self.sources[group.source];
        let map = source.var_map(name);
        source
            .matrix(key)?
            .direct(&group.rows, data_type, format_of(name, format), map)
    }

    /// Whether batches take the rows of a store straight from storage.
    pub(super) fn is_direct(
        &self,
        key: usize,
        source: usize,
        data_type: &DataType,
        format: BatchFormat,
    ) -> bool {
        let rows = Vec::new();
        let none = Group { source, rows };
        self.direct(key, &none, data_type, format).is_some()
    }

    /// What an observation's row of a matrix takes in a batch, in bytes: on average, or at most
    /// where the values are not counted.
    pub(super) fn output_bytes(&self, key: usize, format: BatchFormat) -> Result<f64> {
        let size = self.batch_data_type(key)?.fixed_size()? as f64;
        if format_of(&self.keys.matrices[key], format) == BatchFormat::Dense {
            let width: usize = self.any_row_shape(key).iter().product();
            return Ok(width as f64 * size);
        }
        let elements = self.sources.iter().map(|source| {
            let rows = source.matrix(key);
            rows.map_or(0.0, |rows| rows.mean_elements() * source.n_obs() as f64)
        });
        let elements = elements.sum::<f64>() / self.n_obs().max(1) as f64;
        Ok(elements * (size + size_of::<i32>() as f64))
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
