//! What is at a URL, as it was seen: its size, its tag and its hash.

use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};

use crate::error::{Error, Result};
use crate::hash::{self, ContentHash, FileHasher};
use crate::storage::pieces::read_in_order;
use crate::storage::{ObjectInfo, ObjectStorage, Seen};

/// How many objects are read at the same time. Each large one is read by several requests.
pub const OBJECTS_AT_ONCE: usize = 8;

impl Seen {
    /// The size of all objects in bytes.
    pub fn size(&self) -> u64 {
        self.objects.iter().map(|object| object.size).sum()
    }

    /// The storage's tag of an object; for a directory the md5 of what its objects are called, how
    /// large they are and which tags they have. `None` if there is no tag.
    pub fn etag(&self) -> Option<String> {
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
    pub fn unhashed(&self, object: &ObjectInfo) -> std::ops::Range<u64> {
        match FileHasher::new(object.size).ranges().as_slice() {
            [first, last] if first.end < last.start => first.end..last.start,
            _ => 0..0,
        }
    }

    /// Reads what the hash covers, and computes it.
    ///
    /// # Errors
    /// As [`ObjectStorage::read`].
    pub async fn hash(
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
