//! The labels of all stores together.

use super::collection::MappedCollection;
use super::encoders::{distinct, read_columns};
use super::obs_values::numeric_type;
use anndex_anndata::{Column, Label};
use anndex_store::error::Result;
use anndex_store::{DataType, promote};

impl MappedCollection {
    /// The values of a column of obs of all observations, in order. Stores that lack the column
    /// are left out.
    ///
    /// # Errors
    /// `NotFound` if no store has the column; `Corrupt` or `Storage` if it can't be read.
    pub fn get_merged_labels(&self, obs_key: &str) -> Result<Vec<Label>> {
        self.get_typed_labels(obs_key).map(|(labels, _)| labels)
    }

    /// The same, and the type that holds the stored numbers of all stores (NumPy's promotion);
    /// `None` if a store has text.
    ///
    /// # Errors
    /// As [`MappedCollection::get_merged_labels`].
    pub fn get_typed_labels(&self, obs_key: &str) -> Result<(Vec<Label>, Option<DataType>)> {
        let columns = self.read_columns(obs_key)?;
        let types: Option<Vec<&DataType>> = columns.iter().flatten().map(numeric_type).collect();
        let data_type = match types.as_deref() {
            Some([first, rest @ ..]) => Some(
                rest.iter()
                    .try_fold((*first).clone(), |a, b| promote(&a, b))?,
            ),
            _ => None,
        };
        let mut labels = Vec::new();
        for (source, column) in self.sources.iter().zip(&columns) {
            let Some(column) = column else { continue };
            match source.selected() {
                None => labels.extend(column.labels()),
                Some(rows) => labels.extend(rows.iter().map(|&row| column.label(row as usize))),
            }
        }
        Ok((labels, data_type))
    }

    /// The sorted distinct labels of a column of obs over all stores: the categories of
    /// categorical columns, whether or not they occur, and the values of others. A filter does
    /// not narrow them.
    ///
    /// # Errors
    /// As [`MappedCollection::get_merged_labels`]; `InvalidInput` if text and numbers are mixed.
    pub fn get_merged_categories(&self, obs_key: &str) -> Result<Vec<Label>> {
        let columns = self.read_columns(obs_key)?;
        let mut labels = distinct(columns.iter().flatten());
        Label::sort(&mut labels).map_err(|error| error.with("key", obs_key))?;
        Ok(labels)
    }

    /// One column per store, `None` where it lacks it.
    pub(super) fn read_columns(&self, obs_key: &str) -> Result<Vec<Option<Column>>> {
        self.check_open()?;
        read_columns(&self.sources, obs_key)
    }
}
