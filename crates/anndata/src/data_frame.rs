//! Annotations in memory.

use super::column::Column;
use anndex_store::error::{Error, Result};
use anndex_store::{NumericArray, Strings};

/// A table in memory: an index of names and columns of the same length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DataFrame {
    index: Strings,
    index_name: Option<String>,
    /// The index as it is stored, if that is numbers.
    numeric_index: Option<NumericArray>,
    columns: Vec<(String, Column)>,
}

impl DataFrame {
    /// A table without columns.
    pub fn new(index: Strings) -> Self {
        Self {
            index,
            index_name: None,
            numeric_index: None,
            columns: Vec::new(),
        }
    }

    /// A table without columns whose index is numbers, which are its text as Python writes them.
    ///
    /// # Errors
    /// `InvalidInput` if `index` has not one dimension.
    pub fn with_numeric_index(index: NumericArray) -> Result<Self> {
        let text = Column::numeric(index.clone())?.into_text();
        let mut frame = Self::new(text);
        frame.numeric_index = Some(index);
        Ok(frame)
    }

    /// Gives the index a name.
    pub fn with_index_name(mut self, name: impl Into<String>) -> Self {
        self.index_name = Some(name.into());
        self
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
                anndex_store::ErrorKind::AlreadyExists,
                "there is a column of this name already",
            )
            .with("column", name));
        }
        self.columns.push((name, column));
        Ok(self)
    }

    /// Sets a column, which takes the place of one of this name, or comes last.
    ///
    /// # Errors
    /// `InvalidInput` if its length differs from the index's.
    pub(super) fn replacing_column(mut self, name: &str, column: Column) -> Result<Self> {
        match self.columns.iter_mut().find(|(other, _)| other == name) {
            Some((_, old)) if column.len() == old.len() => {
                *old = column;
                Ok(self)
            }
            _ => self.with_column(name, column),
        }
    }

    /// The names of the rows.
    pub fn index(&self) -> &Strings {
        &self.index
    }

    /// The index as numbers, if it is numbers.
    pub fn numeric_index(&self) -> Option<&NumericArray> {
        self.numeric_index.as_ref()
    }

    /// The name of the index, if it has one.
    pub fn index_name(&self) -> Option<&str> {
        self.index_name.as_deref()
    }

    /// The columns in order.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = (&str, &Column)> {
        self.columns
            .iter()
            .map(|(name, column)| (name.as_str(), column))
    }

    /// The columns in order, without a copy.
    pub fn into_columns(self) -> impl Iterator<Item = (String, Column)> {
        self.columns.into_iter()
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
