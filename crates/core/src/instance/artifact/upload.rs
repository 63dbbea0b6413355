//! Copies in storages at URLs: putting content there, and removing what no record owns.
//!
//! A bucket has no locks that would say who is writing. So nobody looks there for copies that are
//! left over. What is known of them is here: each upload has a journal in the directory of the
//! cache, from before its first byte until its record is there. With it, saving the same content
//! again goes on where an upload was interrupted, and a repair removes what it left.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};

use super::content::{Content, Source};
use crate::backend::{Filter, Query};
use crate::error::{Error, ErrorKind, Result};
use crate::instance::Instance;
use crate::instance::retry::blocking;
use crate::record::{Artifact, Field, RecordData, Storage};
use crate::registry::{hash, key};
use crate::storage::{
    Journal, LocalFile, OBJECTS_AT_ONCE, ObjectInfo, ObjectStorage, Plan, ReadAt, Seen, Version,
};

/// A copy that was put into a storage at a URL, and that no record owns yet.
#[derive(Debug)]
pub(super) struct Uploaded {
    pub(super) storage_key: String,
    /// The tag that it has there.
    pub(super) etag: Option<String>,
    /// To be removed when a record owns it.
    pub(super) journal: Option<Arc<Journal>>,
}

/// Writes a local file or directory into a storage, in which it gets this name. What an earlier
/// call wrote of the same content before it was interrupted is not written again.
///
/// # Errors
/// `Storage` if the content changed meanwhile; as [`ObjectStorage::write`]. What was written is
/// removed then, unless the storage fails at the moment, so that a later call may go on.
pub(super) async fn upload(
    db: &Instance,
    storage: &Storage,
    objects: &dyn ObjectStorage,
    name: &str,
    content: &Content,
) -> Result<Uploaded> {
    let Source::Local(path) = &content.source else {
        return Err(Error::unsupported(
            "what is at a URL is registered where it is; download it to put it elsewhere",
        ));
    };
    let plan = Plan {
        storage: storage.root.clone(),
        storage_key: db
            .copies(storage)
            .key(&format!("{name}{}", key::suffix(&content.file_name))),
        is_directory: content.hash.n_objects.is_some(),
        hash: content.hash.hash.clone(),
        size: content.hash.size,
    };
    let journal = journal(db, storage, &plan).await?;
    let plan = journal.as_ref().map_or(&plan, |journal| journal.plan());
    let written = write(objects, plan, path, journal.as_ref()).await;
    let seen = match written {
        Ok(seen) if seen.size() == content.hash.size => seen,
        Ok(_) => {
            abandon(objects, plan, journal.as_deref()).await;
            return Err(Error::new(
                ErrorKind::Storage,
                "the file changed while it was uploaded; register it when it is complete",
            )
            .with("path", path.display()));
        }
        Err(error) if error.kind() == ErrorKind::Storage && journal.is_some() => {
            return Err(error);
        }
        Err(error) => {
            abandon(objects, plan, journal.as_deref()).await;
            return Err(error);
        }
    };
    Ok(Uploaded {
        storage_key: plan.storage_key.clone(),
        etag: seen.etag(),
        journal,
    })
}

/// The journal of the upload, and with it what was done before; `None` if another process uploads
/// the same at the moment.
async fn journal(db: &Instance, storage: &Storage, plan: &Plan) -> Result<Option<Arc<Journal>>> {
    let directory = db.uploads();
    let open = |plan: Plan| {
        let directory = directory.clone();
        blocking(move || Journal::open(&directory, plan))
    };
    let Some(journal) = open(plan.clone()).await? else {
        return Ok(None);
    };
    // Its process may have been killed after the record was there.
    if is_owned(db, storage, &journal.plan().storage_key).await? {
        journal.remove()?;
        drop(journal);
        return Ok(open(plan.clone()).await?.map(Arc::new));
    }
    if !journal.is_new() {
        tracing::info!(key = journal.plan().storage_key, "an upload goes on");
    }
    Ok(Some(Arc::new(journal)))
}

/// Whether a record has its content at this place.
pub(in crate::instance) async fn is_owned(
    db: &Instance,
    storage: &Storage,
    storage_key: &str,
) -> Result<bool> {
    let owned = Filter::eq(Field::StorageKey, storage_key)
        .and(Filter::eq(Field::Storage, storage.id.unwrap_or_default()));
    let owners = Query::new(Artifact::KIND).filter(owned);
    Ok(db.backend().count(&owners).await? > 0)
}

