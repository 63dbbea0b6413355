//! What is at URLs: looking at what is there, and hashing it.

use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};

use crate::error::{Error, ErrorKind, Result};
use crate::registry::hash::{self, ContentHash, FileHasher};
use crate::registry::key;
use crate::storage::pieces::read_in_order;
use crate::storage::{ObjectInfo, ObjectStorage};

/// How many objects are read at the same time. Each large one is read by several requests.
pub(super) const OBJECTS_AT_ONCE: usize = 8;

/// A file or directory at a URL, as it was seen.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// Its objects: one, or those of the directory.
    pub(super) objects: Vec<ObjectInfo>,
    pub(super) is_directory: bool,
}

impl Seen {
    /// Looks at what has this key: an object, or else all objects below it.
    ///
    /// # Errors
    /// `NotFound` if there is neither; else as [`ObjectStorage::head`].
    pub(super) async fn look(
        storage: &dyn ObjectStorage,
        key: &str,
        is_prefix: bool,
    ) -> Result<Self> {
        let missing = match is_prefix {
            true => Error::not_found("nothing is there; check the URL")
                .with("storage", storage.location())
                .with("object", key),
            false => match storage.head(key).await {
                Ok(object) => return Self::new(vec![object], None),
                // Some servers that stand on a file system fail where a directory is.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Storage) => {
                    error
                }
                Err(error) => return Err(error),
            },
        };
        if !is_prefix && !storage.capabilities().list {
            return Err(missing);
        }
        match storage.list(key).await {
            Ok(objects) if objects.is_empty() => Err(missing),
            Ok(objects) => {
                let seen = Self::new(objects, Some(key));
                seen.map_err(|e| e.with("storage", storage.location()))
            }
            // Whoever may read may not be allowed to list.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(missing),
            Err(error) => Err(error),
        }
    }

    /// A server may say anything. What is below a directory must be there, and sizes must add up.
    fn new(objects: Vec<ObjectInfo>, directory: Option<&str>) -> Result<Self> {
        if let Some(directory) = directory {
            for object in &objects {
                let below = object.key.strip_prefix(directory);
                let Some(below) = below.and_then(|below| below.strip_prefix('/')) else {
                    let error = Error::corrupt("the storage lists what is elsewhere");
                    return Err(error.with("object", object.key.escape_debug()));
                };
                key::check(below)?;
            }
        }
        let mut sizes = objects.iter().map(|object| object.size);
        let size = sizes.try_fold(0u64, u64::checked_add);
        match size.map(i64::try_from) {
            Some(Ok(_)) => Ok(Self {
                objects,
                is_directory: directory.is_some(),
            }),
            _ => Err(Error::invalid_input(
                "this is larger than a database can note",
            )),
        }
    }

    /// As [`Seen::look`], for what was registered as a file or as a directory.
    pub(super) async fn look_again(
        storage: &dyn ObjectStorage,
        key: &str,
        was_directory: bool,
    ) -> Result<Self> {
        // What was a directory may have become a file, but is not looked for as one first.
        match Self::look(storage, key, was_directory).await {
            Err(error) if was_directory && error.kind() == ErrorKind::NotFound => {
                Self::look(storage, key, false).await.map_err(|_| error)
            }
            seen => seen,
        }
    }

    /// The size of all objects in bytes.
    pub(super) fn size(&self) -> u64 {
        self.objects.iter().map(|object| object.size).sum()
    }

    /// The storage's tag of an object; for a directory the md5 of what its objects are called, how
    /// large they are and which tags they have. `None` if there is no tag.
    pub(super) fn etag(&self) -> Option<String> {
        match self.objects.as_slice() {
            [object] if !self.is_directory => object.etag.clone(),
            objects => {
                let mut text = String::new();
                for object in objects {
                    let etag = object.etag.as_deref()?;
                    text.push_str(&format!("{}\n{}\n{etag}\n", object.key, object.size));
                }
                Some(hash::hash_bytes(text.as_bytes()))
            }
        }
    }

    /// The bytes of an object that the hash does not cover.
    pub(super) fn unhashed(&self, object: &ObjectInfo) -> std::ops::Range<u64> {
        match FileHasher::new(object.size).ranges().as_slice() {
            [first, last] if first.end < last.start => first.end..last.start,
            _ => 0..0,
        }
    }

    /// Reads what the hash covers, and computes it.
    ///
    /// # Errors
    /// As [`ObjectStorage::read`].
    pub(super) async fn hash(
        &self,
        storage: &dyn ObjectStorage,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<ContentHash> {
        let hash = |object| {
            async move {
                let hash = hash_object(storage, object).await?;
                progress(object.size);
                Ok::<_, Error>(hash)
            }
            .boxed()
        };
        let hashes = self.objects.iter().map(hash).collect::<Vec<_>>();
        let hashes = stream::iter(hashes).buffered(OBJECTS_AT_ONCE);
        let hashes = hashes.try_collect::<Vec<_>>().await?;
        match <[ContentHash; 1]>::try_from(hashes) {
            Ok([hash]) if !self.is_directory => Ok(hash),
            Ok([hash]) => Ok(ContentHash::of_directory(vec![hash])),
            Err(hashes) => Ok(ContentHash::of_directory(hashes)),
        }
    }
}

async fn hash_object(storage: &dyn ObjectStorage, object: &ObjectInfo) -> Result<ContentHash> {
    let mut hasher = FileHasher::new(object.size);
    for range in hasher.ranges() {
        read_in_order(storage, object, range, |bytes| {
            hasher.update(&bytes);
            Ok(())
        })
        .await?;
    }
    Ok(hasher.finish())
}
