//! Moving objects into the partial directory of an entry, from where an earlier call stopped.

use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};

use super::entry::{Manifest, Names, Object, file_of, remove};
use super::{CacheRequest, signed};
use crate::error::{Error, ErrorKind, Result};
use crate::registry::key;
use crate::storage::pieces::read_in_order;
use crate::storage::{ObjectInfo, ObjectStorage};

/// How many objects of a directory are moved at the same time.
const OBJECTS_AT_ONCE: usize = 8;

/// Makes the partial directory, with what an older copy has of the same content. Gives back
/// whether nothing is in it.
pub(super) fn prepare(names: &Names, manifest: &Manifest) -> Result<bool> {
    if names.partial.is_dir() {
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
    // Some file systems have no links. Whatever fails here is moved again.
    Ok(fs::hard_link(&from, &to).is_ok() || fs::copy(&from, &to).is_ok())
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
    let pairs = request.objects.iter().zip(&manifest.objects);
    let moves = pairs.map(|(seen, object)| {
        let file = file_of(&names.partial, &manifest.file_name, &object.path);
        async move {
            if !object.path.is_empty() {
                // A server may name anything.
                key::check(&object.path)?;
            }
            move_object(storage, seen, &file, progress).await
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
    path: &Path,
    progress: &(dyn Fn(i64) + Send + Sync),
) -> Result<()> {
    let at = |e| Error::io(path.display(), e);
    if let Some(parent) = path.parent() {
        create(parent)?;
    }
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(false);
    let mut file = options.open(path).map_err(at)?;
    let present = file.metadata().map_err(at)?.len();
    if present > object.size {
        return Err(Error::corrupt("a partial copy is too long").with("path", path.display()));
    }
    progress(signed(present));
    if present == object.size {
        return Ok(());
    }
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
    let made = fs::create_dir_all(directory);
    made.map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists | std::io::ErrorKind::NotADirectory => Error::new(
            ErrorKind::InvalidInput,
            "an object has the name of a directory, so the two can't be on a disk together",
        )
        .with("path", directory.display()),
        _ => Error::io(directory.display(), e),
    })
}
