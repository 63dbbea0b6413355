//! Content that is known already: the existing record is given back, brought up to date.
//!
//! It keeps its name, and is the version that it is. What was asked for and can't be had is an
//! error, or is said.

use super::{Handle, Instance, versioned};
use crate::backend::{ChangeSet, Filter, LinkQuery, OrderBy, Query};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{Field, Id, LinkKind, Run, Value, Visibility, now_after};
use crate::registry::{Data, uid};

/// The records, not in the trash, whose content has this hash, the oldest first.
pub(super) async fn with_hash<D: Data>(db: &Instance, hash: &str) -> Result<Vec<D>> {
    let query = Query::new(D::KIND)
        .filter(Filter::eq(Field::Hash, hash))
        .filter(Filter::ne(Field::Visibility, Visibility::Trash))
        .order(OrderBy::Field(Field::Id), false);
    db.select(&query).await
}

/// The version that was asked for.
pub(super) struct Asked<'a, D> {
    pub(super) version: Option<&'a str>,
    pub(super) is_new_version_of: Option<&'a Handle<D>>,
    /// Whether the known record has the name that was asked for, so that a version given is meant
    /// for it.
    pub(super) same_name: bool,
}

/// Checks that a known record is the version that was asked for. Gives the version that it gets,
/// which is the one given, if it has none.
///
/// # Errors
/// `AlreadyExists` if it is another version, or one of another family.
pub(super) async fn version<D: Data>(
    db: &Instance,
    known: &D,
    asked: &Asked<'_, D>,
    changes: &mut ChangeSet,
) -> Result<Option<Value>> {
    let refused = |what: String| {
        Err(Error::new(
            ErrorKind::AlreadyExists,
            format!(
                "this content is {} already, {what}; use that one, or move it to the trash first",
                known.label()
            ),
        ))
    };
    if let Some(old) = asked.is_new_version_of
        && old.stem_uid() != known.stem_uid()
    {
        return refused(format!("which is not a version of {}", old.label()));
    }
    match (asked.version, known.version()) {
        (None, _) => Ok(None),
        (Some(given), Some(version)) if given == version => Ok(None),
        (Some(given), Some(version)) => {
            refused(format!("in version {version:?}, so it can't be {given:?}"))
        }
        (Some(given), None) if asked.same_name && asked.is_new_version_of.is_none() => {
            versioned::require_free(db, known, given, changes).await?;
            Ok(Some(given.into()))
        }
        (Some(given), None) => refused(format!("without a version, so it can't be {given:?}")),
    }
}

/// What to tell who asked for a new version and gets one that was there before it.
pub(super) fn unchanged<D: Data>(known: &D, asked: &Asked<'_, D>) -> Option<String> {
    let old = asked.is_new_version_of?;
    let place = |uid: &str| uid::sequence(uid).unwrap_or(0);
    let is_before = place(known.uid()) <= place(old.uid());
    is_before.then(|| {
        format!(
            "the content is that of {}, which is given back; no new version is made",
            known.label()
        )
    })
}

/// What is given for a record that turns out to be known.
pub(super) struct Given<'a> {
    /// Fields with the values to set, where something is given.
    pub(super) fields: Vec<(Field, Option<Value>)>,
    /// Labels to add.
    pub(super) ulabels: &'a [Id],
    /// The run that made the content again.
    pub(super) run: Option<&'a Run>,
}

/// Adds to the change set what brings a known record up to date: the fields and labels given, and
/// the run, before which the present one becomes a previous run.
pub(super) async fn update<D: Data>(
    db: &Instance,
    known: &D,
    given: Given<'_>,
    changes: &mut ChangeSet,
) -> Result<()> {
    let id = known
        .id()
        .ok_or_else(|| Error::invalid_input("the record has no id"))?;
    let mut set: Vec<(Field, Value)> = given
        .fields
        .into_iter()
        .filter_map(|(field, value)| Some((field, value?)))
        .filter(|(field, value)| known.get(*field).as_ref() != Some(value))
        .collect();
    for ulabel in given.ulabels {
        changes.link(D::ULABELS, id, *ulabel);
    }
    if let Some(run) = given.run.and_then(|run| run.id)
        && known.run_id() != Some(run)
        && !is_input::<D>(db, run, id).await?
    {
        if let Some(previous) = known.run_id() {
            add_previous_run::<D>(db, id, previous, run, changes).await?;
        }
        set.push((Field::Run, run.into()));
    }
    if !set.is_empty() {
        let unchanged =
            Filter::eq(Field::Id, id).and(Filter::eq(Field::UpdatedAt, known.updated_at()));
        changes.require(D::KIND, unchanged);
        set.push((Field::UpdatedAt, now_after(known.updated_at()).into()));
        changes.update(D::KIND, id, set);
    }
    Ok(())
}

/// Whether a run reads the record: then it can't be what made it.
async fn is_input<D: Data>(db: &Instance, run: Id, id: Id) -> Result<bool> {
    let query = LinkQuery {
        kind: D::INPUT_OF,
        sources: Some(vec![run]),
        targets: Some(vec![id]),
    };
    Ok(!db.backend().links(&query).await?.is_empty())
}

/// Puts a run at the end of the previous runs. The run that is now the present one leaves them.
async fn add_previous_run<D: Data>(
    db: &Instance,
    id: Id,
    previous: Id,
    present: Id,
    changes: &mut ChangeSet,
) -> Result<()> {
    let kind: LinkKind = D::PREVIOUS_RUNS;
    let links = db.backend().links(&LinkQuery::of_source(kind, id)).await?;
    let last = links.iter().filter_map(|link| link.position).max();
    let position = last.map_or(0, |last| last.saturating_add(1));
    if links.iter().any(|link| link.target == present) {
        changes.unlink(kind, id, present);
    }
    changes.link_at(kind, id, previous, position);
    Ok(())
}
