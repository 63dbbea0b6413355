//! Large results read page by page, so that no more than a page is held.
//!
//! A page begins after the last record of the one before, by the values that records are ordered
//! by, and not by counting: records that others insert or delete meanwhile shift nothing. Each
//! record that is there all the time, and keeps its place in the order, comes exactly once.

use std::collections::{HashMap, VecDeque};

use super::{Backend, Filter, LinkQuery, Order, OrderBy, Query, Relation};
use crate::error::{Error, Result};
use crate::record::{Field, Id, Kind, LinkKind, Record, Value};

/// The records of a query, a page at a time. Between two pages nothing is held at the backend, so
/// it may be closed and opened again.
#[derive(Debug, Clone)]
pub struct Pages {
    parts: VecDeque<Part>,
    size: u64,
    left: Option<u64>,
    skip: u64,
}

/// What comes one after the other.
#[derive(Debug, Clone)]
enum Part {
    /// The records of a query that is ordered by fields.
    Ordered {
        query: Query,
        /// The last record so far: its values in the order, and its id.
        last: Option<(Vec<Value>, Id)>,
        is_done: bool,
    },
    /// Those records of a query that a source links to, in the order of positions.
    Linked {
        query: Query,
        link: LinkKind,
        source: Id,
        descending: bool,
        /// Those that are left, 8 bytes each; `None` before they are read.
        ids: Option<VecDeque<Id>>,
    },
}

impl Pages {
    /// Pages of at most `size` records, at least one.
    ///
    /// # Errors
    /// `InvalidInput` if the query does not fit its kind (see [`Query::check`]); `Unsupported` if
    /// it is ordered by positions after something else.
    pub fn new(query: Query, size: u64) -> Result<Self> {
        query.check()?;
        let by_position = |order: &Order| matches!(order.by, OrderBy::Position { .. });
        if query.order.iter().skip(1).any(by_position) {
            return Err(Error::unsupported(
                "records are read page by page in the order of positions only if that is their \
                 first order; give it first, or read all at once",
            ));
        }
        let (limit, skip) = (query.limit, query.offset);
        let query = Query {
            limit: None,
            offset: 0,
            ..query
        };
        Ok(Self {
            parts: parts(query),
            size: size.max(1),
            left: limit,
            skip,
        })
    }

    /// The next page, which is not empty; `None` after the last one. After an error the same page
    /// can be asked for again.
    ///
    /// # Errors
    /// As [`Backend::select`].
    pub async fn next(&mut self, backend: &dyn Backend) -> Result<Option<Vec<Record>>> {
        while self.left != Some(0)
            && let Some(part) = self.parts.front_mut()
        {
            let wanted = self.left.map_or(self.size, |left| left.min(self.size));
            match part
                .next(backend, self.size, wanted, &mut self.skip)
                .await?
            {
                None => {
                    self.parts.pop_front();
                }
                Some(page) if page.is_empty() => {}
                Some(page) => {
                    let left = |left: u64| left.saturating_sub(page.len() as u64);
                    self.left = self.left.map(left);
                    return Ok(Some(page));
                }
            }
        }
        Ok(None)
    }
}

fn parts(query: Query) -> VecDeque<Part> {
    let ordered = |query| Part::Ordered {
        query,
        last: None,
        is_done: false,
    };
    let Some((
        Order {
            by: OrderBy::Position { link, source },
            descending,
        },
        rest,
    )) = query.order.split_first()
    else {
        return VecDeque::from([ordered(query)]);
    };
    let (link, source, descending) = (*link, *source, *descending);
    let in_it = Filter::related(Relation::Sources(link), Filter::eq(Field::Id, source));
    let mut others = query.clone().filter(in_it.negate());
    others.order = rest.to_vec();
    let linked = Part::Linked {
        query,
        link,
        source,
        descending,
        ids: None,
    };
    // As nulls, what has no position comes first, or last from the largest down.
    let mut parts = VecDeque::from([ordered(others), linked]);
    if descending {
        parts.rotate_left(1);
    }
    parts
}

