//! Filters as conditions of SQL.
//!
//! A filter is true or false; SQL knows a third state for nulls, which would survive a `NOT`.
//! So every comparison with a field that may be null also asks that it is not.

use anndex_core::Result;
use anndex_core::backend::{Comparison, Filter, Relation, TextMatch, fold};
use anndex_core::record::{Field, Kind, Value, ValueType};
use sea_orm::DbBackend;
use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};

use crate::{dialect, row};

/// The condition that a record of `kind` satisfies the filter, for a statement on the table of
/// that kind. The filter fits the kind (see [`Filter::check`]).
pub(crate) fn condition(db: DbBackend, kind: Kind, filter: &Filter) -> Result<Expr> {
    let combine = |filters: &[Filter]| {
        filters
            .iter()
            .map(|filter| condition(db, kind, filter))
            .collect::<Result<Vec<_>>>()
    };
    Ok(match filter {
        Filter::All(filters) => balanced(combine(filters)?, Expr::and).unwrap_or_else(always),
        Filter::Any(filters) => balanced(combine(filters)?, Expr::or).unwrap_or_else(never),
        Filter::Not(filter) => condition(db, kind, filter)?.not(),
        Filter::Compare(field, comparison, value) => {
            known(kind, *field, compare(kind, *field, *comparison, value))
        }
        Filter::In(field, values) => {
            let list = dialect::list(db, value_type(kind, *field), values);
            known(kind, *field, column(*field).in_subquery(list))
        }
        Filter::Text(field, TextMatch::StartsWith, text) => {
            known(kind, *field, starts_with(*field, text))
        }
        Filter::Text(field, how, text) => known(
            kind,
            *field,
            dialect::matches(db, column(*field), *how, text),
        ),
        Filter::Folded(field, how, text) => {
            let text = fold(text);
            let column = dialect::folded(db, column(*field), &text);
            known(kind, *field, dialect::matches(db, column, *how, &text))
        }
        Filter::IsNull(field) => column(*field).is_null(),
        Filter::Related(relation, filter) => related(db, kind, *relation, filter)?,
    })
}

/// Ids of the records of a kind that satisfy a filter.
fn ids(db: DbBackend, kind: Kind, filter: &Filter) -> Result<SelectStatement> {
    Ok(Query::select()
        .column(Field::Id.name())
        .from(kind.as_str())
        .and_where(condition(db, kind, filter)?)
        .take())
}

fn related(db: DbBackend, kind: Kind, relation: Relation, filter: &Filter) -> Result<Expr> {
    let matching = ids(db, relation.related(kind)?, filter)?;
    let (table, from, to) = match relation {
        Relation::Reference(field) => {
            return Ok(known(kind, field, column(field).in_subquery(matching)));
        }
        Relation::ReferencedBy(referrer, field) => {
            let mut referred = Query::select();
            referred
                .column(field.name())
                .from(referrer.as_str())
                .and_where(condition(db, referrer, filter)?)
                .and_where(column(field).is_not_null());
            return Ok(column(Field::Id).in_subquery(referred));
        }
        Relation::Targets(link) => (link.as_str(), "source_id", "target_id"),
        Relation::Sources(link) => (link.as_str(), "target_id", "source_id"),
    };
    let linked = Query::select()
        .column(from)
        .from(table)
        .and_where(Expr::col(to).in_subquery(matching))
        .take();
    Ok(column(Field::Id).in_subquery(linked))
}

fn compare(kind: Kind, field: Field, comparison: Comparison, value: &Value) -> Expr {
    let value = row::parameter(value_type(kind, field), value);
    match comparison {
        Comparison::Eq => column(field).eq(value),
        Comparison::Lt => column(field).lt(value),
        Comparison::Le => column(field).lte(value),
        Comparison::Gt => column(field).gt(value),
        Comparison::Ge => column(field).gte(value),
    }
}

/// As a range, which an index serves: text that starts with `ab` lies between `ab` and `ac`.
fn starts_with(field: Field, prefix: &str) -> Expr {
    let from = column(field).gte(prefix);
    match successor(prefix) {
        Some(end) => from.and(column(field).lt(end)),
        None => from,
    }
}

/// The first text, by code points, after all that start with the prefix.
fn successor(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // A range of chars steps over the surrogates.
        if let Some(next) = (last..=char::MAX).nth(1) {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

fn column(field: Field) -> Expr {
    Expr::col(field.name())
}

fn value_type(kind: Kind, field: Field) -> ValueType {
    kind.field(field)
        .map_or(ValueType::Text, |info| info.value_type)
}

/// The condition, and that the field has a value.
fn known(kind: Kind, field: Field, condition: Expr) -> Expr {
    match kind.field(field) {
        Some(info) if !info.nullable => condition,
        _ => column(field).is_not_null().and(condition),
    }
}

fn always() -> Expr {
    Expr::val(1).eq(1)
}

fn never() -> Expr {
    Expr::val(1).eq(0)
}

/// Joins conditions in a tree of logarithmic depth, because databases limit the depth.
fn balanced(mut conditions: Vec<Expr>, join: fn(Expr, Expr) -> Expr) -> Option<Expr> {
    while conditions.len() > 1 {
        let mut pairs = conditions.into_iter();
        let mut joined = Vec::new();
        while let Some(left) = pairs.next() {
            joined.push(match pairs.next() {
                Some(right) => join(left, right),
                None => left,
            });
        }
        conditions = joined;
    }
    conditions.pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_successor_is_the_next_text_by_code_points() {
        assert_eq!(successor("ab").as_deref(), Some("ac"));
        assert_eq!(successor("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
        assert_eq!(successor("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(successor("\u{10ffff}\u{10ffff}"), None);
        assert_eq!(successor(""), None);
    }
}
