//! Local copies of what is at URLs: each is there whole or not at all, is moved once however many
//! processes ask for it, and makes room for others when it was not used for long.
//!
//! An entry `NAME` is the directory `NAME` with the content, and `NAME.json` beside it, which is
//! written last and says what the content is a copy of. `NAME.partial` is what was moved so far,
//! and `NAME.partial.json` what it is to become; a later call goes on from there. Whoever works on
//! an entry holds `NAME.lock`. What a process uses is in a lease (see `lease`), and stays.

mod download;
mod entry;
mod lease;
mod room;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use self::entry::{Manifest, Names};
use self::lease::Lease;
use super::{ObjectInfo, ObjectStorage, cache_directory};
use crate::error::{Error, ErrorKind, Result};
use crate::hash::{self, HashType};

pub use entry::CacheEntry;
pub use room::{Cleared, Freed};

/// What is to be copied.
#[derive(Debug, Clone)]
pub struct CacheRequest {
    /// The name of the entry, which nothing else has: letters and digits.
    pub name: String,
    /// The name of the file or directory in it.
    pub file_name: String,
    /// The objects, as they were seen: one, or those of a directory.
    pub objects: Vec<ObjectInfo>,
    /// The key that all objects are below, if it is a directory.
    pub directory: Option<String>,
    /// The hash that the content must have, with its type, where that is known.
    pub hash: Option<(String, HashType)>,
}

impl CacheRequest {
    /// The size of all objects in bytes.
    pub fn size(&self) -> u64 {
        self.objects.iter().map(|object| object.size).sum()
    }
}

/// A directory of copies. Clones share everything.
#[derive(Debug, Clone)]
pub struct Cache(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    lease: Mutex<Option<Lease>>,
}