impl Part {
    /// The next records, which may be none; `None` if there are no more. Takes from `skip` what it
    /// skips.
    async fn next(
        &mut self,
        backend: &dyn Backend,
        size: u64,
        wanted: u64,
        skip: &mut u64,
    ) -> Result<Option<Vec<Record>>> {
        match self {
            Self::Ordered { is_done: true, .. } => Ok(None),
            Self::Ordered {
                query,
                last,
                is_done,
            } => {
                let mut asked = query.clone().limit(wanted).offset(*skip);
                if let Some((values, id)) = last {
                    asked = asked.filter(after(query.kind, &query.order, values, *id));
                }
                let page = backend.select(&asked).await?;
                match page.last() {
                    None if *skip > 0 => {
                        *skip = skip.saturating_sub(backend.count(query).await?);
                    }
                    None => {}
                    Some(record) => {
                        *skip = 0;
                        *last = Some((values(record, &query.order), record.id().unwrap_or(0)));
                    }
                }
                *is_done = (page.len() as u64) < wanted;
                Ok(Some(page))
            }
            Self::Linked {
                query,
                link,
                source,
                descending,
                ids,
            } => {
                let ids = match ids {
                    Some(ids) => ids,
                    None => {
                        let links = LinkQuery::of_source(*link, *source);
                        let links = backend.links(&links).await?;
                        let mut read: VecDeque<Id> = links.iter().map(|one| one.target).collect();
                        if *descending {
                            read.make_contiguous().reverse();
                        }
                        ids.insert(read)
                    }
                };
                if ids.is_empty() {
                    return Ok(None);
                }
                let size = usize::try_from(size).unwrap_or(usize::MAX).min(ids.len());
                let these = ids.iter().take(size).copied();
                let mut asked = query
                    .clone()
                    .filter(Filter::is_in(Field::Id, these.clone()));
                asked.order.clear();
                let found = backend.select(&asked).await?;
                let found = found.into_iter().filter_map(|one| Some((one.id()?, one)));
                let mut found: HashMap<Id, Record> = found.collect();
                let page: Vec<Record> = these.filter_map(|id| found.remove(&id)).collect();
                ids.drain(..size);
                let skipped = usize::try_from(*skip).unwrap_or(usize::MAX).min(page.len());
                *skip -= skipped as u64;
                let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
                Ok(Some(page.into_iter().skip(skipped).take(wanted).collect()))
            }
        }
    }
}

/// What a record is ordered by.
fn values(record: &Record, order: &[Order]) -> Vec<Value> {
    let value = |order: &Order| match order.by {
        OrderBy::Field(field) => record.get(field).unwrap_or(Value::Null),
        OrderBy::Position { .. } => Value::Null,
    };
    order.iter().map(value).collect()
}

/// The records that come after one with these values and this id.
fn after(kind: Kind, order: &[Order], values: &[Value], id: Id) -> Filter {
    let mut alternatives = Vec::new();
    let mut same = Vec::new();
    let mut range = None;
    for (order, value) in order.iter().zip(values) {
        let OrderBy::Field(field) = order.by else {
            continue;
        };
        if let Some(beyond) = beyond(kind, field, value, order.descending) {
            let mut all: Vec<Filter> = same.clone();
            all.push(beyond);
            alternatives.push(Filter::All(all));
        }
        if same.is_empty() && !order.descending && *value != Value::Null {
            // Follows from the rest, but databases use an index by it.
            range = Some(Filter::ge(field, value.clone()));
        }
        same.push(Filter::eq(field, value.clone()));
    }
    same.push(Filter::gt(Field::Id, id));
    alternatives.push(Filter::All(same));
    let after = Filter::Any(alternatives);
    match range {
        Some(range) => Filter::All(vec![range, after]),
        None => after,
    }
}

/// What comes after a value of a field; `None` if nothing does. Nulls come first, or last from the
/// largest down.
fn beyond(kind: Kind, field: Field, value: &Value, descending: bool) -> Option<Filter> {
    let is_nullable = kind.field(field).is_some_and(|info| info.nullable);
    let null = Filter::is_null(field);
    match (value, descending) {
        (Value::Null, false) => Some(null.negate()),
        (Value::Null, true) => None,
        (value, false) => Some(Filter::gt(field, value.clone())),
        (value, true) if is_nullable => Some(Filter::lt(field, value.clone()).or(null)),
        (value, true) => Some(Filter::lt(field, value.clone())),
    }
}
