//! Which copies processes use: a file for each process that uses some, with their names, which it
//! keeps locked. The system lets go of the lock with the process, however that ends.

use std::collections::HashSet;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;

use super::room;
use crate::error::{Error, Result};
use crate::storage::own_directory::{Access, OwnDirectory};

pub(super) const DIRECTORY: &str = "leases";
const EXTENSION: &str = "lease";
const NEW: &str = "new";

/// What this process uses, as long as it lives.
#[derive(Debug)]
pub(super) struct Lease {
    file: File,
    names: HashSet<String>,
}

impl Lease {
    pub(super) fn begin(cache: &Path) -> Result<Self> {
        let directory = OwnDirectory::create(cache)?.create_below(Path::new(DIRECTORY))?;
        // So that nobody takes it for one that was left before it is locked.
        let _counting = room::count(cache)?;
        let name = format!("{}-{:016x}", std::process::id(), rand::random::<u64>());
        let new = format!("{name}.{NEW}");
        let at = |e| Error::io(directory.path().join(&new).display(), e);
        let file = directory.create_file(&new, Access::New)?;
        // It is locked before others see it: an unlocked one is taken for one that was left.
        match file.lock() {
            Err(error) if error.kind() != io::ErrorKind::Unsupported => return Err(at(error)),
            _ => {}
        }
        directory.rename(&new, &format!("{name}.{EXTENSION}"))?;
        Ok(Self {
            file,
            names: HashSet::new(),
        })
    }

    /// Adds an entry, whose lock is held.
    pub(super) fn add(&mut self, name: &str) -> Result<()> {
        if self.names.insert(name.to_owned()) {
            let written = self.file.write_all(format!("{name}\n").as_bytes());
            written.map_err(|e| Error::io("a lease of the cache", e))?;
        }
        Ok(())
    }
}

/// The names of all entries that some process uses. Leases of processes that ended are removed.
pub(super) fn names_in_use(cache: &Path) -> Result<HashSet<String>> {
    let Some(directory) = open(cache)? else {
        return Ok(HashSet::new());
    };
    let mut names = HashSet::new();
    for name in leases(&directory, EXTENSION)? {
        // Its process may just have ended, and another one removed it.
        let Some(mut file) = directory.file(&name, Access::Read)? else {
            continue;
        };
        match file.try_lock_shared() {
            Ok(()) => {
                // Another one may remove it at the same time.
                let _ = directory.remove(&name);
            }
            // Locked; or there are no locks, and it may be in use.
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {
                let mut text = String::new();
                let read = file.read_to_string(&mut text);
                read.map_err(|e| Error::io(directory.path().join(&name).display(), e))?;
                names.extend(text.lines().map(str::to_owned));
            }
        }
    }
    Ok(names)
}

/// Removes leases that were begun by processes which ended right then. Room is being counted, so
/// that nobody begins one.
pub(super) fn sweep(cache: &Path) -> Result<()> {
    let Some(directory) = open(cache)? else {
        return Ok(());
    };
    for name in leases(&directory, NEW)? {
        directory.remove(&name)?;
    }
    Ok(())
}

fn open(cache: &Path) -> Result<Option<OwnDirectory>> {
    let cache = OwnDirectory::open(cache)?;
    cache.map_or(Ok(None), |cache| cache.below(Path::new(DIRECTORY)))
}

/// The names of files with this extension.
fn leases(directory: &OwnDirectory, extension: &str) -> Result<Vec<String>> {
    let names = directory.names()?.into_iter();
    let names = names.filter(|name| Path::new(name).extension().is_some_and(|e| e == extension));
    Ok(names.filter_map(|name| name.into_string().ok()).collect())
}
