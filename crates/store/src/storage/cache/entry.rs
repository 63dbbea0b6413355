//! One entry of the cache: its names, what it is a copy of, and its lock.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{CacheRequest, lease};
use crate::error::{Error, Result};
use crate::storage::own_directory::{Access, OwnDirectory, create_file, open_file};

const PAUSE: Duration = Duration::from_millis(50);

/// What a copy is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) file_name: String,
    pub(super) is_directory: bool,
    pub(super) size: u64,
    pub(super) hash: Option<String>,
    pub(super) objects: Vec<Object>,
}

/// One object of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Object {
    /// Its path below the directory; empty for a single file.
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) etag: Option<String>,
    pub(super) modified: Option<i64>,
}

impl Manifest {
    pub(super) fn of(request: &CacheRequest) -> Self {
        let path = |key: &str| match &request.directory {
            Some(directory) => {
                let below = key.strip_prefix(directory.as_str()).unwrap_or(key);
                below.trim_start_matches('/').to_owned()
            }
            None => String::new(),
        };
        let objects = request.objects.iter().map(|object| Object {
            path: path(&object.key),
            size: object.size,
            etag: object.etag.clone(),
            // Only asked for where there is no tag: some servers give other times in lists.
            modified: object.modified.filter(|_| object.etag.is_none()),
        });
        Self {
            file_name: request.file_name.clone(),
            is_directory: request.directory.is_some(),
            size: request.size(),
            hash: request.hash.as_ref().map(|(hash, _)| hash.clone()),
            objects: objects.collect(),
        }
    }

    /// Reads one; `None` if there is none, or one that is of no use.
    pub(super) fn read(path: &Path) -> Result<Option<Self>> {
        let bytes = read_plain(path)?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    pub(super) fn write(&self, path: &Path) -> Result<()> {
        write_whole(path, self)
    }
}

/// What is in a plain file; `None` if there is none.
pub(super) fn read_plain(path: &Path) -> Result<Option<Vec<u8>>> {
    let Some(mut file) = open_file(path, Access::Read)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    let read = file.read_to_end(&mut bytes);
    read.map_err(|e| Error::io(path.display(), e))?;
    Ok(Some(bytes))
}

/// Writes a JSON file, which is there whole or not at all.
pub(super) fn write_whole(path: &Path, value: &impl Serialize) -> Result<()> {
    let at = |e| Error::io(path.display(), e);
    let new = path.with_extension(format!("{}.new", rand::random::<u64>()));
    let text = serde_json::to_vec(value).map_err(|e| at(e.into()))?;
    let mut file = create_file(&new, Access::New)?;
    let written = file
        .write_all(&text)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&new, path));
    written.map_err(|error| {
        // The error matters more than what it leaves.
        let _ = fs::remove_file(&new);
        at(error)
    })
}

/// Where the parts of an entry are.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) name: String,
    pub(super) content: PathBuf,
    pub(super) manifest: PathBuf,
    pub(super) partial: PathBuf,
    pub(super) partial_manifest: PathBuf,
    lock: PathBuf,
}

