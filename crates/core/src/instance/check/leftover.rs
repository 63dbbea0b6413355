//! What killed processes left: copies without a record, and records that were never completed.
//!
//! Looked at while nobody writes copies (see `place::writing`): then every copy either has its
//! record or is left over. Only the default storage is looked through. Others may be the default
//! storage of another instance, whose copies this one knows nothing of.

use std::collections::HashSet;

use super::{CheckReport, Finding, Problem, content};
use crate::backend::{ChangeSet, Filter, Query};
use crate::error::{Error, ErrorKind, Result};
use crate::instance::place::writing::{self, Alone};
use crate::instance::place::{self, Managed};
use crate::instance::retry::blocking;
use crate::instance::{Handle, Instance};
use crate::record::{Artifact, Field, Kind, RecordData, Storage, Value, now_after};

pub(super) async fn check(
    db: &Instance,
    repair: bool,
    incomplete: Vec<(Artifact, Finding)>,
    report: &mut CheckReport,
) -> Result<()> {
    let storage = db.storage().clone();
    let (alone, shared) = if storage.type_ != place::LOCAL {
        // A bucket has no locks that would say what is left over.
        (Alone::NeverUsed, false)
    } else {
        let storage = storage.clone();
        blocking(move || {
            let shared = writing::is_shared(&storage)?;
            // Where nothing was ever put there is nothing to remove, and what is shared stays.
            let create = repair && !shared && !place::list_managed(&storage)?.is_empty();
            Ok((writing::alone(&storage, create)?, shared))
        })
        .await?
    };
    let obstacle = match &alone {
        Alone::Held(_) | Alone::NeverUsed if shared => Some(
            "another instance has copies in this directory, too, and it may be one of those; \
             remove it by hand if it is not",
        ),
        Alone::Held(_) | Alone::NeverUsed => None,
        Alone::Busy => Some("something is being saved, maybe this; check again afterwards"),
        Alone::NoLocks => Some(
            "the file system has no locks, so nobody can tell whether it is being saved; remove \
             it by hand if it is not",
        ),
    };
    for (artifact, mut finding) in incomplete {
        match (repair, &alone) {
            (true, Alone::Held(_) | Alone::NeverUsed) => {
                finding.settle(finish(db, artifact).await);
            }
            (true, _) => finding
                .message
                .push_str("; something is being saved at the moment"),
            (false, _) => {}
        }
        report.findings.push(finding);
    }
    for copy in unowned(db, &storage, report).await? {
        let mut finding = finding_of(&storage, &copy);
        match obstacle {
            _ if !copy.is_own => {}
            Some(obstacle) => finding.message = format!("{}; {obstacle}", finding.message),
            None if repair => {
                let (storage, key) = (storage.clone(), copy.storage_key.clone());
                let removed = blocking(move || place::remove(&storage, &key)).await;
                finding.settle(removed.map(|()| "removed".to_owned()));
            }
            None => finding.message.push_str("; repair removes it"),
        }
        report.findings.push(finding);
    }
    drop(alone);
    Ok(())
}

impl Finding {
    /// Notes what the repair did, or why it could not.
    pub(super) fn settle(&mut self, done: Result<String>) {
        match done {
            Ok(done) => self.repaired = Some(done),
            Err(error) => self.message = format!("{}; not repaired: {error}", self.message),
        }
    }
}

fn finding_of(storage: &Storage, copy: &Managed) -> Finding {
    let (problem, message) = match (copy.is_own, copy.is_partial) {
        (false, _) => (
            Problem::Unowned,
            "no record owns this, and the instance did not put it here; move it elsewhere",
        ),
        (true, true) => (Problem::Partial, "a copy that was not completed"),
        (true, false) => (Problem::Unowned, "a copy that no record owns"),
    };
    Finding::of_file(problem, storage, &copy.storage_key, message)
}

/// The copies in a storage that no record owns.
async fn unowned(
    db: &Instance,
    storage: &Storage,
    report: &mut CheckReport,
) -> Result<Vec<Managed>> {
    if storage.type_ != place::LOCAL {
        return Ok(Vec::new());
    }
    let root = storage.clone();
    let copies = blocking(move || place::list_managed(&root)).await?;
    report.copies = copies.len() as u64;
    let keys = copies.iter().map(|copy| copy.storage_key.as_str());
    let owners = Filter::eq(Field::Storage, storage.id.unwrap_or_default())
        .and(Filter::is_in(Field::StorageKey, keys));
    let owners = db
        .select::<Artifact>(&Query::new(Kind::Artifact).filter(owners))
        .await?;
    let owned: HashSet<String> = owners.into_iter().map(|a| a.storage_key).collect();
    let is_left = |copy: &Managed| copy.is_partial || !owned.contains(&copy.storage_key);
    Ok(copies.into_iter().filter(is_left).collect())
}

/// Completes a record whose content is there, and removes any other one, which nobody was ever
/// told of. Gives what was done.
async fn finish(db: &Instance, artifact: Artifact) -> Result<String> {
    let mut handle = Handle::new(db, artifact)?;
    let storage = handle.storage().await?.record().clone();
    let artifact = handle.record().clone();
    if !blocking(move || content::is_complete(&storage, &artifact)).await? {
        handle.delete(Some(true)).await?;
        return Ok("removed the record, whose content is not completely in storage".to_owned());
    }
    let mut changes = ChangeSet::new();
    let unchanged =
        Filter::eq(Field::Id, handle.id()).and(Filter::eq(Field::UpdatedAt, handle.updated_at));
    changes.require(Artifact::KIND, unchanged);
    let set = vec![
        (Field::StorageCompleted, Value::from(true)),
        (Field::UpdatedAt, now_after(handle.updated_at).into()),
    ];
    changes.update(Artifact::KIND, handle.id(), set);
    match db.backend().apply(&changes).await {
        Err(error) if error.kind() == ErrorKind::Conflict => Err(Error::new(
            ErrorKind::Conflict,
            "somebody else changed the record meanwhile",
        )
        .source_error(error)),
        applied => applied.map(|_| "completed the record, whose content is there".to_owned()),
    }
}
