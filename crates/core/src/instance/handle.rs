//! A record together with the instance that it is in.

use std::ops::{Deref, DerefMut, RangeInclusive};

use chrono::Datelike;

use super::{Instance, check_name, versioned};
use crate::backend::{ChangeSet, Filter, Query, Relation};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{Field, Id, Record, Value, now_after};
use crate::registry::{Registry, key};

/// The years that times may be set to: those which Python and SQL know.
const YEARS: RangeInclusive<i32> = 1..=9999;

/// A record of an instance. Its fields are those of the record: `c.name`, `c.version`. Those that
/// people may change are set in place and written by [`Handle::save`].
#[derive(Debug, Clone)]
pub struct Handle<R> {
    pub(super) db: Instance,
    pub(super) id: Id,
    record: R,
    /// As the database had it last.
    saved: R,
    is_new: bool,
}

impl<R> Deref for Handle<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.record
    }
}

impl<R> DerefMut for Handle<R> {
    fn deref_mut(&mut self) -> &mut R {
        &mut self.record
    }
}

impl<R: PartialEq> PartialEq for Handle<R> {
    fn eq(&self, other: &Self) -> bool {
        self.db.same_as(&other.db) && self.record == other.record
    }
}

/// Fields that nobody sets by hand: they say what the record is, or follow from operations.
fn is_fixed(field: Field) -> bool {
    !matches!(
        field,
        Field::Name
            | Field::Description
            | Field::Version
            | Field::Visibility
            | Field::Reference
            | Field::ReferenceType
            | Field::Key
            | Field::Otype
            | Field::NObservations
            | Field::Etag
            | Field::Type
            | Field::Region
            | Field::StartedAt
            | Field::FinishedAt
            | Field::IsConsecutive
            | Field::IsType
    )
}

impl<R: Registry> Handle<R> {
    pub(super) fn new(db: &Instance, record: R) -> Result<Self> {
        let id = record.id().ok_or_else(|| {
            Error::new(
                ErrorKind::Backend,
                "the database gave a record without an id",
            )
        })?;
        Ok(Self {
            db: db.clone(),
            id,
            saved: record.clone(),
            record,
            is_new: false,
        })
    }

    /// A record that was inserted just now.
    pub(super) fn made(db: &Instance, record: R) -> Result<Self> {
        let mut made = Self::new(db, record)?;
        made.is_new = true;
        Ok(made)
    }

    /// Whether the save that gave this handle made the record. It did not if the record was there
    /// already, as that of known content is.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// The internal id.
    pub fn id(&self) -> Id {
        self.id
    }

    /// The instance that the record is in.
    pub fn instance(&self) -> &Instance {
        &self.db
    }

    /// The record without its instance.
    pub fn record(&self) -> &R {
        &self.record
    }

    /// Reads the record again; changes that were not saved are lost.
    ///
    /// # Errors
    /// `NotFound` if it is not there any more, `Backend` if the database fails.
    pub async fn refresh(&mut self) -> Result<()> {
        let record = self.fresh().await?;
        self.replace(record);
        Ok(())
    }

    /// Writes the fields that were changed.
    ///
    /// # Errors
    /// `InvalidInput` if a changed field is fixed or has a value that can't be; `AlreadyExists` if
    /// the version is taken; `Conflict` if somebody else changed the record since it was read:
    /// refresh it and change it again.
    pub async fn save(&mut self) -> Result<()> {
        let mut set = Vec::new();
        for info in R::FIELDS {
            let value = self.record.get(info.field);
            if value != self.saved.get(info.field) {
                if is_fixed(info.field) {
                    return Err(Error::invalid_input(format!(
                        "the {} of {} never changes; make a new record",
                        info.field,
                        R::KIND.with_article()
                    ))
                    .with("uid", self.saved.uid()));
                }
                if let Some(Value::Time(time)) = &value
                    && !YEARS.contains(&time.year())
                {
                    return Err(Error::invalid_input(format!(
                        "{} is in the year {}, but years are from {} to {}",
                        info.field,
                        time.year(),
                        YEARS.start(),
                        YEARS.end()
                    ))
                    .with("uid", self.saved.uid()));
                }
                set.extend(value.map(|value| (info.field, value)));
            }
        }
        if set.is_empty() {
            return Ok(());
        }
        let mut changes = ChangeSet::new();
        let unchanged = Filter::eq(Field::Id, self.id)
            .and(Filter::eq(Field::UpdatedAt, self.saved.updated_at()));
        changes.require(R::KIND, unchanged);
        self.check_changes(&set, &mut changes).await?;
        let updated_at = now_after(self.saved.updated_at());
        set.push((Field::UpdatedAt, updated_at.into()));
        changes.update(R::KIND, self.id, set);
        if let Err(error) = self.db.backend().apply(&changes).await {
            if error.kind() != ErrorKind::Conflict {
                return Err(error.operation("save").with("uid", self.saved.uid()));
            }
            self.fresh().await?;
            return Err(Error::new(
                ErrorKind::Conflict,
                "somebody else changed the record meanwhile; refresh it and change it again",
            )
            .operation("save")
            .with("uid", self.saved.uid())
            .source_error(error));
        }
        self.record.set(Field::UpdatedAt, updated_at.into())?;
        self.saved = self.record.clone();
        Ok(())
    }

