//! Values of fields, as queries and changes carry them to a backend.

use std::fmt;

use chrono::{DateTime, SubsecRound, Utc};

/// The type of a field's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// True or false.
    Boolean,
    /// A signed 64-bit integer.
    Integer,
    /// UTF-8 text.
    Text,
    /// A point in time, UTC, to the microsecond.
    Time,
    /// A JSON document; it can be read and written but not compared.
    Json,
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// True or false.
    Boolean(bool),
    /// A signed 64-bit integer.
    Integer(i64),
    /// UTF-8 text.
    Text(String),
    /// A point in time, UTC, to the microsecond.
    Time(DateTime<Utc>),
    /// A JSON document.
    Json(serde_json::Value),
}

impl Value {
    /// The type; `None` for a null, which fits every type.
    pub fn value_type(&self) -> Option<ValueType> {
        match self {
            Self::Null => None,
            Self::Boolean(_) => Some(ValueType::Boolean),
            Self::Integer(_) => Some(ValueType::Integer),
            Self::Text(_) => Some(ValueType::Text),
            Self::Time(_) => Some(ValueType::Time),
            Self::Json(_) => Some(ValueType::Json),
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Text => "text",
            Self::Time => "time",
            Self::Json => "JSON",
        })
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<&String> for Value {
    fn from(value: &String) -> Self {
        Self::Text(value.clone())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<DateTime<Utc>> for Value {
    fn from(value: DateTime<Utc>) -> Self {
        Self::Time(value.trunc_subsecs(6))
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
