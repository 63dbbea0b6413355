//! Single observations.

use super::assemble::{self, GroupRows, PlacedGroup, PlacedRows};
use super::buffer::Buffers;
use super::collection::MappedCollection;
use super::columns::ColumnPacking;
use super::format::BatchFormat;
use super::selection::Slot;
use super::shape::MatrixShape;
use super::source::{MISSING_CODE, ObsRows};
use anndex_anndata::{Column, Label, Values};
use anndex_store::NumericArray;
use anndex_store::error::Result;

/// One observation. Matrices that its store lacks are left out; an obs key that it lacks is
/// missing, as it is in batches.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The store that it comes from (`_store_idx` in Python).
    pub store_index: usize,
    /// The rows of the matrices under their keys (`X`, `raw.X`, a layer's name, `obsm_<key>`):
    /// dense, in the stored type unless `dtype` was given; joined variables that the store lacks
    /// are 0.
    pub matrices: Vec<(String, NumericArray)>,
    /// The values of all obs keys.
    pub obs: Vec<(String, ObsValue)>,
}

/// The value of an obs key.
#[derive(Debug, Clone, PartialEq)]
pub enum ObsValue {
    /// An encoded label.
    Code(i64),
    /// A number or boolean in its stored type, as an array without dimensions.
    Number(NumericArray),
    /// Text, or a missing value.
    Label(Label),
}

impl Sample {
    /// The row of a matrix; `None` if the store lacks the key.
    pub fn matrix(&self, key: &str) -> Option<&NumericArray> {
        self.matrices
            .iter()
            .find(|(other, _)| other == key)
            .map(|(_, row)| row)
    }

    /// The value of an obs key; `None` if it was not asked for.
    pub fn obs(&self, key: &str) -> Option<&ObsValue> {
        self.obs
            .iter()
            .find(|(other, _)| other == key)
            .map(|(_, value)| value)
    }
}

impl MappedCollection {
    /// Reads one observation.
    ///
    /// # Errors
    /// `InvalidInput` if `index` is past the end or the collection was closed; `Corrupt`,
    /// `Unsupported` or `Storage` if the row can't be read.
    pub fn get(&self, index: u64) -> Result<Sample> {
        let (store_index, row) = self.locate(index)?;
        let source = &self.sources[store_index];
        let located = |error| source.locate(error);
        let own = [row];
        let mut matrices = Vec::with_capacity(self.keys.matrices.len());
        for (position, key) in self.keys.matrices.iter().enumerate() {
            let Some(rows) = source.matrix(position) else {
                continue;
            };
            let data_type = self.dtype.as_ref().unwrap_or_else(|| rows.data_type());
            let map = source.var_map(key);
            let held;
            let rows_of_group = match rows.direct(&own, data_type, BatchFormat::Dense, map) {
                Some(direct) => GroupRows::Direct(direct),
                None => {
                    held = rows
                        .read(&own, data_type, ColumnPacking::Small, None)
                        .map_err(located)?;
                    GroupRows::Held(&held)
                }
            };
            let shape = MatrixShape {
                data_type: data_type.clone(),
                row_shape: source.sample_shape(key, rows),
            };
            let placed = PlacedRows {
                groups: &[PlacedGroup {
                    source,
                    rows: rows_of_group,
                    map,
                }],
                slots: &[Slot::default()],
            };
            let row = assemble::dense(&placed, &shape, &Buffers::new())?;
            matrices.push((key.to_string(), row.reshape(shape.row_shape)?));
        }
        let mut obs = Vec::with_capacity(self.keys.obs.len());
        for (position, key) in self.keys.obs.iter().enumerate() {
            let value = match source.obs_rows(position, &[row]).map_err(located)? {
                None => ObsValue::Label(Label::Missing),
                Some(ObsRows::Codes(codes)) => match codes.first() {
                    None | Some(&MISSING_CODE) => ObsValue::Label(Label::Missing),
                    Some(&code) => ObsValue::Code(code.into()),
                },
                Some(ObsRows::Values(column, rows)) => value(&column, rows[0])?,
            };
            obs.push((key.clone(), value));
        }
        Ok(Sample {
            store_index,
            matrices,
            obs,
        })
    }
}

fn value(column: &Column, row: usize) -> Result<ObsValue> {
    let label = column.label(row);
    let (values, row) = match column {
        Column::Values { values, .. } => (values, row),
        Column::Categorical(categorical) => (
            categorical.categories(),
            usize::try_from(categorical.codes()[row]).unwrap_or_default(),
        ),
    };
    match values {
        Values::Numeric(numbers) if !label.is_missing() => {
            let size = numbers.data_type().fixed_size()?;
            let bytes = &numbers.bytes()[row * size..(row + 1) * size];
            let scalar = NumericArray::from_bytes(numbers.data_type().clone(), [], bytes)?;
            Ok(ObsValue::Number(scalar))
        }
        _ => Ok(ObsValue::Label(label)),
    }
}
