//! Columns of few distinct values, stored as codes.

use super::column::Values;
use super::label::Label;
use anndex_store::error::{Error, Result};
use anndex_store::{DataType, NumericArray};

/// A column of codes that point into a list of categories.
#[derive(Debug, Clone, PartialEq)]
pub struct Categorical {
    codes: Vec<i32>,
    categories: Values,
    ordered: bool,
}

impl Categorical {
    /// A categorical column; the code -1 stands for a missing value.
    ///
    /// # Errors
    /// `Corrupt` if a code is below -1 or past the last category.
    pub fn new(codes: Vec<i32>, categories: Values, ordered: bool) -> Result<Self> {
        let count = categories.len();
        let wrong = codes
            .iter()
            .find(|&&code| code < -1 || code >= 0 && code as usize >= count);
        match wrong {
            Some(code) => Err(Error::corrupt(format!(
                "the code {code} does not stand for any of the {count} categories"
            ))),
            None => Ok(Self {
                codes,
                categories,
                ordered,
            }),
        }
    }

    /// A categorical column from stored codes of any integer type; besides -1, the lowest int32
    /// stands for a missing value.
    pub(super) fn from_stored(
        codes: NumericArray,
        categories: Values,
        ordered: bool,
    ) -> Result<Self> {
        if !codes.data_type().is_integer() {
            return Err(Error::corrupt(format!(
                "category codes must be integers, but are {}",
                codes.data_type()
            )));
        }
        if let DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16 =
            codes.data_type()
        {
            // As nearly all are, of millions of rows: without a detour over 8 bytes each.
            let codes = codes.cast(&DataType::Int32)?;
            let codes = codes.as_slice::<i32>().unwrap_or_default();
            return Self::new(codes.to_vec(), categories, ordered);
        }
        if let Some(stored) = codes.as_slice::<i32>() {
            // R writes a missing integer like this, and converters of factors leave it so.
            let missing = |&code: &i32| if code == i32::MIN { -1 } else { code };
            return Self::new(stored.iter().map(missing).collect(), categories, ordered);
        }
        let wide = codes.cast(&DataType::Int64)?;
        let narrow: Option<Vec<i32>> = wide
            .as_slice::<i64>()
            .unwrap_or_default()
            .iter()
            .map(|&code| i32::try_from(code).ok())
            .collect();
        let codes = narrow.ok_or_else(|| Error::corrupt("a category code exceeds 32 bits"))?;
        Self::new(codes, categories, ordered)
    }

    /// One code per row; -1 for a missing value.
    pub fn codes(&self) -> &[i32] {
        &self.codes
    }

    /// The categories, in their stored order.
    pub fn categories(&self) -> &Values {
        &self.categories
    }

    /// Whether the categories' order means something.
    pub fn ordered(&self) -> bool {
        self.ordered
    }

    /// The label of a row; missing past the end.
    pub fn label(&self, row: usize) -> Label {
        let code = self
            .codes
            .get(row)
            .and_then(|&code| usize::try_from(code).ok());
        code.map_or(Label::Missing, |code| self.categories.label(code))
    }
}
