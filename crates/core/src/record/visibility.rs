//! Visibility of records: what queries show, hide, or keep in the trash.

use serde::{Deserialize, Serialize};

use super::{FieldType, Value, ValueType};
use crate::error::{Error, Result};

/// Whether queries show a record. Stored as 0, 1 or 2.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(into = "i64", try_from = "i64")]
pub enum Visibility {
    /// 0: shown.
    #[default]
    Default,
    /// 1: shown only when asked for.
    Hidden,
    /// 2: in the trash.
    Trash,
}

impl From<Visibility> for i64 {
    fn from(visibility: Visibility) -> Self {
        match visibility {
            Visibility::Default => 0,
            Visibility::Hidden => 1,
            Visibility::Trash => 2,
        }
    }
}

impl TryFrom<i64> for Visibility {
    type Error = Error;

    fn try_from(number: i64) -> Result<Self> {
        match number {
            0 => Ok(Self::Default),
            1 => Ok(Self::Hidden),
            2 => Ok(Self::Trash),
            other => Err(Error::invalid_input(format!(
                "{other} is not a visibility: 0 is default, 1 hidden, 2 trash"
            ))),
        }
    }
}

impl From<Visibility> for Value {
    fn from(visibility: Visibility) -> Self {
        Self::Integer(visibility.into())
    }
}

impl FieldType for Visibility {
    const TYPE: ValueType = ValueType::Integer;

    fn to_value(&self) -> Value {
        Value::from(*self)
    }

    fn from_value(value: Value) -> Result<Self> {
        Self::try_from(i64::from_value(value)?)
    }
}
