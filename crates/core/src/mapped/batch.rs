//! Many observations at once, each store's rows read together.

use super::MappedCollection;
use super::assemble::{PlacedBlock, join_csr, scatter};
use super::source::{MISSING_CODE, ObsRows};
use crate::anndata::{Column, InMemoryMatrix, Label, MatrixKey, Values};
use crate::error::{Error, Result};
use crate::store::{DataType, NumericArray, Strings, promote};

/// How the layers of a batch are given. Matrices of obsm are always dense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BatchFormat {
    /// Every value: observations × variables.
    #[default]
    Dense,
    /// A sparse matrix by rows.
    Csr,
}

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

    /// The size of the matrices in bytes.
    pub fn bytes(&self) -> u64 {
        let size = |matrix: &InMemoryMatrix| match matrix {
            InMemoryMatrix::Dense(values) => values.bytes().len(),
            InMemoryMatrix::Csr(csr) => {
                csr.data().bytes().len()
                    + std::mem::size_of_val(csr.indices())
                    + std::mem::size_of_val(csr.indptr())
            }
        };
        self.matrices
            .iter()
            .map(|(_, matrix)| size(matrix) as u64)
            .sum()
    }
}

/// The rows of one store that a batch needs.
struct Group {
    source: usize,
    /// Sorted and distinct.
    rows: Vec<u64>,
    /// Pairs of a position in `rows` and a row of the batch.
    placements: Vec<(usize, usize)>,
}

impl MappedCollection {
    /// Reads observations in any order, any of them more than once.
    ///
    /// # Errors
    /// `InvalidInput` if an index is past the end, the collection was closed, one of the stores
    /// asked for lacks a matrix, or their rows differ in length (without a join, in `raw.X` or in
    /// obsm); `Corrupt`, `Unsupported` or `Storage` if rows can't be read.
    pub fn batch(&self, indices: &[u64], format: BatchFormat) -> Result<Batch> {
        let groups = self.group(indices)?;
        let mut store_index = vec![0; indices.len()];
        for group in &groups {
            for &(_, row) in &group.placements {
                store_index[row] = group.source as i64;
            }
        }
        let matrices: Result<Vec<_>> = (0..self.keys.matrices.len())
            .map(|position| {
                let matrix = self.batch_matrix(position, &groups, indices.len(), format)?;
                Ok((self.keys.matrices[position].to_string(), matrix))
            })
            .collect();
        let obs: Result<Vec<_>> = (0..self.keys.obs.len())
            .map(|position| {
                let column = self.batch_column(position, &groups, indices.len())?;
                Ok((self.keys.obs[position].clone(), column))
            })
            .collect();
        Ok(Batch {
            store_index,
            matrices: matrices?,
            obs: obs?,
        })
    }

    fn group(&self, indices: &[u64]) -> Result<Vec<Group>> {
        let mut located = Vec::with_capacity(indices.len());
        for (position, &index) in indices.iter().enumerate() {
            let (source, row) = self.locate(index)?;
            located.push((source, row, position));
        }
        located.sort_unstable();
        let mut groups: Vec<Group> = Vec::new();
        for (source, row, position) in located {
            let group = match groups.last_mut() {
                Some(group) if group.source == source => group,
                _ => {
                    groups.push(Group {
                        source,
                        rows: Vec::new(),
                        placements: Vec::new(),
                    });
                    let last = groups.len() - 1;
                    &mut groups[last]
                }
            };
            if group.rows.last() != Some(&row) {
                group.rows.push(row);
            }
            group.placements.push((group.rows.len() - 1, position));
        }
        Ok(groups)
    }

    /// The type of a matrix in all batches.
    fn batch_data_type(&self, position: usize) -> Result<DataType> {
        if let Some(dtype) = &self.dtype {
            return Ok(dtype.clone());
        }
        let mut types = self.sources.iter().filter_map(|s| s.matrix(position));
        let first = types
            .next()
            .map_or(DataType::Float32, |rows| rows.data_type().clone());
        types.try_fold(first, |a, rows| promote(&a, rows.data_type()))
    }

