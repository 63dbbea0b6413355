//! Weights that balance labels, for weighted sampling.

use std::collections::HashMap;

use super::collection::MappedCollection;
use anndex_anndata::{Column, Label};
use anndex_store::error::{Error, Result};

impl MappedCollection {
    /// One weight per observation, in order: `1 / n`, or `scaler / (scaler + n)`, where `n` is
    /// the number of observations with the same labels in all of `obs_keys`.
    ///
    /// # Errors
    /// `InvalidInput` if no key is given, or a store lacks one of them (its observations would
    /// have no weight, and all later weights would stand at wrong positions); `NotFound` if no
    /// store has a key; `Corrupt` or `Storage` if a column can't be read.
    pub fn get_label_weights<S: AsRef<str>>(
        &self,
        obs_keys: &[S],
        scaler: Option<f64>,
    ) -> Result<Vec<f64>> {
        let counted = self.count_labels(obs_keys)?;
        Ok(counted
            .codes
            .iter()
            .map(|&code| weight(counted.counts[code], scaler))
            .collect())
    }

    /// The weight of each label that occurs, in the order of first occurrence; labels of several
    /// keys are joined by `__`.
    ///
    /// # Errors
    /// As [`MappedCollection::get_label_weights`].
    pub fn get_category_weights<S: AsRef<str>>(
        &self,
        obs_keys: &[S],
        scaler: Option<f64>,
    ) -> Result<Vec<(String, f64)>> {
        let counted = self.count_labels(obs_keys)?;
        let weights = counted.counts.iter().map(|&count| weight(count, scaler));
        Ok(counted.labels.into_iter().zip(weights).collect())
    }

    fn count_labels<S: AsRef<str>>(&self, obs_keys: &[S]) -> Result<Counted> {
        if obs_keys.is_empty() {
            return Err(Error::invalid_input(
                "weights need at least one column of obs",
            ));
        }
        let columns: Result<Vec<_>> = obs_keys
            .iter()
            .map(|key| self.read_columns(key.as_ref()))
            .collect();
        let columns = columns?;
        let mut counted = Counted::default();
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (index, source) in self.sources.iter().enumerate() {
            let own: Option<Vec<&Column>> = columns
                .iter()
                .map(|column| column[index].as_ref())
                .collect();
            let own = own.ok_or_else(|| {
                Error::invalid_input("a store lacks a column that weights are asked for")
                    .with("path", source.location())
            })?;
            for observation in 0..source.n_obs() {
                let row = source.row(observation) as usize;
                let label = own
                    .iter()
                    .map(|column| text(column, row))
                    .collect::<Vec<_>>();
                let label = label.join("__");
                let code = *seen.entry(label).or_insert_with_key(|label| {
                    counted.labels.push(label.clone());
                    counted.counts.push(0);
                    counted.counts.len() - 1
                });
                counted.counts[code] += 1;
                counted.codes.push(code);
            }
        }
        Ok(counted)
    }
}

/// How often each label occurs.
#[derive(Default)]
struct Counted {
    labels: Vec<String>,
    counts: Vec<u64>,
    /// The label of each observation.
    codes: Vec<usize>,
}

fn weight(count: u64, scaler: Option<f64>) -> f64 {
    let count = count as f64;
    scaler.map_or(1.0 / count, |scaler| scaler / (count + scaler))
}

/// The label as NumPy's `astype(str)` writes it.
fn text(column: &Column, row: usize) -> String {
    match (column, column.label(row)) {
        (_, Label::Missing) => Label::Missing.to_string(),
        (Column::Values { values, .. }, _) => values.text(row),
        (Column::Categorical(categorical), _) => {
            let code = usize::try_from(categorical.codes()[row]).unwrap_or_default();
            categorical.categories().text(code)
        }
    }
}
