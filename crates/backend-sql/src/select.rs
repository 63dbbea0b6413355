//! Queries as SELECT statements.

use anndex_core::Result;
use anndex_core::backend::{LinkQuery, Order, OrderBy, Query};
use anndex_core::record::{Field, Id, Link, LinkKind, Value, ValueType};
use sea_orm::sea_query::{self, Expr, ExprTrait, NullOrdering, SelectStatement, SubQueryStatement};
use sea_orm::{DbBackend, QueryResult};

use crate::condition::condition;
use crate::dialect;
use crate::failure::Outcome;

/// The records of a checked query; the columns are the fields of its kind, in their order.
pub(crate) fn records(db: DbBackend, query: &Query) -> Result<SelectStatement> {
    let mut select = sea_query::Query::select();
    select
        .columns(query.kind.fields().iter().map(|info| info.field.name()))
        .from(query.kind.as_str())
        .and_where(condition(db, query.kind, &query.filter)?);
    for order in &query.order {
        order_by(&mut select, query, order);
    }
    select.order_by(Field::Id.name(), sea_query::Order::Asc);
    if query.limit.is_some() || query.offset > 0 {
        // Without a limit, no offset: that is not SQL everywhere.
        select.limit(within_i64(query.limit.unwrap_or(u64::MAX)));
    }
    if query.offset > 0 {
        select.offset(within_i64(query.offset));
    }
    Ok(select)
}

/// How many records match a checked query, as one number.
pub(crate) fn count(db: DbBackend, query: &Query) -> Result<SelectStatement> {
    Ok(sea_query::Query::select()
        .expr(Expr::col(Field::Id.name()).count())
        .from(query.kind.as_str())
        .and_where(condition(db, query.kind, &query.filter)?)
        .take())
}

fn order_by(select: &mut SelectStatement, query: &Query, order: &Order) {
    let (direction, nulls) = if order.descending {
        (sea_query::Order::Desc, NullOrdering::Last)
    } else {
        (sea_query::Order::Asc, NullOrdering::First)
    };
    match order.by {
        // No words on nulls, which would keep some databases from using an index.
        OrderBy::Field(field) if query.kind.field(field).is_some_and(|info| !info.nullable) => {
            select.order_by(field.name(), direction);
        }
        OrderBy::Field(field) => {
            select.order_by_with_nulls(field.name(), direction, nulls);
        }
        OrderBy::Position { link, source } => {
            let record = Expr::col((query.kind.as_str(), Field::Id.name()));
            let position = sea_query::Query::select()
                .column("position")
                .from(link.as_str())
                .and_where(Expr::col("source_id").eq(source))
                .and_where(Expr::col("target_id").eq(record))
                .take();
            let position = Expr::from(SubQueryStatement::from(position));
            select.order_by_expr_with_nulls(position, direction, nulls);
        }
    }
}

/// Databases count in signed integers.
fn within_i64(number: u64) -> u64 {
    Ord::min(number, i64::MAX as u64)
}

/// The links of a query; see [`link`] for the columns.
pub(crate) fn links(db: DbBackend, query: &LinkQuery) -> SelectStatement {
    let mut select = sea_query::Query::select();
    select.columns(["source_id", "target_id"]);
    if query.kind.is_ordered() {
        select.column("position");
    }
    if query.kind.has_slot() {
        select.column("slot");
    }
    select.from(query.kind.as_str());
    for (column, ids) in [("source_id", &query.sources), ("target_id", &query.targets)] {
        if let Some(ids) = ids {
            select.and_where(Expr::col(column).in_subquery(id_list(db, ids)));
        }
    }
    let order = ["source_id", "position", "slot", "target_id"];
    let absent = |column: &&str| match *column {
        "position" => !query.kind.is_ordered(),
        "slot" => !query.kind.has_slot(),
        _ => false,
    };
    for column in order.into_iter().filter(|column| !absent(column)) {
        select.order_by(column, sea_query::Order::Asc);
    }
    select
}

fn id_list(db: DbBackend, ids: &[Id]) -> SelectStatement {
    let ids: Vec<_> = ids.iter().copied().map(Value::Integer).collect();
    dialect::list(db, ValueType::Integer, &ids)
}

/// The link in a row of [`links`].
pub(crate) fn link(kind: LinkKind, row: &QueryResult) -> Outcome<Link> {
    Ok(Link {
        kind,
        source: row.try_get_by_index(0)?,
        target: row.try_get_by_index(1)?,
        position: match kind.is_ordered() {
            true => Some(row.try_get_by_index(2)?),
            false => None,
        },
        slot: match kind.has_slot() {
            true => Some(row.try_get_by_index(if kind.is_ordered() { 3 } else { 2 })?),
            false => None,
        },
    })
}