    /// Checks changed fields that have rules of their own.
    async fn check_changes(&self, set: &[(Field, Value)], changes: &mut ChangeSet) -> Result<()> {
        for (field, value) in set {
            match (field, value) {
                (Field::Version, Value::Text(new)) => {
                    versioned::require_free(&self.db, &self.saved, new, changes).await?;
                }
                (Field::Version, Value::Null) => {
                    return Err(Error::invalid_input(
                        "a version can be changed but not taken away",
                    ));
                }
                (Field::Key, Value::Text(new)) => key::check(new)?,
                (Field::Name, Value::Text(new)) => check_name(R::KIND, new)?,
                _ => {}
            }
        }
        let names_it = |field| matches!(field, Field::Key | Field::Version);
        if set.iter().any(|(field, _)| names_it(*field)) {
            versioned::require_own_key(&self.db, &self.record, changes).await?;
        }
        Ok(())
    }

    /// The record as it is in the database now.
    pub(super) async fn fresh(&self) -> Result<R> {
        let query = Query::new(R::KIND).filter(Filter::eq(Field::Id, self.id));
        let found = self.db.select::<R>(&query).await?.pop();
        found.ok_or_else(|| {
            Error::not_found(format!("this {} was deleted permanently", R::KIND))
                .with("uid", self.saved.uid())
        })
    }

    pub(super) fn replace(&mut self, record: R) {
        self.saved = record.clone();
        self.record = record;
    }

    /// The records that a relation leads to, whatever their visibility.
    pub(super) async fn related<T: Registry>(&self, relation: Relation) -> Result<Vec<Handle<T>>> {
        let back = reverse(relation, R::KIND);
        let filter = Filter::related(back, Filter::eq(Field::Id, self.id));
        let query = Query::new(T::KIND).filter(filter);
        handles(&self.db, self.db.select(&query).await?)
    }

    /// The record whose id one of the fields holds.
    pub(super) async fn referenced<T: Registry>(
        &self,
        id: Option<Id>,
    ) -> Result<Option<Handle<T>>> {
        let Some(id) = id else {
            return Ok(None);
        };
        let query = Query::new(T::KIND).filter(Filter::eq(Field::Id, id));
        let found = self.db.select::<T>(&query).await?.pop();
        found
            .map(|record| Handle::new(&self.db, record))
            .transpose()
    }
}

/// The same way, walked from its other end.
fn reverse(relation: Relation, from: crate::record::Kind) -> Relation {
    match relation {
        Relation::Reference(field) => Relation::ReferencedBy(from, field),
        Relation::ReferencedBy(_, field) => Relation::Reference(field),
        Relation::Targets(link) => Relation::Sources(link),
        Relation::Sources(link) => Relation::Targets(link),
    }
}

pub(super) fn handles<R: Registry>(db: &Instance, records: Vec<R>) -> Result<Vec<Handle<R>>> {
    records
        .into_iter()
        .map(|record| Handle::new(db, record))
        .collect()
}

impl<R: Into<Record>> From<Handle<R>> for Record {
    fn from(handle: Handle<R>) -> Self {
        handle.record.into()
    }
}

/// Refuses records of other instances.
pub(super) fn same_instance<'a, R: Registry>(
    db: &Instance,
    handles: impl IntoIterator<Item = &'a Handle<R>>,
) -> Result<()> {
    let other = handles
        .into_iter()
        .find(|handle| !handle.instance().same_as(db));
    other.map_or(Ok(()), |other| {
        Err(
            Error::invalid_input(format!("the {} is of another instance", R::KIND))
                .with("uid", other.uid()),
        )
    })
}
