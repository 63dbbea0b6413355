//! Values of fields between Python and the registry.

use anndex_core::backend::LookupValue;
use anndex_core::record::{Field, Kind, Value};
use anndex_core::{Error, Result};
use chrono::{DateTime, Datelike, Utc};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;

use crate::error::exception;

/// A value from Python; times are in UTC. `None` stands for a null.
#[derive(FromPyObject)]
pub(crate) enum ValueArgument {
    Boolean(bool),
    Integer(i64),
    Text(String),
    Time(DateTime<Utc>),
}

impl From<ValueArgument> for Value {
    fn from(argument: ValueArgument) -> Self {
        match argument {
            ValueArgument::Boolean(value) => value.into(),
            ValueArgument::Integer(value) => value.into(),
            ValueArgument::Text(value) => value.into(),
            ValueArgument::Time(value) => value.into(),
        }
    }
}

/// What a lookup compares with.
#[derive(FromPyObject)]
pub(crate) enum LookupArgument {
    One(Option<ValueArgument>),
    Many(Vec<Option<ValueArgument>>),
}

impl From<LookupArgument> for LookupValue {
    fn from(argument: LookupArgument) -> Self {
        match argument {
            LookupArgument::One(value) => Self::One(value.into()),
            LookupArgument::Many(values) => {
                Self::Many(values.into_iter().map(Value::from).collect())
            }
        }
    }
}

/// Whether `datetime.datetime` can be this time.
pub(crate) fn is_known(time: &DateTime<Utc>) -> bool {
    (1..=9999).contains(&time.year())
}

/// A value as a Python object.
pub(crate) fn to_python(py: Python<'_>, value: Value) -> PyResult<Bound<'_, PyAny>> {
    match value {
        Value::Null => py.None().into_bound_py_any(py),
        Value::Boolean(value) => value.into_bound_py_any(py),
        Value::Integer(value) => value.into_bound_py_any(py),
        Value::Text(value) => value.into_bound_py_any(py),
        Value::Time(value) if !is_known(&value) => {
            let time = value.to_string();
            let message = "Python knows no such time, as its years are from 1 to 9999; repr() and \
                           df() show the record, and the field can be set to another time";
            Err(exception(
                py,
                &Error::unsupported(message).with("time", time),
            ))
        }
        Value::Time(value) => value.into_bound_py_any(py),
        Value::Json(value) => py
            .import("json")?
            .call_method1("loads", (value.to_string(),)),
    }
}

/// The names of the fields of a kind, in order.
#[pyfunction]
pub(crate) fn fields(py: Python<'_>, kind_name: &str) -> PyResult<Vec<&'static str>> {
    let kind = kind(kind_name).map_err(|error| exception(py, &error))?;
    Ok(kind.fields().iter().map(|info| info.field.name()).collect())
}

/// The kind of records with this name.
///
/// # Errors
/// `InvalidInput` if there is none.
pub(crate) fn kind(name: &str) -> Result<Kind> {
    let mut kinds = Kind::ALL.into_iter();
    kinds
        .find(|kind| kind.as_str() == name)
        .ok_or_else(|| Error::invalid_input(format!("there are no records of kind {name}")))
}

/// The field of a kind with this name.
///
/// # Errors
/// `InvalidInput` if there is none.
pub(crate) fn field(kind: Kind, name: &str) -> Result<Field> {
    let mut fields = kind.fields().iter().map(|info| info.field);
    let found = fields.find(|field| field.name() == name);
    found.ok_or_else(|| {
        let names: Vec<_> = kind.fields().iter().map(|info| info.field.name()).collect();
        Error::invalid_input(format!(
            "{} has no field {name}; it has {}",
            kind.with_article(),
            names.join(", ")
        ))
    })
}
