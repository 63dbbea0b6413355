//! The plainest possible concatenation of AnnData in memory: loops over names and values, with
//! nothing in common with the engine that it is held against.

use std::collections::{BTreeMap, BTreeSet};

use anndex_core::anndata::{AnnData, Column, DataFrame, InMemoryMatrix, Label};
use anndex_core::mapped::Join;
use anndex_core::store::DataType;

/// One matrix row: type and values.
pub type Row = (DataType, Vec<f64>);

/// AnnData held one after the other.
#[derive(Debug)]
pub struct Concatenation<'a> {
    parts: &'a [AnnData],
    join: Option<Join>,
    /// The part and row of each observation that passed the filter.
    rows: Vec<(usize, usize)>,
}

impl<'a> Concatenation<'a> {
    /// All observations of `parts` whose value in every filter's column is one of its labels.
    pub fn new(parts: &'a [AnnData], join: Option<Join>, filters: &[(String, Vec<Label>)]) -> Self {
        let mut rows = Vec::new();
        for (part, data) in parts.iter().enumerate() {
            for row in 0..data.obs.len() {
                let keep = filters.iter().all(|(name, wanted)| {
                    data.obs
                        .column(name)
                        .is_some_and(|column| wanted.contains(&column.label(row)))
                });
                if keep {
                    rows.push((part, row));
                }
            }
        }
        Self { parts, join, rows }
    }

    /// The part and row of each observation.
    pub fn rows(&self) -> &[(usize, usize)] {
        &self.rows
    }

    /// The joined variables; `None` if there is no join, `Some(Err)` if an inner join is empty.
    pub fn variables(&self) -> Option<Result<Vec<String>, ()>> {
        let lists: Vec<Vec<String>> = self.parts.iter().map(|part| index(&part.var)).collect();
        let join = self.join?;
        if lists.iter().all(|list| *list == lists[0]) {
            return Some(Ok(lists[0].clone()));
        }
        let joined: Vec<String> = match join {
            Join::Inner => lists[0]
                .iter()
                .filter(|name| lists.iter().all(|list| list.contains(name)))
                .cloned()
                .collect(),
            Join::Outer => lists
                .iter()
                .flatten()
                .cloned()
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
        };
        Some(if joined.is_empty() {
            Err(())
        } else {
            Ok(joined)
        })
    }

    /// The row of a matrix of an observation, `None` if its part lacks the key.
    pub fn row(&self, observation: usize, key: &str, dtype: Option<&DataType>) -> Option<Row> {
        let (part, row) = self.rows[observation];
        let data = &self.parts[part];
        let (matrix, joined) = match key {
            "X" => (data.x.as_ref()?, true),
            "raw.X" => (&data.raw.as_ref()?.x, false),
            key => match key.strip_prefix("obsm_") {
                Some(key) => (data.obsm.get(key)?.matrix()?, false),
                None => (data.layers.get(key)?, true),
            },
        };
        let stored = matrix.data_type().clone();
        let data_type = dtype.cloned().unwrap_or_else(|| stored.clone());
        let values = dense_row(matrix, row, &data_type);
        let values = match self.variables().filter(|_| joined) {
            Some(Ok(variables)) => {
                let own: BTreeMap<String, f64> = index(&data.var).into_iter().zip(values).collect();
                variables
                    .iter()
                    .map(|name| own.get(name).copied().unwrap_or(0.0))
                    .collect()
            }
            _ => values,
        };
        Some((data_type, values))
    }

    /// The label of an observation, `None` if its part lacks the column.
    pub fn label(&self, observation: usize, key: &str) -> Option<Label> {
        let (part, row) = self.rows[observation];
        self.parts[part]
            .obs
            .column(key)
            .map(|column| column.label(row))
    }

    /// The sorted distinct labels of a column over all parts, filtered or not.
    pub fn categories(&self, key: &str) -> Vec<Label> {
        let mut labels: Vec<Label> = Vec::new();
        for column in self.parts.iter().filter_map(|part| part.obs.column(key)) {
            let own: Vec<Label> = match column {
                Column::Categorical(categorical) => {
                    let categories = categorical.categories();
                    (0..categories.len())
                        .map(|code| categories.label(code))
                        .collect()
                }
                Column::Values { .. } => column.labels().filter(|l| !l.is_missing()).collect(),
            };
            for label in own {
                if !labels.contains(&label) {
                    labels.push(label);
                }
            }
        }
        labels.sort_by(|a, b| a.partial_cmp(b).expect("labels of one kind"));
        labels
    }
}

fn index(frame: &DataFrame) -> Vec<String> {
    frame.index().iter().map(str::to_owned).collect()
}

/// A row in another type. Values of one column are converted and then added.
fn dense_row(matrix: &InMemoryMatrix, row: usize, data_type: &DataType) -> Vec<f64> {
    let convert = conversion(matrix.data_type(), data_type);
    match matrix {
        InMemoryMatrix::Dense(values) => {
            let width = values.shape()[1];
            let value = |column| values.get_f64(row * width + column).expect("in range");
            (0..width).map(value).map(convert).collect()
        }
        InMemoryMatrix::Csr(csr) => {
            let mut values = vec![0.0; csr.n_columns()];
            for position in csr.indptr()[row] as usize..csr.indptr()[row + 1] as usize {
                let value = csr.data().get_f64(position).expect("in range");
                let place = &mut values[csr.indices()[position] as usize];
                *place = add(data_type, *place, convert(value));
            }
            values
        }
        InMemoryMatrix::Csc(_) => panic!("the generator makes none"),
    }
}

/// Only 0 and 1 are left of a number that becomes a boolean, the lowest byte of an integer that
/// becomes one, and the largest value of a float that is larger.
fn conversion(stored: &DataType, data_type: &DataType) -> fn(f64) -> f64 {
    match (data_type, stored.is_float()) {
        (DataType::Bool, _) => |value| f64::from(u8::from(value != 0.0)),
        (DataType::Int8, true) => |value| f64::from(value as i8),
        (DataType::UInt8, true) => |value| f64::from(value as u8),
        (DataType::Int8, false) => |value| f64::from(value as i64 as i8),
        (DataType::UInt8, false) => |value| f64::from(value as i64 as u8),
        _ => |value| value,
    }
}

/// The sum of two values of a type as NumPy has it.
pub fn add(data_type: &DataType, a: f64, b: f64) -> f64 {
    match data_type {
        DataType::Bool => a.max(b),
        DataType::Int8 => f64::from((a + b) as i64 as i8),
        DataType::UInt8 => f64::from((a + b) as i64 as u8),
        _ => a + b,
    }
}
