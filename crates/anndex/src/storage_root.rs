//! The default storage that a caller names: a directory, or a bucket at a URL.

use std::path::{Path, PathBuf};

use anndex_core::storage::StorageUrl;
use anndex_core::{Error, Result};

use crate::drivers::drivers;
use crate::location;

/// Whether it is at a URL.
pub(crate) fn is_url(root: &Path) -> bool {
    root.to_str().is_some_and(StorageUrl::is_one)
}

/// As it is written down: a URL in its one form, a path as it is.
///
/// # Errors
/// `InvalidInput` if it is a URL that can't be understood; `Unsupported` if it is that of a
/// database. No error repeats it.
pub(crate) fn normal(root: &Path) -> Result<PathBuf> {
    if location::is_database(root) {
        return Err(Error::unsupported(
            "this is the URL of a database (postgres://), and storages are directories or buckets; \
             a database is the location of an instance",
        ));
    }
    match root.to_str().filter(|_| is_url(root)) {
        Some(text) => Ok(StorageUrl::parse(text)?.to_string().into()),
        None => Ok(root.to_owned()),
    }
}

/// Asks the storage at a URL for what a new instance would have there, so that a wrong name or
/// missing credentials are noticed before anything is made.
///
/// # Errors
/// As [`StorageDrivers::writable`] and [`ObjectStorage::list`].
///
/// [`StorageDrivers::writable`]: anndex_core::storage::StorageDrivers::writable
/// [`ObjectStorage::list`]: anndex_core::storage::ObjectStorage::list
pub(crate) async fn check(root: &Path) -> Result<()> {
    if let Some((_, storage)) = drivers().writable(root)? {
        storage.list(".anndex/new").await?;
    }
    Ok(())
}
