//! Copies in storages at URLs: putting content there, and removing what no record owns.
//!
//! A bucket has no locks that would say who is writing. So nobody looks there for copies that are
//! left over: only who wrote one removes it, after a save that failed.

use std::path::Path;
use std::sync::Arc;

use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};

use super::content::{Content, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::instance::remote::{OBJECTS_AT_ONCE, Seen};
use crate::instance::retry::blocking;
use crate::registry::{hash, key};
use crate::storage::{LocalFile, ObjectStorage};

/// Writes a local file or directory to where `storage_key` says. Gives the tag that it has there.
///
/// # Errors
/// `Storage` if the content changed meanwhile; as [`ObjectStorage::write`]. What was written is
/// removed then.
pub(super) async fn upload(
    storage: &dyn ObjectStorage,
    storage_key: &str,
    content: &Content,
) -> Result<Option<String>> {
    let Source::Local(path) = &content.source else {
        return Err(Error::unsupported(
            "what is at a URL is registered where it is; download it to put it elsewhere",
        ));
    };
    let is_directory = content.hash.n_objects.is_some();
    let written = write(storage, storage_key, path, is_directory).await;
    let written = written.and_then(|seen| match seen.size() == content.hash.size {
        true => Ok(seen.etag()),
        false => Err(Error::new(
            ErrorKind::Storage,
            "the file changed while it was uploaded; register it when it is complete",
        )
        .with("path", path.display())),
    });
    if written.is_err() {
        discard(storage, storage_key, is_directory).await;
    }
    written
}

async fn write(
    storage: &dyn ObjectStorage,
    storage_key: &str,
    path: &Path,
    is_directory: bool,
) -> Result<Seen> {
    let from = path.to_owned();
    let files = blocking(move || match is_directory {
        true => hash::files_of(&from),
        false => Ok(vec![from]),
    });
    let mut writes = Vec::new();
    for file in files.await? {
        let relative = file.strip_prefix(path).unwrap_or(&file);
        let parts: Option<Vec<_>> = relative.iter().map(|part| part.to_str()).collect();
        let parts = parts.ok_or_else(|| {
            Error::invalid_input("the name is no UTF-8; rename it").with("path", file.display())
        })?;
        let key = match parts.is_empty() {
            true => storage_key.to_owned(),
            false => format!("{storage_key}/{}", parts.join("/")),
        };
        key::check(&key).map_err(|e| e.with("path", file.display()))?;
        let write = async move {
            let source = blocking(move || LocalFile::open(&file)).await?;
            storage.write(&key, Arc::new(source)).await
        };
        writes.push(write.boxed());
    }
    let objects = stream::iter(writes).buffered(OBJECTS_AT_ONCE);
    let mut objects = objects.try_collect::<Vec<_>>().await?;
    objects.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    Ok(Seen {
        objects,
        is_directory,
    })
}

/// Removes a copy.
///
/// # Errors
/// As [`ObjectStorage::delete`].
pub(in crate::instance) async fn remove(
    storage: &dyn ObjectStorage,
    storage_key: &str,
    is_directory: bool,
) -> Result<()> {
    if !is_directory {
        return storage.delete(storage_key).await;
    }
    let objects = storage.list(storage_key).await?;
    let deletes = objects
        .into_iter()
        .map(|object| async move { storage.delete(&object.key).await }.boxed());
    let deletes = stream::iter(deletes.collect::<Vec<_>>()).buffer_unordered(OBJECTS_AT_ONCE);
    deletes.try_collect::<()>().await
}

/// As [`remove`], after an error that matters more than one from here.
pub(super) async fn discard(storage: &dyn ObjectStorage, storage_key: &str, is_directory: bool) {
    if let Err(error) = remove(storage, storage_key, is_directory).await {
        tracing::warn!(%error, "a copy without a record could not be removed");
    }
}
