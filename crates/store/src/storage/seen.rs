//! Looking at what is at a URL.

mod content;

pub use content::OBJECTS_AT_ONCE;

use super::{ObjectInfo, ObjectStorage};
use crate::error::{Error, ErrorKind, Result};
use crate::key;

/// A file or directory at a URL, as it was seen.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its objects: one, or those of the directory.
    pub objects: Vec<ObjectInfo>,
    /// Whether it is a directory.
    pub is_directory: bool,
}

impl Seen {
    /// Looks at what has this key: an object, or else all objects below it.
    ///
    /// # Errors
    /// `NotFound` if there is neither; `Unsupported` if it is a directory of a storage that can't
    /// list; else as [`ObjectStorage::head`].
    pub async fn look(storage: &dyn ObjectStorage, key: &str, is_prefix: bool) -> Result<Self> {
        let is_zarr = key.to_ascii_lowercase().ends_with(".zarr");
        if !storage.capabilities().list && (is_prefix || is_zarr) {
            return Err(Error::unsupported(
                "this is a directory, and the server does not list what is in one; put it into a \
                 zip (.zarr.zip) on the server, or into a bucket, or download it and register it \
                 from there",
            )
            .with("storage", storage.location())
            .with("object", key));
        }
        let missing = match is_prefix {
            true => Error::not_found("nothing is there; check the URL")
                .with("storage", storage.location())
                .with("object", key),
            false => match storage.head(key).await {
                Ok(object) => return Self::new(vec![object], None),
                Err(error) if error.is_unanswered() => return Err(error),
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
    pub async fn look_again(
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
}
