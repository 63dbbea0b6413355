//! Object storage: what a driver implements, and what is known of an object.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::ReadAt;
use crate::error::{Error, ErrorKind, Result};

/// An object as it was seen: reading it later gives these very bytes or an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Where it is, relative to the root of the storage.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// The storage's own tag of the content, without quotes, where it has one.
    pub etag: Option<String>,
    /// When it was changed last, in seconds since 1970, where the storage says so.
    pub modified: Option<i64>,
}

impl ObjectInfo {
    /// Whether this is the same content as far as the storage tells: the same size and tag, or
    /// the same time where it has no tags.
    pub fn is_same_content(&self, other: &Self) -> bool {
        self.size == other.size
            && match (&self.etag, &other.etag, self.modified, other.modified) {
                (Some(a), Some(b), ..) => a == b,
                (.., Some(a), Some(b)) => a == b,
                _ => true,
            }
    }
}

/// An object that is written in parts, and of which some are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartialUpload {
    /// What the storage calls it.
    pub id: String,
    /// The size of all parts but the last in bytes.
    pub part_bytes: u64,
    /// The storage's tags of the parts that are there, by their numbers from 0.
    pub parts: BTreeMap<u64, String>,
}

/// Where it is noted how far the writing of an object is.
pub trait UploadNotes: Send + Sync + Debug {
    /// What an earlier call noted; `None` if there was none, or if the source was another.
    fn known(&self) -> Option<PartialUpload>;

    /// Notes that writing in parts begins. What was noted before is of no use any more.
    ///
    /// # Errors
    /// As [`Error::io`] if it can't be noted.
    fn begun(&self, id: &str, part_bytes: u64) -> Result<()>;

    /// Notes that a part is there.
    ///
    /// # Errors
    /// As [`UploadNotes::begun`].
    fn part(&self, number: u64, tag: &str) -> Result<()>;
}

/// What a storage can do beyond reading objects whose keys are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StorageCapabilities {
    /// Whether objects can be listed. Without that there are no directories.
    pub list: bool,
    /// Whether objects can be written and deleted.
    pub write: bool,
}

/// A place with objects, each with a key: a bucket, a part of one, or a web server.
///
/// Every call ends within a time limit of the implementation, which also tries again what can
/// succeed when it is tried again. The futures can be waited for on any runtime, or on none.
/// Errors hold no secrets.
#[async_trait]
pub trait ObjectStorage: Send + Sync + Debug {
    /// The URL or path of the root, for messages.
    fn location(&self) -> &str;

    /// What the storage can do.
    fn capabilities(&self) -> StorageCapabilities;

    /// Size and tag of an object.
    ///
    /// # Errors
    /// `NotFound` if there is no such object; `InvalidInput` if the key is not fit for one;
    /// `PermissionDenied` or `Storage` if the storage refuses or fails.
    async fn head(&self, key: &str) -> Result<ObjectInfo>;

    /// The bytes of a range of an object, all of them, as it was when it was seen.
    ///
    /// # Errors
    /// `Storage` if the object has changed (see [`changed`]); `InvalidInput` if the range is not
    /// inside the object; else as [`ObjectStorage::head`].
    async fn read(&self, object: &ObjectInfo, range: Range<u64>) -> Result<Bytes>;

    /// All objects whose keys begin with `prefix` and a slash, sorted by key; all objects for an
    /// empty prefix.
    ///
    /// # Errors
    /// `Unsupported` if the storage can't list; else as [`ObjectStorage::head`]. That nothing is
    /// there is no error.
    async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>>;

    /// Writes an object, which is there whole or not at all; large ones in several parts at the
    /// same time. What was there before is replaced.
    ///
    /// # Errors
    /// `Unsupported` if the storage can't be written; `Storage` if what is there afterwards is not
    /// as long as what was to be written; those of `source`; else as [`ObjectStorage::head`].
    async fn write(&self, key: &str, source: Arc<dyn ReadAt>) -> Result<ObjectInfo>;

    /// As [`ObjectStorage::write`], in a way that a later call goes on with, also one of another
    /// process: what has to be known for that is in the notes. After an error what was written of
    /// a large object stays until then, or until it is abandoned. Storages that can't do this
    /// write all of it anew.
    ///
    /// # Errors
    /// As [`ObjectStorage::write`], and those of the notes.
    async fn write_on(
        &self,
        key: &str,
        source: Arc<dyn ReadAt>,
        notes: Arc<dyn UploadNotes>,
    ) -> Result<ObjectInfo> {
        let _ = notes;
        self.write(key, source).await
    }

    /// Removes what [`ObjectStorage::write_on`] left of an object; nothing being there is no error.
    ///
    /// # Errors
    /// As [`ObjectStorage::delete`].
    async fn abandon(&self, key: &str, upload_id: &str) -> Result<()> {
        let _ = (key, upload_id);
        Ok(())
    }

    /// Deletes an object; none being there is no error.
    ///
    /// # Errors
    /// `Unsupported` if the storage can't be written; else as [`ObjectStorage::head`].
    async fn delete(&self, key: &str) -> Result<()>;
}

/// The error for an object that is not what it was.
pub fn changed(location: &str, key: &str) -> Error {
    Error::new(
        ErrorKind::Storage,
        "the object changed since it was looked at; try again when nobody writes it",
    )
    .with("storage", location)
    .with("object", key)
}

/// Checks the range of [`ObjectStorage::read`]; every implementation calls this first.
///
/// # Errors
/// `InvalidInput` if it is not inside the object.
pub fn check_range(object: &ObjectInfo, range: &Range<u64>) -> Result<()> {
    if range.start > range.end || range.end > object.size {
        return Err(Error::invalid_input(format!(
            "bytes {}..{} are out of range: the object has {}",
            range.start, range.end, object.size
        ))
        .with("object", &object.key));
    }
    Ok(())
}
