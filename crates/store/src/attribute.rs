//! Attributes: the small values that stores attach to groups and arrays.

use std::collections::BTreeMap;

/// All attributes of a node, by name.
pub type Attributes = BTreeMap<String, Attribute>;

/// Up to this, 2^53, each integer is a float64 of its own.
const EXACT_INTEGERS: f64 = 9_007_199_254_740_992.0;

/// The value of one attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// No value (JSON null, HDF5 empty).
    Null,
    /// A boolean.
    Bool(bool),
    /// A signed integer; unsigned ones that fit are this, too.
    Int(i64),
    /// An unsigned integer above `i64::MAX`.
    UInt(u64),
    /// A floating-point number.
    Float(f64),
    /// Text.
    String(String),
    /// A list; arrays of more dimensions are nested lists.
    List(Vec<Attribute>),
    /// Named values (JSON object, HDF5 compound).
    Object(BTreeMap<String, Attribute>),
    /// A reference to another node: its path from the root, without a leading slash.
    Reference(String),
    /// A value that the store can't decode: what it is or why, in the store's own words.
    Other(String),
}

impl Attribute {
    /// The one item of a list of one: writers outside of Python know no scalars, and Python takes
    /// an array of one as what is in it. Anything else is itself.
    fn scalar(&self) -> &Self {
        match self {
            Self::List(items) => match items.as_slice() {
                [one] => one.scalar(),
                _ => self,
            },
            _ => self,
        }
    }

    /// The text, if it is text, or a list of one that is.
    pub fn as_str(&self) -> Option<&str> {
        match self.scalar() {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The boolean, if it is one (or a number 0 or 1, as some writers store booleans), or a list
    /// of one that is.
    pub fn as_bool(&self) -> Option<bool> {
        match self.scalar() {
            Self::Bool(value) => Some(*value),
            Self::Int(0) => Some(false),
            Self::Int(1) => Some(true),
            Self::Float(value) if *value == 0.0 => Some(false),
            Self::Float(value) if *value == 1.0 => Some(true),
            _ => None,
        }
    }

    /// The integer, if it is one and not negative (or a float of the same value, as R has all
    /// numbers that are written without an `L`), or a list of one that is.
    pub fn as_u64(&self) -> Option<u64> {
        match self.scalar() {
            Self::Int(value) => u64::try_from(*value).ok(),
            Self::UInt(value) => Some(*value),
            Self::Float(value) => {
                let is_exact = value.fract() == 0.0 && (0.0..=EXACT_INTEGERS).contains(value);
                is_exact.then_some(*value as u64)
            }
            _ => None,
        }
    }

    /// The items, if it is a list.
    pub fn as_list(&self) -> Option<&[Attribute]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Attribute {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<bool> for Attribute {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Attribute {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u64> for Attribute {
    fn from(value: u64) -> Self {
        i64::try_from(value).map_or(Self::UInt(value), Self::Int)
    }
}

impl From<f64> for Attribute {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl<T: Into<Attribute>> From<Vec<T>> for Attribute {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_r_are_integers() {
        assert_eq!(Attribute::Float(60.0).as_u64(), Some(60));
        assert_eq!(Attribute::Float(1.0).as_bool(), Some(true));
        for other in [0.5, -1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(Attribute::Float(other).as_u64(), None, "{other}");
        }
    }

    #[test]
    fn a_list_of_one_is_the_value_in_it() {
        assert_eq!(Attribute::from(vec![true]).as_bool(), Some(true));
        assert_eq!(Attribute::from(vec![vec![1i64]]).as_bool(), Some(true));
        assert_eq!(
            Attribute::from(vec!["csr_matrix"]).as_str(),
            Some("csr_matrix")
        );
        assert_eq!(Attribute::from(vec![7i64]).as_u64(), Some(7));
        assert_eq!(Attribute::from(vec![true, true]).as_bool(), None);
        assert_eq!(Attribute::List(Vec::new()).as_str(), None);
        assert_eq!(
            Attribute::from(vec!["a"]).as_list().map(<[_]>::len),
            Some(1)
        );
    }
}
