//! One artifact: whether its content is in storage as it was registered.

use std::path::Path;

use super::{Finding, Problem};
use crate::error::{ErrorKind, Result};
use crate::instance::place;
use crate::record::{Artifact, Storage};
use crate::registry::hash::{self, ContentHash, HashType};

/// What came of checking an artifact.
#[derive(Debug)]
pub(super) enum Checked {
    Good { is_compared: bool },
    Wrong(Finding),
}

/// Compares size and kind, and the hash in a deep check.
pub(super) fn check(storage: &Storage, artifact: &Artifact, deep: bool) -> Checked {
    if let Some(incomplete) = incomplete(storage, artifact) {
        return incomplete;
    }
    let difference = place::resolve(storage, &artifact.storage_key)
        .and_then(|path| difference(&path, artifact, deep));
    judge(storage, artifact, deep, difference)
}

/// What is found of an artifact whose save did not come to its end.
pub(super) fn incomplete(storage: &Storage, artifact: &Artifact) -> Option<Checked> {
    let message = "its save never came to its end; save it again, or repair";
    let finding = Finding::of_artifact(Problem::Incomplete, storage, artifact, message);
    (!artifact.storage_completed).then_some(Checked::Wrong(finding))
}

/// What is found of an artifact whose content differs, or does not.
pub(super) fn judge(
    storage: &Storage,
    artifact: &Artifact,
    deep: bool,
    difference: Result<Option<String>>,
) -> Checked {
    let wrong = |problem, message: String| {
        Checked::Wrong(Finding::of_artifact(problem, storage, artifact, message))
    };
    match difference {
        Ok(None) => Checked::Good {
            is_compared: !deep || known_hash_type(artifact).is_some(),
        },
        Ok(Some(difference)) => wrong(
            Problem::Changed,
            format!(
                "{difference}; put the registered content back, or register the new content \
                 elsewhere"
            ),
        ),
        Err(error) if error.kind() == ErrorKind::NotFound => wrong(
            Problem::Missing,
            "nothing is there; put the file back, or register the content again".to_owned(),
        ),
        Err(error) => wrong(Problem::Unreadable, error.to_string()),
    }
}

/// Whether the content of an artifact whose save did not come to its end is there after all.
pub(super) fn is_complete(storage: &Storage, artifact: &Artifact) -> Result<bool> {
    if known_hash_type(artifact).is_none() {
        return Ok(false);
    }
    match place::resolve(storage, &artifact.storage_key) {
        Ok(path) => Ok(difference(&path, artifact, true)?.is_none()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// In what the content differs from what was registered.
fn difference(path: &Path, artifact: &Artifact, deep: bool) -> Result<Option<String>> {
    if path.is_dir() != artifact.n_objects.is_some() {
        return Ok(Some(other_kind(path.is_dir())));
    }
    let (size, n_objects) = extent(path)?;
    if let Some(difference) = other_extent(artifact, size, n_objects) {
        return Ok(Some(difference));
    }
    if !deep || known_hash_type(artifact).is_none() {
        return Ok(None);
    }
    let found = hash::hash_path(path)?;
    read_middles(path)?;
    Ok(other_hash(artifact, &found))
}

/// Says what an artifact is now, that was the other of file and directory.
pub(super) fn other_kind(is_directory: bool) -> String {
    let now = if is_directory {
        "a directory"
    } else {
        "a file"
    };
    format!("it is {now} now")
}

/// Compares the size in bytes and the number of files.
pub(super) fn other_extent(
    artifact: &Artifact,
    size: u64,
    n_objects: Option<u64>,
) -> Option<String> {
    let registered = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
    if let Some(expected) = registered(artifact.size).filter(|expected| *expected != size) {
        return Some(format!("it has {size} bytes and not {expected}"));
    }
    match (registered(artifact.n_objects), n_objects) {
        (Some(expected), Some(found)) if expected != found => {
            Some(format!("it has {found} files and not {expected}"))
        }
        _ => None,
    }
}

/// Compares the hash.
pub(super) fn other_hash(artifact: &Artifact, found: &ContentHash) -> Option<String> {
    let expected = artifact.hash.as_deref()?;
    let is_same =
        found.hash == expected && artifact.hash_type.as_deref() == Some(found.hash_type.as_str());
    (!is_same).then(|| format!("its hash is {} and not {expected}", found.hash))
}

/// Size in bytes, and the number of files in a directory.
fn extent(path: &Path) -> Result<(u64, Option<u64>)> {
    let size = |path: &Path| {
        let metadata = path.metadata();
        metadata
            .map(|metadata| metadata.len())
            .map_err(|e| crate::Error::io(path.display(), e))
    };
    if !path.is_dir() {
        return Ok((size(path)?, None));
    }
    let files = hash::files_of(path)?;
    let total = files.iter().map(|file| size(file)).sum::<Result<u64>>()?;
    Ok((total, Some(files.len() as u64)))
}

fn read_middles(path: &Path) -> Result<()> {
    match path.is_dir() {
        true => hash::files_of(path)?
            .iter()
            .try_for_each(|file| hash::read_middle(file)),
        false => hash::read_middle(path),
    }
}

/// How the hash was computed, if that can be done again here.
pub(super) fn known_hash_type(artifact: &Artifact) -> Option<HashType> {
    let name = artifact
        .hash_type
        .as_deref()
        .filter(|_| artifact.hash.is_some())?;
    HashType::parse(name)
}
