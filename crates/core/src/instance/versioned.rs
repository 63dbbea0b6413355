//! New versions: the next uid and version of a family, and what a new record takes over.

use super::Instance;
use super::handle::{Handle, handles};
use crate::backend::{ChangeSet, Filter, Query};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{Field, Id, Kind, Value, Visibility, now};
use crate::registry::version::{self, NextVersion};
use crate::registry::{IsVersioned, Registry, uid};

/// Where a new record stands in its family.
pub(super) struct Place<R> {
    pub(super) uid: String,
    pub(super) version: Option<String>,
    /// The record that it is a new version of, as it is now.
    pub(super) base: Option<R>,
}

/// Finds the place for a new record, and adds to the change set what must be and become true of
/// its family.
pub(super) async fn place<R: IsVersioned>(
    db: &Instance,
    is_new_version_of: Option<Id>,
    given: Option<&str>,
    changes: &mut ChangeSet,
) -> Result<Place<R>> {
    let Some(base) = is_new_version_of else {
        return Ok(Place {
            uid: uid::new_family(R::UID_LENGTH),
            version: given.map(str::to_owned),
            base: None,
        });
    };
    let by_id = Query::new(R::KIND).filter(Filter::eq(Field::Id, base));
    let base = db.select::<R>(&by_id).await?.pop().ok_or_else(|| {
        Error::not_found(format!("the old version of the {} was deleted", R::KIND))
    })?;
    let family = family::<R>(db, base.stem_uid()).await?;
    let newest = family.last().unwrap_or(&base);
    let next = next(&family, given).map_err(|e| e.with("family", base.stem_uid()))?;
    let uid = uid::next(newest.uid())?;
    let has_version = |version: &str| with_version(&base, version);
    changes.require_none(R::KIND, Filter::eq(Field::Uid, &uid));
    changes.require_none(R::KIND, has_version(&next.version));
    if let (Some(version), Some(id)) = (next.newest, newest.id()) {
        let unversioned = Filter::eq(Field::Id, id).and(Filter::is_null(Field::Version));
        changes.require(R::KIND, unversioned);
        changes.require_none(R::KIND, has_version(&version));
        let set = vec![
            (Field::Version, version.into()),
            (Field::UpdatedAt, now().into()),
        ];
        changes.update(R::KIND, id, set);
    }
    Ok(Place {
        uid,
        version: Some(next.version),
        base: Some(base),
    })
}

/// The record of a family that has a version.
fn with_version<R: Registry>(any: &R, version: &str) -> Filter {
    Filter::starts_with(Field::Uid, uid::stem(any.uid())).and(Filter::eq(Field::Version, version))
}

/// Checks that a record's family does not have a version, and demands that it stays so.
///
/// # Errors
/// `AlreadyExists` if it has.
pub(super) async fn require_free<R: Registry>(
    db: &Instance,
    any: &R,
    version: &str,
    changes: &mut ChangeSet,
) -> Result<()> {
    let taken = with_version(any, version);
    let query = Query::new(R::KIND).filter(taken.clone());
    if db.backend().count(&query).await? > 0 {
        version::check_free(&[Some(version.to_owned())], version)?;
    }
    changes.require_none(R::KIND, taken);
    Ok(())
}

/// Checks that no other transform has the key and the version of this one, by which people find
/// it, and demands that it stays so. Without a version it is the only one of its key. Other kinds
/// of records may share their names.
///
/// # Errors
/// `AlreadyExists`, naming the other one.
pub(super) async fn require_own_key<R: Registry>(
    db: &Instance,
    record: &R,
    changes: &mut ChangeSet,
) -> Result<()> {
    let key = record.get(Field::Key).filter(|key| *key != Value::Null);
    let Some(key) = key.filter(|_| R::KIND == Kind::Transform) else {
        return Ok(());
    };
    let mut taken =
        Filter::eq(Field::Key, key).and(Filter::ne(Field::Visibility, Visibility::Trash));
    let mut what = "this key".to_owned();
    if let Some(Value::Text(version)) = record.get(Field::Version) {
        what = format!("this key and version {version:?}");
        taken = taken.and(Filter::eq(Field::Version, version));
    }
    if let Some(own) = record.id() {
        taken = taken.and(Filter::ne(Field::Id, own));
    }
    let query = Query::new(R::KIND).filter(taken.clone());
    if let Some(other) = db.select::<R>(&query).await?.pop() {
        return Err(Error::new(
            ErrorKind::AlreadyExists,
            format!(
                "the {} has {what} already; make a new version of it (is_new_version_of), or give \
                 another key or version",
                other.label()
            ),
        ));
    }
    changes.require_none(R::KIND, taken);
    Ok(())
}

impl<R: IsVersioned> Place<R> {
    /// Gives a new record what it inherits: fields of the base that it does not have itself.
    pub(super) fn inherit(&self, record: &mut R) -> Result<()> {
        let Some(base) = &self.base else {
            return Ok(());
        };
        for field in R::INHERITED {
            if record.get(*field) == Some(Value::Null)
                && let Some(value) = base.get(*field)
            {
                record.set(*field, value)?;
            }
        }
        Ok(())
    }
}

fn next<R: IsVersioned>(family: &[R], given: Option<&str>) -> Result<NextVersion> {
    let versions = family.iter().map(|record| record.version());
    let versions: Vec<_> = versions.map(|v| v.map(str::to_owned)).collect();
    version::next(&versions, given)
}

/// All versions of a family, the oldest first, whatever their visibility.
async fn family<R: IsVersioned>(db: &Instance, stem: &str) -> Result<Vec<R>> {
    let query = Query::new(R::KIND).filter(Filter::starts_with(Field::Uid, stem));
    let mut family = db.select::<R>(&query).await?;
    // Sorted here: databases do not sort base62 as it counts.
    family.sort_by_key(|record| uid::sequence(record.uid()).unwrap_or(0));
    Ok(family)
}

impl<R: IsVersioned> Handle<R> {
    /// The version that a new version of this record would have if it were saved now, and the one
    /// that the newest record of the family would get, if it has none. `given` is the version
    /// asked for.
    ///
    /// # Errors
    /// `AlreadyExists` if the family has the version; `InvalidInput` if one must be given;
    /// `Backend` if the database fails.
    pub async fn next_version(&self, given: Option<&str>) -> Result<NextVersion> {
        let family = family::<R>(&self.db, self.stem_uid()).await?;
        next(&family, given).map_err(|e| e.with("family", self.stem_uid()))
    }

    /// All versions of the record's family, this one too, the oldest first, whatever their
    /// visibility.
    ///
    /// # Errors
    /// `Backend` if the database fails.
    pub async fn versions(&self) -> Result<Vec<Handle<R>>> {
        handles(&self.db, family(&self.db, self.stem_uid()).await?)
    }
}
