//! One artifact: whether its content is in storage as it was registered.

use std::path::Path;

use super::{Finding, Problem};
use crate::error::{ErrorKind, Result};
use crate::instance::place;
use crate::record::{Artifact, Storage};
use crate::registry::hash::{self, HashType};

/// What came of checking an artifact.
#[derive(Debug)]
pub(super) enum Checked {
    Good { is_compared: bool },
    Wrong(Finding),
}

/// Compares size and kind, and the hash in a deep check.
pub(super) fn check(storage: &Storage, artifact: &Artifact, deep: bool) -> Checked {
    let wrong = |problem, message: String| {
        Checked::Wrong(Finding::of_artifact(problem, storage, artifact, message))
    };
    if !artifact.storage_completed {
        let message = "its save never came to its end; save it again, or repair";
        return wrong(Problem::Incomplete, message.to_owned());
    }
    let difference = place::resolve(storage, &artifact.storage_key)
        .and_then(|path| difference(&path, artifact, deep));
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
        let now = if path.is_dir() {
            "a directory"
        } else {
            "a file"
        };
        return Ok(Some(format!("it is {now} now")));
    }
    let (size, n_objects) = extent(path)?;
    let registered = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
    if let Some(expected) = registered(artifact.size).filter(|expected| *expected != size) {
        return Ok(Some(format!("it has {size} bytes and not {expected}")));
    }
    if let (Some(expected), Some(found)) = (registered(artifact.n_objects), n_objects)
        && expected != found
    {
        return Ok(Some(format!("it has {found} files and not {expected}")));
    }
    let Some(hash) = artifact.hash.as_ref().filter(|_| deep) else {
        return Ok(None);
    };
    if known_hash_type(artifact).is_none() {
        return Ok(None);
    }
    let found = hash::hash_path(path)?;
    read_middles(path)?;
    let is_same =
        found.hash == *hash && artifact.hash_type.as_deref() == Some(found.hash_type.as_str());
    Ok((!is_same).then(|| {
        let (expected, found) = (hash, found.hash);
        format!("its hash is {found} and not {expected}")
    }))
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
fn known_hash_type(artifact: &Artifact) -> Option<HashType> {
    let name = artifact
        .hash_type
        .as_deref()
        .filter(|_| artifact.hash.is_some())?;
    let all = [
        HashType::Md5,
        HashType::Sha1FirstLast,
        HashType::Md5Directory,
    ];
    all.into_iter().find(|known| known.as_str() == name)
}
