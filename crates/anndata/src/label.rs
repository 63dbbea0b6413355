//! One value of an annotation column, comparable across files whatever type each chose for it.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Serialize, Serializer};

use anndex_store::error::{Error, Result};

/// A value of an annotation column.
///
/// Numbers and booleans are equal if their values are, as in Python: `1 == 1.0 == True`.
#[derive(Debug, Clone)]
pub enum Label {
    /// Text.
    String(Arc<str>),
    /// A signed integer; unsigned ones that fit are this, too.
    Int(i64),
    /// An unsigned integer above `i64::MAX`.
    UInt(u64),
    /// A floating-point number that is not NaN.
    Float(f64),
    /// A boolean.
    Bool(bool),
    /// No value: NaN, a masked value or the category code -1.
    Missing,
}

/// A number as an exact integer where it is one, so that equal values hash equally.
enum Number {
    Integer(i128),
    Fraction(f64),
}

impl Label {
    /// Whether there is no value.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }

    fn number(&self) -> Option<Number> {
        Some(match *self {
            Self::Int(value) => Number::Integer(value.into()),
            Self::UInt(value) => Number::Integer(value.into()),
            Self::Bool(value) => Number::Integer(value.into()),
            // Every whole float64 below 2^63 is exact as an integer.
            Self::Float(value) if value.fract() == 0.0 && value.abs() < 9.3e18 => {
                Number::Integer(value as i128)
            }
            Self::Float(value) => Number::Fraction(value),
            Self::String(_) | Self::Missing => return None,
        })
    }

    /// Sorts labels as Python's `sorted` does.
    ///
    /// # Errors
    /// `InvalidInput` if text and numbers stand side by side, which have no order.
    pub fn sort(labels: &mut [Label]) -> Result<()> {
        let texts = labels
            .iter()
            .filter(|label| matches!(label, Self::String(_)))
            .count();
        if texts != 0 && texts != labels.len() {
            return Err(Error::invalid_input(
                "text and numbers are mixed in one column, so its labels have no order; store \
                 the column with one type in all files",
            ));
        }
        labels.sort_by(|a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal));
        Ok(())
    }
}

impl PartialEq for Label {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Missing, Self::Missing) => true,
            _ => match (self.number(), other.number()) {
                (Some(Number::Integer(a)), Some(Number::Integer(b))) => a == b,
                (Some(Number::Fraction(a)), Some(Number::Fraction(b))) => a == b,
                _ => false,
            },
        }
    }
}

impl Eq for Label {}

impl Hash for Label {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match (self, self.number()) {
            (Self::String(text), _) => text.hash(state),
            (_, Some(Number::Integer(value))) => value.hash(state),
            (_, Some(Number::Fraction(value))) => value.to_bits().hash(state),
            _ => {}
        }
    }
}

impl PartialOrd for Label {
    /// Text by code points, numbers by value; `None` between the two and with a missing value.
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        if let (Self::String(a), Self::String(b)) = (self, other) {
            return Some(a.cmp(b));
        }
        match (self.number()?, other.number()?) {
            (Number::Integer(a), Number::Integer(b)) => Some(a.cmp(&b)),
            (Number::Integer(a), Number::Fraction(b)) => (a as f64).partial_cmp(&b),
            (Number::Fraction(a), Number::Integer(b)) => a.partial_cmp(&(b as f64)),
            (Number::Fraction(a), Number::Fraction(b)) => a.partial_cmp(&b),
        }
    }
}

impl fmt::Display for Label {
    /// The text that Python's `str` gives: `True`, `1.0`, `1e-05`, `nan`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => f.write_str(text),
            Self::Int(value) => write!(f, "{value}"),
            Self::UInt(value) => write!(f, "{value}"),
            Self::Float(value) => f.write_str(&python_float(&format!("{value:?}"))),
            Self::Bool(value) => f.write_str(if *value { "True" } else { "False" }),
            Self::Missing => f.write_str("nan"),
        }
    }
}

/// Turns Rust's shortest form of a float into Python's: both switch to an exponent at the same
/// sizes, but Python writes a sign and two digits (`1e-05`, `1e+16`).
pub(super) fn python_float(rust: &str) -> String {
    let Some((digits, exponent)) = rust.split_once('e') else {
        return rust.to_lowercase();
    };
    let (sign, exponent) = exponent
        .strip_prefix('-')
        .map_or(('+', exponent), |exponent| ('-', exponent));
    let digits = digits.strip_suffix(".0").unwrap_or(digits);
    format!("{digits}e{sign}{exponent:0>2}")
}

impl Serialize for Label {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::String(text) => serializer.serialize_str(text),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::UInt(value) => serializer.serialize_u64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Missing => serializer.serialize_none(),
        }
    }
}

impl From<&str> for Label {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Label {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

impl From<i64> for Label {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u64> for Label {
    fn from(value: u64) -> Self {
        i64::try_from(value).map_or(Self::UInt(value), Self::Int)
    }
}

impl From<f64> for Label {
    /// NaN becomes [`Label::Missing`].
    fn from(value: f64) -> Self {
        if value.is_nan() {
            Self::Missing
        } else {
            Self::Float(value)
        }
    }
}

impl From<bool> for Label {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_that_of_python() {
        let cases = [
            (1.0, "1.0"),
            (1e-5, "1e-05"),
            (1e16, "1e+16"),
            (0.0001, "0.0001"),
        ];
        for (value, expected) in cases {
            assert_eq!(Label::Float(value).to_string(), expected);
        }
        assert_eq!(Label::Float(1.5e300).to_string(), "1.5e+300");
        assert_eq!(Label::Float(f64::INFINITY).to_string(), "inf");
        assert_eq!(Label::Bool(true).to_string(), "True");
    }

    #[test]
    fn numbers_are_equal_across_types() {
        let mut seen = std::collections::HashSet::new();
        assert!(seen.insert(Label::Int(1)));
        assert!(!seen.insert(Label::Float(1.0)));
        assert!(!seen.insert(Label::Bool(true)));
        assert!(seen.insert(Label::from("1")));
        let mut mixed = [Label::Int(1), Label::from("a")];
        assert!(Label::sort(&mut mixed).is_err());
    }
}