impl Cache {
    /// The cache in a directory, which is made when something is put there.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self(Arc::new(Shared {
            directory: directory.into(),
            lease: Mutex::default(),
        }))
    }

    fn directory(&self) -> &Path {
        &self.0.directory
    }

    /// The local copy, if it is there and whole, of what the request says. From now on it stays as
    /// long as this cache is open.
    ///
    /// # Errors
    /// `PermissionDenied` or `Storage` if the cache can't be read or written.
    pub async fn get(&self, request: &CacheRequest) -> Result<Option<PathBuf>> {
        let names = Names::new(self.directory(), &request.name)?;
        if !names.manifest.is_file() {
            return Ok(None);
        }
        let _lock = names.lock().await?;
        self.find(&names, request)
    }

    /// The local copy with this name, whatever it is a copy of, if it has the hash that the
    /// content must have.
    ///
    /// # Errors
    /// As [`Cache::get`].
    pub async fn get_by_hash(&self, name: &str, hash: &str) -> Result<Option<PathBuf>> {
        let names = Names::new(self.directory(), name)?;
        if !names.manifest.is_file() {
            return Ok(None);
        }
        let _lock = names.lock().await?;
        match Manifest::read(&names.manifest)? {
            Some(manifest) if manifest.hash.as_deref() == Some(hash) => {
                self.hold(&names)?;
                Ok(Some(names.content.join(&manifest.file_name)))
            }
            _ => Ok(None),
        }
    }

    /// The local copy of what the request says. What is missing is moved, and `progress` is told
    /// how many more bytes are there, those that were there before included; a negative number
    /// says that some were of no use. The copy stays as long as this cache is open.
    ///
    /// # Errors
    /// `Storage` if the objects are not what the request says, or have another hash; if the disk
    /// is full; `InvalidInput` if the limit leaves no room; as [`ObjectStorage::read`].
    pub async fn fetch(
        &self,
        storage: &dyn ObjectStorage,
        request: &CacheRequest,
        progress: &(dyn Fn(i64) + Send + Sync),
    ) -> Result<PathBuf> {
        let names = Names::new(self.directory(), &request.name)?;
        cache_directory::create(self.directory())?;
        let _lock = names.lock().await?;
        if let Some(path) = self.find(&names, request)? {
            progress(signed(request.size()));
            return Ok(path);
        }
        let manifest = Manifest::of(request);
        room::reserve(self.directory(), &names, &manifest)?;
        let mut is_fresh = download::prepare(&names, &manifest)?;
        let told = AtomicI64::new(0);
        let tell = |bytes: i64| {
            told.fetch_add(bytes, Ordering::Relaxed);
            progress(bytes);
        };
        loop {
            let moved = async {
                download::objects(storage, request, &names, &tell).await?;
                verify(request, &names).await
            };
            match moved.await {
                Ok(()) => break,
                // What an earlier call left may be damaged, as after a loss of power.
                Err(error) if error.kind() == ErrorKind::Corrupt && !is_fresh => {
                    tracing::warn!(name = names.name, %error, "a partial copy is of no use");
                    tell(-told.load(Ordering::Relaxed));
                    download::start_over(&names, &manifest)?;
                    is_fresh = true;
                }
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    download::discard(&names);
                    return Err(Error::new(ErrorKind::Storage, error.message()));
                }
                Err(error) => return Err(error),
            }
        }
        names.publish(&manifest)?;
        self.hold(&names)?;
        Ok(names.content.join(&request.file_name))
    }

    /// The complete copy of the request, which is held from now on. Its lock is held.
    fn find(&self, names: &Names, request: &CacheRequest) -> Result<Option<PathBuf>> {
        let known = Manifest::read(&names.manifest)?;
        let wanted = Manifest::of(request);
        let path = names.content.join(&request.file_name);
        match known {
            Some(known) if known == wanted && names.is_whole(&known)? => {
                self.hold(names)?;
                Ok(Some(path))
            }
            _ => Ok(None),
        }
    }

    /// Notes that an entry is used, by this process and now.
    fn hold(&self, names: &Names) -> Result<()> {
        let mut lease = self.0.lease.lock().unwrap_or_else(PoisonError::into_inner);
        let lease = match &mut *lease {
            Some(lease) => lease,
            none => none.insert(Lease::begin(self.directory())?),
        };
        lease.add(&names.name)?;
        names.touch();
        Ok(())
    }

    /// All copies, the one that was not used for the longest time first.
    ///
    /// # Errors
    /// `PermissionDenied` or `Storage` if the cache can't be read.
    pub fn list(&self) -> Result<Vec<CacheEntry>> {
        entry::list(self.directory())
    }

    /// How many bytes all copies may have together; `None` for any number.
    ///
    /// # Errors
    /// As [`Cache::list`].
    pub fn limit(&self) -> Result<Option<u64>> {
        room::limit(self.directory())
    }

    /// Sets the limit, and removes what is beyond it, the copy that was not used for the longest
    /// time first. What is in use stays.
    ///
    /// # Errors
    /// `PermissionDenied` or `Storage` if the cache can't be written.
    pub fn set_limit(&self, limit: Option<u64>) -> Result<Freed> {
        room::set_limit(self.directory(), limit)
    }

    /// Removes all copies that are not in use.
    ///
    /// # Errors
    /// As [`Cache::set_limit`].
    pub fn clear(&self) -> Result<Cleared> {
        room::clear(self.directory())
    }
}

pub(super) fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Compares the hash of what was moved.
async fn verify(request: &CacheRequest, names: &Names) -> Result<()> {
    let Some((expected, hash_type)) = request.hash.clone() else {
        return Ok(());
    };
    let path = names.partial.join(&request.file_name);
    let found = super::wait::blocking(move || hash::hash_path(&path)).await?;
    match found.hash == expected && found.hash_type == hash_type {
        true => Ok(()),
        false => Err(Error::corrupt(format!(
            "the content changed since it was registered: its hash is {} and not {expected}; put \
             the registered content back, or register the new content elsewhere",
            found.hash
        ))),
    }
}
