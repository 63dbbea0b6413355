//! Which copies records of other instances lead to.
//!
//! When a record is saved to another instance its bytes stay where they are. So that the instance
//! that made the copy does not remove it under the other record, a file `.anndex/held/NAME.REGISTRY`
//! in the storage says that the other registry has a record of the copy `NAME`. It goes with that
//! record.

use std::path::{Path, PathBuf};

use super::OWN_DIRECTORY;
use super::copies::{own, root_of};
use crate::error::{ErrorKind, Result};
use crate::storage::own_directory::Access;

const DIRECTORY: &str = "held";

/// Says that a registry has a record of a copy.
///
/// # Errors
/// `PermissionDenied` or `Storage` if the storage can't be written; `InvalidInput` if a link is in
/// the way.
pub(in crate::instance) fn hold(root: &Path, name: &str, registry: &str) -> Result<()> {
    let directory = own(root, DIRECTORY)?;
    let file = directory.create_file(format!("{name}.{registry}"), Access::Lock);
    file.map(drop)
}

/// Takes back what [`hold`] said.
///
/// # Errors
/// As [`hold`].
pub(in crate::instance) fn let_go(root: &Path, name: &str, registry: &str) -> Result<()> {
    let directory = root_of(root)?.below(&Path::new(OWN_DIRECTORY).join(DIRECTORY))?;
    match directory {
        Some(directory) => directory.remove(&format!("{name}.{registry}")).map(drop),
        None => Ok(()),
    }
}

/// The files that say so of a copy, but for one's own.
///
/// # Errors
/// `PermissionDenied` or `Storage` if the storage can't be read; `InvalidInput` if a link is in the
/// way.
pub(in crate::instance) fn holders(root: &Path, name: &str, own: &str) -> Result<Vec<PathBuf>> {
    let root = match root_of(root) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        root => root?,
    };
    let Some(directory) = root.below(&Path::new(OWN_DIRECTORY).join(DIRECTORY))? else {
        return Ok(Vec::new());
    };
    let begin = format!("{name}.");
    let is_holder = |file: &str| {
        let registry = file.strip_prefix(&begin);
        registry.is_some_and(|registry| !registry.contains('.') && registry != own)
    };
    let names = directory.names()?.into_iter();
    let names = names.filter(|name| name.to_str().is_some_and(is_holder));
    Ok(names.map(|name| directory.path().join(name)).collect())
}
