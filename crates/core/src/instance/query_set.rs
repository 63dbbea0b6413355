//! Finding records: by id, uid, beginning of a uid, name, or any filter.

mod search;
mod stream;

use std::marker::PhantomData;

pub use stream::RecordStream;

use super::Instance;
use super::handle::{Handle, handles};
use crate::backend::{Filter, OrderBy, Query};
use crate::error::{Error, Result};
use crate::record::{Field, Id, Kind, LinkKind, Visibility};
use crate::registry::{Registry, uid};

/// How many candidates an error lists.
const LISTED: u64 = 10;

/// What [`QuerySet::get`] finds a record by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdLike {
    /// The internal id.
    Id(Id),
    /// The uid, or its beginning.
    Uid(String),
}

impl From<Id> for IdLike {
    fn from(id: Id) -> Self {
        Self::Id(id)
    }
}

impl From<&str> for IdLike {
    fn from(uid: &str) -> Self {
        Self::Uid(uid.to_owned())
    }
}

impl From<&String> for IdLike {
    fn from(uid: &String) -> Self {
        Self::Uid(uid.clone())
    }
}

impl From<String> for IdLike {
    fn from(uid: String) -> Self {
        Self::Uid(uid)
    }
}

/// Which visibilities are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Default,
    WithHidden,
    OnlyTrash,
    Everything,
}

/// Records of one kind that satisfy a condition. Nothing is read before one of the asynchronous
/// methods is called. Only records of default visibility are found, unless something else is
/// asked for here or by a filter on [`Field::Visibility`].
#[derive(Debug, Clone)]
#[must_use]
pub struct QuerySet<R> {
    db: Instance,
    query: Query,
    shown: Shown,
    kind: PhantomData<fn() -> R>,
}

impl<R: Registry> QuerySet<R> {
    pub(super) fn new(db: &Instance) -> Self {
        Self {
            db: db.clone(),
            query: Query::new(R::KIND),
            shown: Shown::Default,
            kind: PhantomData,
        }
    }

