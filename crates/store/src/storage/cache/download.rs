//! Moving objects into the partial directory of an entry, from where an earlier call stopped.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};

use super::entry::{Manifest, Names, Object, file_of, own, remove};
use super::{CacheRequest, signed};
use crate::error::{Error, ErrorKind, Result};
use crate::key;
use crate::storage::own_directory::{Access, OwnDirectory};
use crate::storage::pieces::read_in_order;
use crate::storage::{ObjectInfo, ObjectStorage};

/// How many objects of a directory are moved at the same time.
const OBJECTS_AT_ONCE: usize = 8;

/// Makes the partial directory, with what an older copy has of the same content. Gives back
/// whether nothing is in it.
pub(super) fn prepare(names: &Names, manifest: &Manifest) -> Result<bool> {
    if own(&names.partial)?.is_some() {
        return Ok(false);
    }
    create(&names.partial)?;
    let Some(old) = Manifest::read(&names.manifest)? else {
        return Ok(true);
    };
    let mut is_fresh = true;
    for object in &manifest.objects {
        // Where there are no tags, times tell; what they do not tell, the hash does.
        if old.objects.contains(object) {
            is_fresh &= !take_over(names, &old, manifest, object)?;
        }
    }
    Ok(is_fresh)
}

/// Takes an unchanged file of the older copy. Gives back whether that could be done.
fn take_over(names: &Names, old: &Manifest, new: &Manifest, object: &Object) -> Result<bool> {
    let from = file_of(&names.content, &old.file_name, &object.path);
    let to = file_of(&names.partial, &new.file_name, &object.path);
    if let Some(parent) = to.parent() {
        create(parent)?;
    }
    // One that was cut short is moved again, and so is whatever fails here: some file systems have
    // no links.
    let found = from.symlink_metadata();
    let is_whole = found.is_ok_and(|found| found.is_file() && found.len() == object.size);
    Ok(is_whole && fs::hard_link(&from, &to).is_ok())
}

/// Forgets what was moved.
pub(super) fn start_over(names: &Names, manifest: &Manifest) -> Result<()> {
    remove(&names.partial)?;
    manifest.write(&names.partial_manifest)?;
    create(&names.partial)
}

/// Removes what is of no use to anybody. The error that this follows matters more than one here.
pub(super) fn discard(names: &Names) {
    for path in [&names.partial_manifest, &names.partial] {
        if let Err(error) = remove(path) {
            tracing::warn!(%error, "a partial copy could not be removed");
        }
    }
}

/// Moves what is missing of all objects.
pub(super) async fn objects(
    storage: &dyn ObjectStorage,
    request: &CacheRequest,
    names: &Names,
    progress: &(dyn Fn(i64) + Send + Sync),
) -> Result<()> {
    let manifest = Manifest::of(request);
    let partial = own(&names.partial)?.ok_or_else(|| {
        Error::not_found("somebody removed this at the same time; try again")
            .with("path", names.partial.display())
    })?;
    let pairs = request.objects.iter().zip(&manifest.objects);
    let moves = pairs.map(|(seen, object)| {
        let file = file_of(Path::new(""), &manifest.file_name, &object.path);
        let partial = &partial;
        async move {
            if !object.path.is_empty() {
                // A server may name anything.
                key::check(&object.path)?;
            }
            move_object(storage, seen, partial, &file, progress).await
        }
        .boxed()
    });
    stream::iter(moves.collect::<Vec<_>>())
        .buffer_unordered(OBJECTS_AT_ONCE)
        .try_collect::<()>()
        .await
}

async fn move_object(
    storage: &dyn ObjectStorage,
    object: &ObjectInfo,
    partial: &OwnDirectory,
    file: &Path,
    progress: &(dyn Fn(i64) + Send + Sync),
) -> Result<()> {
    let path = partial.path().join(file);
    let at = |e| Error::io(path.display(), e);
    let (Some(parent), Some(name)) = (file.parent(), file.file_name()) else {
        return Err(Error::invalid_input("an object has no name").with("path", path.display()));
    };
    let parent = partial.create_below(parent).map_err(taken)?;
    // What an older copy has stays as it is, and may have another name there.
    let present = parent.size(Path::new(name)).map_err(taken)?.unwrap_or(0);
    if present > object.size {
        return Err(Error::corrupt("a partial copy is too long").with("path", path.display()));
    }
    progress(signed(present));
    if present == object.size && parent.has(&name.to_string_lossy())? {
        return Ok(());
    }
    let mut file = parent.create_file(name, Access::Write)?;
    file.seek(SeekFrom::Start(present)).map_err(at)?;
    read_in_order(storage, object, present..object.size, |bytes| {
        file.write_all(&bytes).map_err(at)?;
        progress(signed(bytes.len() as u64));
        Ok(())
    })
    .await?;
    file.sync_all().map_err(at)
}

fn create(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).map_err(|e| Error::io(directory.display(), e))
}

/// An error of finding something else in the place of a file or directory, as far as the names of
/// objects made it, and no link.
fn taken(error: Error) -> Error {
    let path = error.context("path").map(Path::new);
    if error.kind() != ErrorKind::InvalidInput || path.is_none_or(Path::is_symlink) {
        return error;
    }
    let message = "an object has the name of a directory, so the two can't be on a disk together";
    Error::invalid_input(message).with("path", path.unwrap_or(Path::new("")).display())
}
