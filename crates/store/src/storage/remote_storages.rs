//! Storages whose objects are read in place, opened when the first URL in one is looked at.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::wait::wait;
use super::{ObjectReader, RemoteContent, Seen, StorageDrivers, StorageUrl, StreamOptions};
use crate::error::Result;

/// What is at URLs, to be read in place. All that is in one bucket or host shares its limit of
/// requests.
#[derive(Debug)]
pub struct RemoteStorages {
    drivers: StorageDrivers,
    options: StreamOptions,
    /// By the URLs of their roots.
    readers: Mutex<HashMap<String, Arc<ObjectReader>>>,
}

impl RemoteStorages {
    /// Opens nothing yet.
    pub fn new(drivers: StorageDrivers, options: StreamOptions) -> Self {
        Self {
            drivers,
            options,
            readers: Mutex::default(),
        }
    }

    /// Looks at what is at a URL, and waits for the answer: an object, or else all objects below it.
    ///
    /// # Errors
    /// `InvalidInput` if it is no URL; `NotFound` if nothing is there; as
    /// [`StorageDrivers::open`] and [`ObjectStorage::head`](super::ObjectStorage::head).
    pub fn look(&self, url: &str) -> Result<RemoteContent> {
        let parsed = StorageUrl::parse(url)?;
        let reader = self.reader(&parsed.root())?;
        let seen = wait(Seen::look(
            reader.storage(),
            parsed.key(),
            parsed.is_prefix(),
        ));
        let Seen {
            objects,
            is_directory,
        } = seen.map_err(|e| e.with("url", &parsed))?;
        Ok(RemoteContent::new(
            reader,
            parsed.key(),
            objects,
            is_directory,
        ))
    }

    fn reader(&self, root: &StorageUrl) -> Result<Arc<ObjectReader>> {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reader) = readers.get(&root.to_string()) {
            return Ok(reader.clone());
        }
        let reader = Arc::new(ObjectReader::new(self.drivers.open(root)?, self.options));
        readers.insert(root.to_string(), reader.clone());
        Ok(reader)
    }
}
