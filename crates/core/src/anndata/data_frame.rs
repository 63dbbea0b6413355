//! Annotations in memory.

use super::column::Column;
use crate::error::{Error, Result};
use crate::store::Strings;

/// A table in memory: an index of names and columns of the same length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DataFrame {
    index: Strings,
    columns: Vec<(String, Column)>,
}

impl DataFrame {
    /// A table without columns.
    pub fn new(index: Strings) -> Self {
        Self {
            index,
            columns: Vec::new(),
        }
    }

    /// Adds a column at the end.
    ///
    /// # Errors
    /// `InvalidInput` if its length differs from the index's, `AlreadyExists` if there is a
    /// column of this name.
    pub fn with_column(mut self, name: impl Into<String>, column: Column) -> Result<Self> {
        let name = name.into();
        if column.len() != self.index.len() {
            return Err(Error::invalid_input(format!(
                "the column has {} rows, but the index {}",
                column.len(),
                self.index.len()
            ))
            .with("column", name));
        }
        if self.column(&name).is_some() {
            return Err(Error::new(
                crate::ErrorKind::AlreadyExists,
                "there is a column of this name already",
            )
            .with("column", name));
        }
        self.columns.push((name, column));
        Ok(self)
    }

    /// The names of the rows.
    pub fn index(&self) -> &Strings {
        &self.index
    }

    /// The columns in order.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = (&str, &Column)> {
        self.columns
            .iter()
            .map(|(name, column)| (name.as_str(), column))
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns()
            .find(|(other, _)| *other == name)
            .map(|(_, column)| column)
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }
}
