//! Queries as data: a filter with order, limit and offset.

use super::filter::{Filter, field_of};
use crate::error::{Error, Result};
use crate::record::{Field, Id, Kind, LinkKind, ValueType};

/// What records are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderBy {
    /// A field; records without a value come first.
    Field(Field),
    /// The position of the link from one source to each record, such as the order of the
    /// artifacts of a collection. The filter must ask for linked records only, or those that are
    /// not linked come first.
    Position {
        /// The relation, an ordered one whose targets are asked for.
        link: LinkKind,
        /// The id of the source.
        source: Id,
    },
}

/// One criterion of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// What to order by.
    pub by: OrderBy,
    /// From the largest to the smallest, nulls last.
    pub descending: bool,
}

/// A question for records of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The kind of records.
    pub kind: Kind,
    /// The condition on them.
    pub filter: Filter,
    /// The order; ties are in the order of ids.
    pub order: Vec<Order>,
    /// At most this many.
    pub limit: Option<u64>,
    /// Without this many first ones.
    pub offset: u64,
}

impl Query {
    /// All records of a kind, of any visibility, in the order of ids.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            filter: Filter::everything(),
            order: Vec::new(),
            limit: None,
            offset: 0,
        }
    }

    /// Adds a condition to those that are there.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = match self.filter {
            Filter::All(filters) if filters.is_empty() => filter,
            present => present.and(filter),
        };
        self
    }

    /// Adds a criterion after those that are there.
    #[must_use]
    pub fn order(mut self, by: OrderBy, descending: bool) -> Self {
        self.order.push(Order { by, descending });
        self
    }

    /// Asks for at most this many.
    #[must_use]
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Leaves out this many first ones.
    #[must_use]
    pub fn offset(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    /// Checks that the query fits its kind; every backend calls this first.
    ///
    /// # Errors
    /// `InvalidInput` as [`Filter::check`], and if records can't be ordered by what is asked.
    pub fn check(&self) -> Result<()> {
        self.filter.check(self.kind)?;
        self.order.iter().try_for_each(|order| match order.by {
            OrderBy::Field(field) => match field_of(self.kind, field)?.value_type {
                ValueType::Json => Err(Error::invalid_input(format!(
                    "{field} is JSON and has no order"
                ))),
                _ => Ok(()),
            },
            OrderBy::Position { link, .. } if link.is_ordered() && link.target() == self.kind => {
                Ok(())
            }
            OrderBy::Position { link, .. } => Err(Error::invalid_input(format!(
                "{} gives no order to {}",
                link.as_str(),
                self.kind.with_article()
            ))),
        })
    }
}

/// A question for links of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkQuery {
    /// The relation.
    pub kind: LinkKind,
    /// Only links from these sources; `None` for any. The list may be long.
    pub sources: Option<Vec<Id>>,
    /// Only links to these targets; `None` for any. The list may be long.
    pub targets: Option<Vec<Id>>,
}

impl LinkQuery {
    /// The links from one source.
    pub fn of_source(kind: LinkKind, source: Id) -> Self {
        Self {
            kind,
            sources: Some(vec![source]),
            targets: None,
        }
    }

    /// The links to one target.
    pub fn of_target(kind: LinkKind, target: Id) -> Self {
        Self {
            kind,
            sources: None,
            targets: Some(vec![target]),
        }
    }
}
