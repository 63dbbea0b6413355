//! Which values of a column are missing, and as what.

use std::ops::Deref;

/// `true` where a value is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    missing: Vec<bool>,
    is_nan: bool,
}

impl Mask {
    /// Values that are missing as NaN, as in pandas's text since version 3.
    pub fn nan(missing: Vec<bool>) -> Self {
        Self {
            missing,
            is_nan: true,
        }
    }

    /// Whether missing values are NaN, and not pandas's `NA`.
    pub fn is_nan(&self) -> bool {
        self.is_nan
    }
}

impl Deref for Mask {
    type Target = [bool];

    fn deref(&self) -> &[bool] {
        &self.missing
    }
}

impl From<Vec<bool>> for Mask {
    /// Values that are missing as `NA`, as in pandas's nullable types.
    fn from(missing: Vec<bool>) -> Self {
        Self {
            missing,
            is_nan: false,
        }
    }
}

impl FromIterator<bool> for Mask {
    fn from_iter<I: IntoIterator<Item = bool>>(missing: I) -> Self {
        Self::from(Vec::from_iter(missing))
    }
}

impl From<Mask> for Vec<bool> {
    fn from(mask: Mask) -> Self {
        mask.missing
    }
}
