//! The few expressions that databases spell differently.

use anndex_core::backend::{TextMatch, unfolded};
use anndex_core::record::{Value, ValueType};
use sea_orm::DbBackend;
use sea_orm::sea_query::{Expr, ExprTrait, Func, Query, SelectStatement};

/// Whether a text matches another one: case counts, no character is special.
pub(crate) fn matches(db: DbBackend, found: Expr, how: TextMatch, text: &str) -> Expr {
    let position = match db {
        DbBackend::Postgres => "strpos",
        _ => "instr",
    };
    match how {
        TextMatch::Equals => found.eq(text),
        TextMatch::Contains => Func::cust(position).arg(found).arg(text).gt(0),
        TextMatch::StartsWith => Func::cust(position).arg(found).arg(text).eq(1),
        // Databases count characters as we do.
        TextMatch::EndsWith => match i32::try_from(text.chars().count()) {
            // All texts end with nothing, and a position of 0 is the beginning in some.
            Ok(0) => Expr::val(1).eq(1),
            Ok(length) => match db {
                DbBackend::Postgres => Func::cust("right").arg(found).arg(length),
                _ => Func::cust("substr").arg(found).arg(-length),
            }
            .eq(text),
            Err(_) => Expr::val(1).eq(0),
        },
    }
}

/// The column with the letters of `folded` in the case that they have there; other letters do not
/// matter to a comparison with it.
pub(crate) fn folded(db: DbBackend, column: Expr, folded: &str) -> Expr {
    let pairs = unfolded(folded);
    match db {
        DbBackend::Postgres => {
            let (from, to): (String, String) = pairs.into_iter().unzip();
            Func::cust("translate").arg(column).arg(from).arg(to).into()
        }
        // This `lower` knows ASCII only, which is most of what there is.
        _ => pairs.into_iter().filter(|(from, _)| !from.is_ascii()).fold(
            Func::cust("lower").arg(column).into(),
            |text, (from, to)| {
                let (from, to) = (from.to_string(), to.to_string());
                Func::cust("replace").arg(text).arg(from).arg(to).into()
            },
        ),
    }
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
