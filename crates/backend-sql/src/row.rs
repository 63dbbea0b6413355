//! Values and records as a database holds them.

use anndex_core::record::{FieldInfo, Kind, Record, Value, ValueType};
use anndex_core::{Error, Result};
use chrono::{DateTime, Utc};
use sea_orm::QueryResult;
use sea_orm::sea_query;

use crate::failure::Outcome;

/// A value as a parameter of a statement; nulls need the type of their column.
pub(crate) fn parameter(value_type: ValueType, value: &Value) -> sea_query::Value {
    use sea_query::Value as Sql;
    match value {
        Value::Null => match value_type {
            ValueType::Boolean => Sql::Bool(None),
            ValueType::Integer | ValueType::Time => Sql::BigInt(None),
            ValueType::Text | ValueType::Json => Sql::String(None),
        },
        Value::Boolean(value) => (*value).into(),
        Value::Integer(value) => (*value).into(),
        Value::Time(time) => time.timestamp_micros().into(),
        Value::Text(text) => text.as_str().into(),
        Value::Json(json) => json.to_string().into(),
    }
}

/// The record in a row whose columns are the fields of its kind, in their order.
pub(crate) fn record(kind: Kind, row: &QueryResult) -> Outcome<Record> {
    let mut record = Record::empty(kind);
    for (index, info) in kind.fields().iter().enumerate() {
        let value = value(info, row, index)?;
        record
            .set(info.field, value)
            .map_err(|source| damaged(kind, info).source_error(source))?;
    }
    Ok(record)
}

fn value(info: &FieldInfo, row: &QueryResult, index: usize) -> Outcome<Value> {
    Ok(match info.value_type {
        ValueType::Boolean => row.try_get_by_index::<Option<bool>>(index)?.into(),
        ValueType::Integer => row.try_get_by_index::<Option<i64>>(index)?.into(),
        ValueType::Text => row.try_get_by_index::<Option<String>>(index)?.into(),
        ValueType::Time => match row.try_get_by_index::<Option<i64>>(index)? {
            Some(micros) => time(micros)?.into(),
            None => Value::Null,
        },
        ValueType::Json => match row.try_get_by_index::<Option<String>>(index)? {
            Some(text) => Value::Json(serde_json::from_str(&text).map_err(|source| {
                Error::corrupt(format!("the {} in the database is not JSON", info.field))
                    .source_error(source)
            })?),
            None => Value::Null,
        },
    })
}

fn time(micros: i64) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| {
        Error::corrupt("a time in the database is out of range").with("time", micros)
    })
}

fn damaged(kind: Kind, info: &FieldInfo) -> Error {
    Error::corrupt(format!(
        "the {} of {} in the database does not fit the model",
        info.field,
        kind.with_article()
    ))
}
