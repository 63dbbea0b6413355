//! The few expressions that databases spell differently.

use anndex_core::record::{Value, ValueType};
use sea_orm::DbBackend;
use sea_orm::sea_query::{Expr, ExprTrait, Func, Query, SelectStatement};

/// Whether `column` has `text` in it: case counts, no character is special.
pub(crate) fn contains(db: DbBackend, column: Expr, text: &str) -> Expr {
    let position = match db {
        DbBackend::Postgres => "strpos",
        _ => "instr",
    };
    Func::cust(position).arg(column).arg(text).gt(0)
}

/// The values as the rows of a subquery, carried by one parameter however many they are.
pub(crate) fn list(db: DbBackend, value_type: ValueType, values: &[Value]) -> SelectStatement {
    let json = serde_json::Value::Array(values.iter().filter_map(to_json).collect()).to_string();
    let (function, value) = match db {
        DbBackend::Postgres => (
            Func::cust("jsonb_array_elements_text").arg(Expr::value(json).cast_as("jsonb")),
            Expr::col("value").cast_as(match value_type {
                ValueType::Boolean => "boolean",
                ValueType::Integer | ValueType::Time => "bigint",
                ValueType::Text | ValueType::Json => "text",
            }),
        ),
        _ => (Func::cust("json_each").arg(json), Expr::col("value")),
    };
    Query::select()
        .expr(value)
        .from_function(function, "list")
        .take()
}

/// `None` for what no stored value can equal.
fn to_json(value: &Value) -> Option<serde_json::Value> {
    match value {
        Value::Boolean(value) => Some((*value).into()),
        Value::Integer(value) => Some((*value).into()),
        Value::Time(time) => Some(time.timestamp_micros().into()),
        Value::Text(text) if !text.contains('\0') => Some(text.as_str().into()),
        Value::Text(_) | Value::Null | Value::Json(_) => None,
    }
}
