//! Queries over the records in memory, written as plainly as the rules stand in
//! [`Filter`] so that other backends can be measured by it.

use std::cmp::Ordering;

use super::state::State;
use crate::backend::{Comparison, Expect, Filter, OrderBy, Precondition, Query, Relation, fold};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{Field, Id, Kind, Record, Value};

pub(super) fn select(state: &State, query: &Query) -> Result<Vec<Record>> {
    let filter = prepared(&query.filter);
    let mut found = Vec::new();
    for (id, record) in state.records(query.kind) {
        if matches(state, record, id, &filter)? {
            let keys: Vec<Option<Value>> = query
                .order
                .iter()
                .map(|order| sort_key(state, record, id, order.by))
                .collect();
            found.push((keys, id, record));
        }
    }
    found.sort_by(|(left, left_id, _), (right, right_id, _)| {
        let by_keys = query.order.iter().zip(left.iter().zip(right));
        by_keys
            .map(|(order, (left, right))| {
                let ordering = compare_keys(left.as_ref(), right.as_ref());
                if order.descending {
                    ordering.reverse()
                } else {
                    ordering
                }
            })
            .find(|ordering| ordering.is_ne())
            .unwrap_or_else(|| left_id.cmp(right_id))
    });
    let limit = query.limit.map_or(usize::MAX, to_usize);
    Ok(found
        .into_iter()
        .skip(to_usize(query.offset))
        .take(limit)
        .map(|(_, _, record)| record.clone())
        .collect())
}

pub(super) fn count(state: &State, query: &Query) -> Result<u64> {
    let filter = prepared(&query.filter);
    let mut count = 0;
    for (id, record) in state.records(query.kind) {
        count += u64::from(matches(state, record, id, &filter)?);
    }
    Ok(count)
}

pub(super) fn precondition(state: &State, precondition: &Precondition) -> Result<()> {
    let query = Query::new(precondition.kind).filter(precondition.filter.clone());
    let found = count(state, &query)? > 0;
    if found == (precondition.expect == Expect::Some) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Conflict,
        format!(
            "another writer changed {} in the meantime; try again",
            precondition.kind.with_article()
        ),
    ))
}

/// The same condition with its lists sorted, so that long ones are searched quickly, and texts
/// folded that are searched regardless of case.
fn prepared(filter: &Filter) -> Filter {
    let all = |filters: &[Filter]| filters.iter().map(prepared).collect();
    match filter {
        Filter::All(filters) => Filter::All(all(filters)),
        Filter::Any(filters) => Filter::Any(all(filters)),
        Filter::Not(filter) => Filter::Not(Box::new(prepared(filter))),
        Filter::In(field, values) => {
            let mut values = values.clone();
            values.sort_by(|a, b| compare(a, b).unwrap_or(Ordering::Equal));
            Filter::In(*field, values)
        }
        Filter::Folded(field, how, text) => Filter::Folded(*field, *how, fold(text)),
        Filter::Related(relation, filter) => Filter::related(*relation, prepared(filter)),
        other => other.clone(),
    }
}

fn matches(state: &State, record: &Record, id: Id, filter: &Filter) -> Result<bool> {
    Ok(match filter {
        Filter::All(filters) => {
            for filter in filters {
                if !matches(state, record, id, filter)? {
                    return Ok(false);
                }
            }
            true
        }
        Filter::Any(filters) => {
            for filter in filters {
                if matches(state, record, id, filter)? {
                    return Ok(true);
                }
            }
            false
        }
        Filter::Not(filter) => !matches(state, record, id, filter)?,
        Filter::Compare(field, comparison, value) => compare(&value_of(record, *field), value)
            .is_some_and(|ordering| match comparison {
                Comparison::Eq => ordering.is_eq(),
                Comparison::Lt => ordering.is_lt(),
                Comparison::Le => ordering.is_le(),
                Comparison::Gt => ordering.is_gt(),
                Comparison::Ge => ordering.is_ge(),
            }),
        Filter::In(field, values) => {
            let found = value_of(record, *field);
            values
                .binary_search_by(|value| compare(value, &found).unwrap_or(Ordering::Less))
                .is_ok()
        }
        Filter::Text(field, how, text) => match value_of(record, *field) {
            Value::Text(found) => how.matches(&found, text),
            _ => false,
        },
        Filter::Folded(field, how, folded) => match value_of(record, *field) {
            Value::Text(found) => how.matches(&fold(&found), folded),
            _ => false,
        },
        Filter::IsNull(field) => value_of(record, *field) == Value::Null,
        Filter::Related(relation, filter) => {
            for (kind, related) in related(state, record, id, *relation)? {
                let Some(other) = state.record(kind, related) else {
                    continue;
                };
                if matches(state, other, related, filter)? {
                    return Ok(true);
                }
            }
            false
        }
    })
}

fn related(state: &State, record: &Record, id: Id, relation: Relation) -> Result<Vec<(Kind, Id)>> {
    let kind = relation.related(record.kind())?;
    let ids = match relation {
        Relation::Reference(field) => match value_of(record, field) {
            Value::Integer(id) => vec![id],
            _ => Vec::new(),
        },
        Relation::ReferencedBy(kind, field) => state
            .records(kind)
            .filter(|(_, other)| value_of(other, field) == Value::Integer(id))
            .map(|(other, _)| other)
            .collect(),
        Relation::Targets(link) => state.targets(link, id),
        Relation::Sources(link) => state.sources(link, id),
    };
    Ok(ids.into_iter().map(|id| (kind, id)).collect())
}

fn value_of(record: &Record, field: Field) -> Value {
    record.get(field).unwrap_or(Value::Null)
}

fn sort_key(state: &State, record: &Record, id: Id, by: OrderBy) -> Option<Value> {
    match by {
        OrderBy::Field(field) => Some(value_of(record, field)).filter(|v| *v != Value::Null),
        OrderBy::Position { link, source } => state.position(link, source, id).map(Value::Integer),
    }
}

fn compare_keys(left: Option<&Value>, right: Option<&Value>) -> Ordering {
    match (left, right) {
        (Some(left), Some(right)) => compare(left, right).unwrap_or(Ordering::Equal),
        (left, right) => left.is_some().cmp(&right.is_some()),
    }
}

fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Boolean(left), Value::Boolean(right)) => Some(left.cmp(right)),
        (Value::Integer(left), Value::Integer(right)) => Some(left.cmp(right)),
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (Value::Time(left), Value::Time(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

fn to_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
