//! Which copies processes use: a file for each process that uses some, with their names, which it
//! keeps locked. The system lets go of the lock with the process, however that ends.

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;

use super::room;
use crate::error::{Error, Result};

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
        let directory = cache.join(DIRECTORY);
        fs::create_dir_all(&directory).map_err(|e| Error::io(directory.display(), e))?;
        // So that nobody takes it for one that was left before it is locked.
        let _counting = room::count(cache)?;
        let name = format!("{}-{:016x}", std::process::id(), rand::random::<u64>());
        let new = directory.join(format!("{name}.{NEW}"));
        let at = |e| Error::io(new.display(), e);
        let file = File::create_new(&new).map_err(at)?;
        // It is locked before others see it: an unlocked one is taken for one that was left.
        match file.lock() {
            Err(error) if error.kind() != io::ErrorKind::Unsupported => return Err(at(error)),
            _ => {}
        }
        fs::rename(&new, directory.join(format!("{name}.{EXTENSION}"))).map_err(at)?;
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
    let directory = cache.join(DIRECTORY);
    let at = |e| Error::io(directory.display(), e);
    let entries = match directory.read_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashSet::new()),
        entries => entries.map_err(at)?,
    };
    let mut names = HashSet::new();
    for entry in entries {
        let path = entry.map_err(at)?.path();
        if path
            .extension()
            .is_none_or(|extension| extension != EXTENSION)
        {
            continue;
        }
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file.map_err(|e| Error::io(path.display(), e))?,
        };
        match file.try_lock_shared() {
            Ok(()) => {
                // Another one may remove it at the same time.
                let _ = fs::remove_file(&path);
            }
            // Locked; or there are no locks, and it may be in use.
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {
                let mut text = String::new();
                let read = file.read_to_string(&mut text);
                read.map_err(|e| Error::io(path.display(), e))?;
                names.extend(text.lines().map(str::to_owned));
            }
        }
    }
    Ok(names)
}

/// Removes leases that were begun by processes which ended right then. Room is being counted, so
/// that nobody begins one.
pub(super) fn sweep(cache: &Path) -> Result<()> {
    let directory = cache.join(DIRECTORY);
    let at = |e| Error::io(directory.display(), e);
    let entries = match directory.read_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(at)?,
    };
    for entry in entries {
        let path = entry.map_err(at)?.path();
        if path.extension().is_some_and(|extension| extension == NEW) {
            super::entry::remove(&path)?;
        }
    }
    Ok(())
}