    /// Only records that satisfy this condition too.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.query = self.query.filter(filter);
        self
    }

    /// Orders by a field, after the orders given before.
    pub fn order_by(mut self, field: Field) -> Self {
        self.query = self.query.order(OrderBy::Field(field), false);
        self
    }

    /// Orders by a field from its largest value down, after the orders given before.
    pub fn order_by_descending(mut self, field: Field) -> Self {
        self.query = self.query.order(OrderBy::Field(field), true);
        self
    }

    /// Orders by the positions of the links from one source, after the orders given before: the
    /// order of a collection's artifacts, or of a dataset's previous runs.
    pub fn order_by_position(mut self, link: LinkKind, source: Id) -> Self {
        let position = OrderBy::Position { link, source };
        self.query = self.query.order(position, false);
        self
    }

    /// At most this many records.
    pub fn limit(mut self, limit: u64) -> Self {
        self.query.limit = Some(limit);
        self
    }

    /// Without this many first ones.
    pub fn offset(mut self, offset: u64) -> Self {
        self.query.offset = offset;
        self
    }

    /// Hidden records too.
    pub fn with_hidden(mut self) -> Self {
        self.shown = Shown::WithHidden;
        self
    }

    /// Hidden records too, and those in the trash.
    pub fn with_trash(mut self) -> Self {
        self.shown = Shown::Everything;
        self
    }

    /// Only the records in the trash.
    pub fn only_trash(mut self) -> Self {
        self.shown = Shown::OnlyTrash;
        self
    }

    /// All records, in order.
    ///
    /// # Errors
    /// `InvalidInput` if a filter or order does not fit the kind, `Backend` if the database fails.
    pub async fn all(&self) -> Result<Vec<Handle<R>>> {
        self.fetch(self.visible()).await
    }

    /// How many records there are; limit and offset do not count.
    ///
    /// # Errors
    /// As [`QuerySet::all`].
    pub async fn count(&self) -> Result<u64> {
        self.db.backend().count(&self.visible()).await
    }

    /// The first record, if there is one.
    ///
    /// # Errors
    /// As [`QuerySet::all`].
    pub async fn first(&self) -> Result<Option<Handle<R>>> {
        let limit = self.query.limit.unwrap_or(1).min(1);
        Ok(self.fetch(self.visible().limit(limit)).await?.pop())
    }

    /// The only record, if there is one.
    ///
    /// # Errors
    /// As [`QuerySet::all`]; `InvalidInput` if there are several, naming some.
    pub async fn one_or_none(&self) -> Result<Option<Handle<R>>> {
        let limit = self.query.limit.unwrap_or(LISTED).min(LISTED);
        let mut found = self.fetch(self.visible().limit(limit)).await?;
        match found.len() {
            0 | 1 => Ok(found.pop()),
            _ => Err(ambiguous("several records match; filter more", &found)),
        }
    }

    /// The only record.
    ///
    /// # Errors
    /// As [`QuerySet::one_or_none`]; `NotFound` if there is none.
    pub async fn one(&self) -> Result<Handle<R>> {
        let found = self.one_or_none().await?;
        found.ok_or_else(|| Error::not_found(format!("no {} matches", R::KIND)))
    }

    /// The record with this id, this uid, or the only one whose uid begins like this, for which
    /// at least [`uid::SHORTEST_ABBREVIATION`] characters are needed. If all such records are
    /// versions of one family it is the newest of them. By id or whole uid a record is found
    /// wherever it is; by the beginning of its uid in the trash only if there is none elsewhere,
    /// or if only the trash is asked for.
    ///
    /// # Errors
    /// `NotFound` if there is none; `InvalidInput` if several are meant, naming them.
    pub async fn get(&self, idlike: impl Into<IdLike>) -> Result<Handle<R>> {
        let idlike = idlike.into();
        let not_found = |what: &str, value: &dyn std::fmt::Display| {
            Error::not_found(format!("there is no {} with the {what} {value}", R::KIND))
        };
        let prefix = match idlike {
            IdLike::Id(id) => {
                let found = self.anywhere(Filter::eq(Field::Id, id)).await?.pop();
                return found.ok_or_else(|| not_found("id", &id));
            }
            IdLike::Uid(uid) => uid,
        };
        if prefix.is_empty() {
            return Err(Error::invalid_input("the uid is empty"));
        }
        if let Some(found) = self.get_whole(&prefix).await? {
            return Ok(found);
        }
        if prefix.len() >= R::UID_LENGTH {
            return Err(not_found("uid", &prefix));
        }
        if prefix.len() < uid::SHORTEST_ABBREVIATION {
            let advice = format!(
                "{prefix:?}; a uid is abbreviated to {} characters or more",
                uid::SHORTEST_ABBREVIATION
            );
            return Err(not_found("uid", &advice));
        }
        let starts = Filter::starts_with(Field::Uid, &prefix);
        let sets = match self.shown {
            Shown::OnlyTrash => vec![self.clone()],
            _ => vec![self.clone().with_hidden(), self.clone().with_trash()],
        };
        for set in sets.into_iter().map(|set| set.filter(starts.clone())) {
            if let Some(found) = set.newest_of_one_family().await? {
                return Ok(found);
            }
        }
        Err(not_found("uid", &format!("{prefix}...")))
    }

    /// The record with this uid, which is not abbreviated, wherever it is.
    ///
    /// # Errors
    /// `Backend` if the database fails.
    pub async fn get_whole(&self, uid: &str) -> Result<Option<Handle<R>>> {
        Ok(self.anywhere(Filter::eq(Field::Uid, uid)).await?.pop())
    }

    /// The only record with this name (handle, root or key, where that is what the kind goes by).
    /// If all such records are versions of one family it is the newest of them.
    ///
    /// # Errors
    /// `NotFound` if there is none; `InvalidInput` if several families have the name, naming them.
    pub async fn get_by_name(&self, name: &str) -> Result<Handle<R>> {
        let field = R::NAME_FIELD.unwrap_or(Field::Uid);
        let set = self.clone().filter(Filter::eq(field, name));
        let found = set.newest_of_one_family().await?;
        found.ok_or_else(|| {
            Error::not_found(format!("there is no {} with the {field} {name:?}", R::KIND))
        })
    }

    async fn newest_of_one_family(&self) -> Result<Option<Handle<R>>> {
        let by_uid = self.clone().order_by(Field::Uid);
        let mut found = by_uid.clone().limit(LISTED).all().await?;
        let Some(first) = found.first() else {
            return Ok(None);
        };
        if found.len() == 1 {
            return Ok(found.pop());
        }
        let several = "several records are meant; give more of the uid";
        if !is_versioned(R::KIND) {
            return Err(ambiguous(several, &found));
        }
        let family = Filter::starts_with(Field::Uid, uid::stem(first.uid()));
        let others = by_uid.clone().filter(family.clone().negate());
        if others.count().await? > 0 {
            found.truncate(1);
            found.extend(others.limit(LISTED).all().await?);
            return Err(ambiguous(several, &found));
        }
        let family = by_uid.filter(family).all().await?;
        // Counted here: databases do not sort base62 as it counts.
        Ok(family
            .into_iter()
            .max_by_key(|record| uid::sequence(record.uid()).unwrap_or(0)))
    }

    async fn anywhere(&self, filter: Filter) -> Result<Vec<Handle<R>>> {
        self.clone().with_trash().filter(filter).all().await
    }

    async fn fetch(&self, query: Query) -> Result<Vec<Handle<R>>> {
        handles(&self.db, self.db.select(&query).await?)
    }

    fn visible(&self) -> Query {
        let query = self.query.clone();
        if !R::KIND.has_visibility() || asks_for_visibility(&query.filter) {
            return query;
        }
        match self.shown {
            Shown::Everything => query,
            Shown::Default => query.filter(Filter::eq(Field::Visibility, Visibility::Default)),
            Shown::WithHidden => query.filter(Filter::ne(Field::Visibility, Visibility::Trash)),
            Shown::OnlyTrash => query.filter(Filter::eq(Field::Visibility, Visibility::Trash)),
        }
    }
}

fn is_versioned(kind: Kind) -> bool {
    kind.field(Field::Version).is_some()
}

fn asks_for_visibility(filter: &Filter) -> bool {
    match filter {
        Filter::All(filters) | Filter::Any(filters) => filters.iter().any(asks_for_visibility),
        Filter::Not(filter) => asks_for_visibility(filter),
        Filter::Compare(field, ..)
        | Filter::In(field, _)
        | Filter::Text(field, ..)
        | Filter::Folded(field, ..)
        | Filter::IsNull(field) => *field == Field::Visibility,
        Filter::Related(..) => false,
    }
}

fn ambiguous<R: Registry>(message: &str, found: &[Handle<R>]) -> Error {
    let labels: Vec<String> = found.iter().map(|record| record.label()).collect();
    Error::invalid_input(format!("{message}: {}", labels.join(", ")))
}
