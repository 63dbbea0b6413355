//! What killed processes left: copies without a record, and records that were never completed.
//!
//! Looked at while nobody writes copies (see `place::registries`): then a copy that is not whole, or
//! that is marked as being written or removed, either has its record or is left over. Only what this
//! registry made is looked through, in whichever storage.

use std::collections::HashSet;
use std::path::Path;

use super::{CheckReport, Finding, Problem, content};
use crate::backend::{ChangeSet, Filter, Query};
use crate::error::{Error, ErrorKind, Result};
use crate::instance::place;
use crate::instance::place::copies::{self, Copies, Copy, State};
use crate::instance::place::registries::{self, Alone};
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
    let (alone, obstacle) = alone(db, &storage).await?;
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
    if storage.type_ == place::LOCAL {
        check_copies(db, &storage, repair, obstacle, report).await?;
        strays(db, &storage, report).await?;
    }
    drop(alone);
    let local = Filter::eq(Field::Type, place::LOCAL).and(Filter::ne(Field::Id, storage.id));
    let local = Query::new(Kind::Storage).filter(local);
    for storage in db.select::<Storage>(&local).await? {
        // Those that are not there were named before.
        if Path::new(&storage.root).is_dir() {
            let (_alone, obstacle) = self::alone(db, &storage).await?;
            check_copies(db, &storage, repair, obstacle, report).await?;
        }
    }
    Ok(())
}

/// Takes the lock of those who write copies into a storage, and gives what keeps a repair from it.
async fn alone(db: &Instance, storage: &Storage) -> Result<(Alone, Option<&'static str>)> {
    let alone = if storage.type_ != place::LOCAL {
        // A bucket has no locks that would say what is left over.
        Alone::NeverUsed
    } else {
        let (storage, identity) = (storage.clone(), db.identity().clone());
        blocking(move || registries::alone(&storage, &identity)).await?
    };
    let obstacle = match &alone {
        Alone::Held(_) | Alone::NeverUsed => None,
        Alone::Busy => Some("something is being saved, maybe this; check again afterwards"),
        Alone::NoLocks => Some(
            "the file system has no locks, so nobody can tell whether it is being saved; remove \
             it by hand if it is not",
        ),
    };
    Ok((alone, obstacle))
}

/// Looks through what this registry copied into a storage.
async fn check_copies(
    db: &Instance,
    storage: &Storage,
    repair: bool,
    obstacle: Option<&str>,
    report: &mut CheckReport,
) -> Result<()> {
    for (own, copy) in unowned(db, storage, repair && obstacle.is_none(), report).await? {
        let mut finding = finding_of(storage, &copy);
        match (copy.state, obstacle) {
            (State::Whole | State::Foreign, _) => {}
            (_, Some(obstacle)) => {
                finding.message = format!("{}; {obstacle}", finding.message);
            }
            (_, None) if repair => finding.settle(remove(db, storage, own, copy).await),
            (_, None) => finding.message.push_str("; repair removes it"),
        }
        report.findings.push(finding);
    }
    Ok(())
}

/// Removes what a killed process left of a copy. One that is whole may be needed by others.
async fn remove(db: &Instance, storage: &Storage, own: Copies, copy: Copy) -> Result<String> {
    let kept = match copy.state {
        State::Partial => {
            blocking(move || own.remove(&copy.name)).await?;
            None
        }
        _ => db.release(storage, &copy.storage_key, false).await?,
    };
    match kept {
        None => Ok("removed".to_owned()),
        Some(reason) => Err(Error::new(ErrorKind::Conflict, reason)),
    }
}

/// What is said of something with a name that an instance does not give.
const FOREIGN: &str =
    "no record owns this, and the instance did not put it here; move it elsewhere";

impl Finding {
    /// Notes what the repair did, or why it could not.
    pub(super) fn settle(&mut self, done: Result<String>) {
        match done {
            Ok(done) => self.repaired = Some(done),
            Err(error) => self.message = format!("{}; not repaired: {error}", self.message),
        }
    }
}

fn finding_of(storage: &Storage, copy: &Copy) -> Finding {
    let (problem, message) = match copy.state {
        State::Foreign => (Problem::Unowned, FOREIGN),
        State::Partial => (Problem::Partial, "a copy that was not completed"),
        State::Pending => (Problem::Unowned, "a copy that no record owns"),
        State::Whole => (
            Problem::Unowned,
            "a copy that no record owns, and that no process left which was stopped: its record \
             may be in another copy of the database; remove it by hand if it is not",
        ),
    };
    Finding::of_file(problem, storage, &copy.storage_key, message)
}

/// The copies of this registry that no record owns. Marks of those that a record owns are removed
/// if that is asked for.
async fn unowned(
    db: &Instance,
    storage: &Storage,
    settle: bool,
    report: &mut CheckReport,
) -> Result<Vec<(Copies, Copy)>> {
    let identity = match storage.id == db.storage().id {
        true => db.identity().clone(),
        false => db.identity().elsewhere(),
    };
    let mut found = Vec::new();
    for registry in identity.former.iter().chain([&identity.id]) {
        let own = Copies::new(storage, registry);
        let listed = own.clone();
        let copies = blocking(move || listed.list()).await?;
        report.copies += copies.len() as u64;
        let owned = owned(db, storage, copies.iter().map(|copy| &copy.storage_key)).await?;
        for copy in copies {
            if !owned.contains(&copy.storage_key) || copy.state == State::Partial {
                found.push((own.clone(), copy));
            } else if settle && copy.state == State::Pending {
                let own = own.clone();
                blocking(move || own.settle(&copy.name)).await?;
            }
        }
    }
    Ok(found)
}

/// What is beside the directories of registries: copies of an earlier version, which have records,
/// and what the instance did not put there.
async fn strays(db: &Instance, storage: &Storage, report: &mut CheckReport) -> Result<()> {
    let root = storage.clone();
    let strays = blocking(move || copies::list_strays(&root)).await?;
    report.copies += strays.len() as u64;
    let owned = owned(db, storage, strays.iter()).await?;
    for stray in strays.iter().filter(|stray| !owned.contains(*stray)) {
        let finding = Finding::of_file(Problem::Unowned, storage, stray, FOREIGN);
        report.findings.push(finding);
    }
    Ok(())
}

/// Those places of a storage that records have.
async fn owned(
    db: &Instance,
    storage: &Storage,
    keys: impl Iterator<Item = &String>,
) -> Result<HashSet<String>> {
    let owners = Filter::eq(Field::Storage, storage.id.unwrap_or_default())
        .and(Filter::is_in(Field::StorageKey, keys.map(String::as_str)));
    let owners = Query::new(Kind::Artifact).filter(owners);
    let owners = db.select::<Artifact>(&owners).await?.into_iter();
    Ok(owners.map(|artifact| artifact.storage_key).collect())
}

/// Completes a record whose content is there, and removes any other one, which nobody was ever
/// told of. Gives what was done.
async fn finish(db: &Instance, artifact: Artifact) -> Result<String> {
    let mut handle = Handle::new(db, artifact)?;
    let storage = handle.storage().await?.record().clone();
    let artifact = handle.record().clone();
    if !blocking(move || content::is_complete(&storage, &artifact)).await? {
        handle.remove(true).await?;
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