/// Held by whoever works on an entry.
#[derive(Debug)]
pub(super) struct Locked(#[expect(dead_code, reason = "held, not used")] File);

impl Names {
    /// # Errors
    /// `InvalidInput` if the name could mean something else.
    pub(super) fn new(directory: &Path, name: &str) -> Result<Self> {
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Error::invalid_input(
                "a name in the cache has letters and digits only",
            ));
        }
        let with = |suffix: &str| directory.join(format!("{name}{suffix}"));
        Ok(Self {
            name: name.to_owned(),
            content: with(""),
            manifest: with(".json"),
            partial: with(".partial"),
            partial_manifest: with(".partial.json"),
            lock: with(".lock"),
        })
    }

    /// Waits until nobody else works on the entry. Where the file system has no locks, two
    /// processes may move the same.
    pub(super) async fn lock(&self) -> Result<Locked> {
        loop {
            if let Some(locked) = self.try_lock()? {
                return Ok(locked);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Takes the lock; `None` if somebody works on the entry.
    pub(super) fn try_lock(&self) -> Result<Option<Locked>> {
        let at = |e| Error::io(self.lock.display(), e);
        let file = create_file(&self.lock, Access::Lock)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Locked(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Unsupported => {
                Ok(Some(Locked(file)))
            }
            Err(TryLockError::Error(e)) => Err(at(e)),
        }
    }

    /// Whether all files are there with their sizes.
    pub(super) fn is_whole(&self, manifest: &Manifest) -> Result<bool> {
        let Some(content) = own(&self.content)? else {
            return Ok(false);
        };
        for object in &manifest.objects {
            let file = file_of(Path::new(""), &manifest.file_name, &object.path);
            if content.size(&file)? != Some(object.size) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes what was moved the copy. If this ends half-way there is none.
    pub(super) fn publish(&self, manifest: &Manifest) -> Result<()> {
        remove(&self.manifest)?;
        remove(&self.content)?;
        let renamed = fs::rename(&self.partial, &self.content);
        renamed.map_err(|e| Error::io(self.content.display(), e))?;
        manifest.write(&self.manifest)?;
        remove(&self.partial_manifest)
    }

    /// Removes everything of the entry; gives back how many bytes that freed.
    pub(super) fn remove_all(&self) -> Result<u64> {
        let sizes = [&self.manifest, &self.partial_manifest].map(|path| Manifest::read(path));
        let mut freed = 0;
        for manifest in sizes {
            freed += manifest?.map_or(0, |manifest| manifest.size);
        }
        // The manifests first: without them the rest is nothing.
        for path in [
            &self.manifest,
            &self.partial_manifest,
            &self.content,
            &self.partial,
        ] {
            remove(path)?;
        }
        Ok(freed)
    }

    /// Notes that it was used now.
    pub(super) fn touch(&self) {
        let at = |e| Error::io(self.manifest.display(), e);
        let touched = open_file(&self.manifest, Access::Read).and_then(|file| {
            let touch = |file: File| file.set_modified(SystemTime::now()).map_err(at);
            file.map_or(Ok(()), touch)
        });
        if let Err(error) = touched {
            tracing::debug!(name = self.name, %error, "the time of use can't be noted");
        }
    }
}

/// The directory of an entry, which is not reached through a link; `None` if there is none.
pub(super) fn own(directory: &Path) -> Result<Option<OwnDirectory>> {
    let (Some(cache), Some(name)) = (directory.parent(), directory.file_name()) else {
        return Ok(None);
    };
    let cache = OwnDirectory::open(cache)?;
    cache.map_or(Ok(None), |cache| cache.below(Path::new(name)))
}

/// The file of an object in a directory with content.
pub(super) fn file_of(directory: &Path, file_name: &str, path: &str) -> PathBuf {
    let mut file = directory.join(file_name);
    if !path.is_empty() {
        file.extend(path.split('/'));
    }
    file
}

/// Removes a file or directory; none being there is no error.
pub(super) fn remove(path: &Path) -> Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io(path.display(), error))
        }
        _ => Ok(()),
    }
}

/// A copy in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheEntry {
    /// The name of the entry: the uid of the artifact.
    pub name: String,
    /// Where the content is.
    pub path: PathBuf,
    /// Its size in bytes; if it is not complete, the size that it will have.
    pub size: u64,
    /// Whether all of it is there.
    pub is_complete: bool,
    /// Whether a process uses it, so that it stays.
    pub is_used: bool,
    /// When it was used last.
    pub last_used: SystemTime,
}

/// All entries, by when they were used last.
pub(super) fn list(directory: &Path) -> Result<Vec<CacheEntry>> {
    let at = |e| Error::io(directory.display(), e);
    let entries = match directory.read_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(at)?,
    };
    let used = lease::names_in_use(directory)?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(at)?.path();
        let file_name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some(stem) = file_name.strip_suffix(".json") else {
            continue;
        };
        let (name, is_complete) = match stem.strip_suffix(".partial") {
            Some(name) => (name, false),
            None => (stem, true),
        };
        let Ok(names) = Names::new(directory, name) else {
            continue;
        };
        // Another process may just have removed it.
        let (Some(manifest), Ok(metadata)) = (Manifest::read(&path)?, path.metadata()) else {
            continue;
        };
        let content = if is_complete {
            &names.content
        } else {
            &names.partial
        };
        found.push(CacheEntry {
            path: content.join(&manifest.file_name),
            is_used: used.contains(name),
            name: name.to_owned(),
            size: manifest.size,
            is_complete,
            last_used: metadata.modified().map_err(at)?,
        });
    }
    found.sort_by(|a, b| (a.last_used, &a.name).cmp(&(b.last_used, &b.name)));
    Ok(found)
}
