//! Which records lead to a copy without its registry knowing it.
//!
//! When a record is saved to another instance, or imported, its bytes stay where they are. So that
//! the instance that made the copy does not remove it under the other record, a file
//! `.anndex/held/NAME.REGISTRY-UID` in the storage says that the record `UID` of another registry
//! leads to the copy `NAME`, or one of the same registry by a way that its place does not tell. It
//! goes with that record.

use std::path::{Path, PathBuf};

use super::OWN_DIRECTORY;
use super::copies::{self, Reached, own, reached, root_of};
use crate::error::{ErrorKind, Result};
use crate::record::{Artifact, Storage};
use crate::storage::own_directory::Access;

const DIRECTORY: &str = "held";

/// Says that an artifact of a registry leads to the copies that it does lead to.
///
/// # Errors
/// `NotFound` if its place is that of a copy, and nothing is there; `PermissionDenied` or `Storage`
/// if the storage can't be written; `InvalidInput` if a link is in the way.
pub(in crate::instance) fn hold(
    storage: &Storage,
    artifact: &Artifact,
    registry: &str,
) -> Result<()> {
    let copies = match reached(storage, &artifact.storage_key) {
        // Nothing tells whether that is a copy on a disk that is not there.
        Err(error) if error.kind() == ErrorKind::NotFound && !is_copy(artifact) => return Ok(()),
        copies => copies?,
    };
    for copy in copies {
        // All records are looked through for the names of one's own copies.
        let is_known = copy.registry == registry && artifact.storage_key.contains(&copy.name);
        if !is_known {
            let directory = own(&copy.root, DIRECTORY)?;
            directory.create_file(holder(&copy, artifact, registry), Access::Lock)?;
        }
    }
    Ok(())
}

/// Takes back what [`hold`] said. Gives back whether the artifact leads to a copy of another
/// registry.
///
/// # Errors
/// As [`hold`], but for `NotFound`.
pub(in crate::instance) fn let_go(
    storage: &Storage,
    artifact: &Artifact,
    registry: &str,
) -> Result<bool> {
    let copies = match reached(storage, &artifact.storage_key) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        copies => copies?,
    };
    for copy in &copies {
        let directory = root_of(&copy.root)?.below(&Path::new(OWN_DIRECTORY).join(DIRECTORY))?;
        if let Some(directory) = directory {
            directory.remove(&holder(copy, artifact, registry))?;
        }
    }
    Ok(copies.iter().any(|copy| copy.registry != registry))
}

fn is_copy(artifact: &Artifact) -> bool {
    copies::is_copy(&artifact.storage_key)
}

fn holder(copy: &Reached, artifact: &Artifact, registry: &str) -> String {
    format!("{}.{registry}-{}", copy.name, artifact.uid)
}

/// The files that say so of a copy.
///
/// # Errors
/// `PermissionDenied` or `Storage` if the storage can't be read; `InvalidInput` if a link is in the
/// way.
pub(in crate::instance) fn holders(root: &Path, name: &str) -> Result<Vec<PathBuf>> {
    let root = match root_of(root) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        root => root?,
    };
    let Some(directory) = root.below(&Path::new(OWN_DIRECTORY).join(DIRECTORY))? else {
        return Ok(Vec::new());
    };
    let begin = format!("{name}.");
    let is_holder = |file: &str| {
        let record = file.strip_prefix(&begin);
        record.is_some_and(|record| !record.contains('.'))
    };
    let names = directory.names()?.into_iter();
    let names = names.filter(|name| name.to_str().is_some_and(is_holder));
    Ok(names.map(|name| directory.path().join(name)).collect())
}