    fn batch_matrix(
        &self,
        position: usize,
        groups: &[Group],
        n_rows: usize,
        format: BatchFormat,
    ) -> Result<InMemoryMatrix> {
        let key = &self.keys.matrices[position];
        let data_type = self.batch_data_type(position)?;
        let mut row_shape: Option<Vec<usize>> = None;
        let mut blocks = Vec::with_capacity(groups.len());
        for group in groups {
            let source = &self.sources[group.source];
            let located = |error: Error| error.operation("read").with("path", source.location());
            let rows = source.matrix(position).ok_or_else(|| {
                located(Error::invalid_input(format!(
                    "this store has no `{key}`, so it can't be in one batch with others; leave \
                     the key or the store out"
                )))
            })?;
            let shape = source.sample_shape(key, rows);
            if let Some(first) = row_shape
                .replace(shape.clone())
                .filter(|first| *first != shape)
            {
                return Err(located(Error::invalid_input(format!(
                    "the rows of `{key}` have the shape {shape:?} here, but {first:?} in another \
                     store, so they can't be in one batch; join the variables, or leave the key \
                     out"
                ))));
            }
            let block = rows.read(&group.rows, &data_type).map_err(located)?;
            let map = source.var_map(key);
            blocks.push(PlacedBlock {
                block,
                placements: &group.placements,
                map,
            });
        }
        let row_shape = match row_shape {
            Some(shape) => shape,
            None => self.empty_row_shape(position),
        };
        if format == BatchFormat::Csr && !matches!(key, MatrixKey::Obsm(_)) {
            let width = row_shape.iter().product();
            return join_csr(&blocks, &data_type, n_rows, width).map(InMemoryMatrix::Csr);
        }
        let mut out = NumericArray::zeros(data_type, [&[n_rows], row_shape.as_slice()].concat())?;
        blocks
            .iter()
            .try_for_each(|placed| scatter(placed, &mut out))?;
        Ok(InMemoryMatrix::Dense(out))
    }

    /// The shape of a row where no row was asked for.
    fn empty_row_shape(&self, position: usize) -> Vec<usize> {
        let key = &self.keys.matrices[position];
        let mut shapes = self.sources.iter().filter_map(|source| {
            source
                .matrix(position)
                .map(|rows| source.sample_shape(key, rows))
        });
        shapes.next().unwrap_or_default()
    }

    fn batch_column(
        &self,
        position: usize,
        groups: &[Group],
        n_rows: usize,
    ) -> Result<BatchColumn> {
        let encoded = self.encoder(&self.keys.obs[position]).is_some();
        let mut codes = vec![i64::from(MISSING_CODE); if encoded { n_rows } else { 0 }];
        let mut labels = vec![Label::Missing; if encoded { 0 } else { n_rows }];
        let mut numeric: Option<DataType> = None;
        for group in groups {
            let source = &self.sources[group.source];
            let read = source
                .obs_rows(position, &group.rows)
                .map_err(|error| error.operation("read").with("path", source.location()))?;
            match read {
                None => {}
                Some(ObsRows::Codes(read)) => {
                    for &(row, output) in &group.placements {
                        codes[output] = read[row].into();
                    }
                }
                Some(ObsRows::Values(column, rows)) => {
                    for &(row, output) in &group.placements {
                        labels[output] = column.label(rows[row]);
                    }
                    if let Some(data_type) = numeric_type(&column) {
                        numeric = Some(match &numeric {
                            Some(other) => promote(other, data_type)?,
                            None => data_type.clone(),
                        });
                    }
                }
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

/// The type of a column that holds numbers.
pub(super) fn numeric_type(column: &Column) -> Option<&DataType> {
    let values = match column {
        Column::Values { values, .. } => values,
        Column::Categorical(categorical) => categorical.categories(),
    };
    match values {
        Values::Numeric(numbers) => Some(numbers.data_type()),
        Values::Strings(_) => None,
    }
}

/// A column of labels that come from several stores, in the given type if they are numbers.
fn values_column(labels: &[Label], numeric: Option<DataType>) -> Result<Column> {
    let has_text = labels.iter().any(|label| matches!(label, Label::String(_)));
    let missing: Vec<bool> = labels.iter().map(Label::is_missing).collect();
    let missing = missing.contains(&true).then_some(missing);
    let Some(data_type) = numeric else {
        let mut strings = Strings::new();
        for label in labels {
            match label {
                Label::String(text) => strings.push(text),
                _ => strings.push(""),
            }
        }
        return Ok(Column::Values {
            values: Values::Strings(strings),
            missing,
        });
    };
    if has_text {
        return Err(Error::invalid_input(
            "the column holds text in one store and numbers in another; store it with one type",
        ));
    }
    let wide = if data_type == DataType::UInt64 {
        let value = |label: &Label| match label {
            Label::UInt(value) => *value,
            Label::Int(value) => u64::try_from(*value).unwrap_or_default(),
            Label::Bool(value) => u64::from(*value),
            _ => 0,
        };
        NumericArray::from_values(
            [labels.len()],
            &labels.iter().map(value).collect::<Vec<_>>(),
        )?
    } else if data_type.is_float() {
        let value = |label: &Label| match label {
            Label::Float(value) => *value,
            Label::Int(value) => *value as f64,
            Label::UInt(value) => *value as f64,
            Label::Bool(value) => f64::from(*value),
            _ => f64::NAN,
        };
        NumericArray::from_values(
            [labels.len()],
            &labels.iter().map(value).collect::<Vec<_>>(),
        )?
    } else {
        let value = |label: &Label| match label {
            Label::Int(value) => *value,
            Label::Bool(value) => i64::from(*value),
            _ => 0,
        };
        NumericArray::from_values(
            [labels.len()],
            &labels.iter().map(value).collect::<Vec<_>>(),
        )?
    };
    Ok(Column::Values {
        values: Values::Numeric(wide.cast(&data_type)?),
        missing,
    })
}