async fn write(
    storage: &dyn ObjectStorage,
    plan: &Plan,
    path: &Path,
    journal: Option<&Arc<Journal>>,
) -> Result<Seen> {
    let (from, is_directory) = (path.to_owned(), plan.is_directory);
    let files = blocking(move || match is_directory {
        true => hash::files_of(&from),
        false => Ok(vec![from]),
    });
    let mut keys = HashSet::new();
    let mut writes = Vec::new();
    for file in files.await? {
        let relative = file.strip_prefix(path).unwrap_or(&file);
        let parts: Option<Vec<_>> = relative.iter().map(|part| part.to_str()).collect();
        let parts = parts.ok_or_else(|| {
            Error::invalid_input("the name is not UTF-8; rename it").with("path", file.display())
        })?;
        let key = match parts.is_empty() {
            true => plan.storage_key.clone(),
            false => format!("{}/{}", plan.storage_key, parts.join("/")),
        };
        key::check(&key).map_err(|e| e.with("path", file.display()))?;
        keys.insert(key.clone());
        let write = async move {
            let (source, version) = blocking(move || open(&file)).await?;
            match journal {
                Some(journal) => write_on(storage, &key, source, version, journal).await,
                None => storage.write(&key, source).await,
            }
        };
        writes.push(write.boxed());
    }
    if let Some(journal) = journal {
        remove_others(storage, journal, &keys).await?;
    }
    let objects = stream::iter(writes).buffered(OBJECTS_AT_ONCE);
    let mut objects = objects.try_collect::<Vec<_>>().await?;
    objects.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    Ok(Seen {
        objects,
        is_directory,
    })
}

/// Removes what was written from files that have other names now.
async fn remove_others(
    storage: &dyn ObjectStorage,
    journal: &Journal,
    keys: &HashSet<String>,
) -> Result<()> {
    for (key, upload) in journal.uploads() {
        if !keys.contains(&key) {
            storage.abandon(&key, &upload.id).await?;
        }
    }
    for key in journal.keys() {
        if !keys.contains(&key) {
            storage.delete(&key).await?;
        }
    }
    Ok(())
}

/// Writes one object, or what is missing of it.
async fn write_on(
    storage: &dyn ObjectStorage,
    key: &str,
    source: Arc<dyn ReadAt>,
    version: Version,
    journal: &Arc<Journal>,
) -> Result<ObjectInfo> {
    if let Some(etag) = journal.written(key, version)
        && let Ok(seen) = storage.head(key).await
        && (seen.size, &seen.etag) == (version.size, &etag)
    {
        return Ok(seen);
    }
    if let Some(outdated) = journal.outdated(key, version) {
        storage.abandon(key, &outdated.id).await?;
    }
    let notes = journal.notes(key, version);
    let written = storage.write_on(key, source, notes).await?;
    journal.note_written(key, version, written.etag.as_deref())?;
    Ok(written)
}

fn open(path: &Path) -> Result<(Arc<dyn ReadAt>, Version)> {
    let file = LocalFile::open(path)?;
    let metadata = path.metadata();
    let modified = metadata.and_then(|metadata| metadata.modified());
    let modified = modified.map_err(|e| Error::io(path.display(), e))?;
    let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    let version = Version {
        size: file.len(),
        modified: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
    };
    Ok((Arc::new(file), version))
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

/// Removes all that was written, and the journal with it.
///
/// # Errors
/// As [`ObjectStorage::delete`]. The journal stays then.
pub(in crate::instance) async fn undo(
    storage: &dyn ObjectStorage,
    plan: &Plan,
    journal: Option<&Journal>,
) -> Result<()> {
    for (key, upload) in journal.map(Journal::uploads).unwrap_or_default() {
        storage.abandon(&key, &upload.id).await?;
    }
    remove(storage, &plan.storage_key, plan.is_directory).await?;
    journal.map_or(Ok(()), Journal::remove)
}

/// As [`undo`], after an error that matters more than one from here.
async fn abandon(storage: &dyn ObjectStorage, plan: &Plan, journal: Option<&Journal>) {
    if let Err(error) = undo(storage, plan, journal).await {
        tracing::warn!(%error, "an upload that failed could not be removed");
    }
}
