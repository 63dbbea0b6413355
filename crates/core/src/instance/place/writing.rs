//! Who writes copies into a storage at this moment, and which instances ever did.
//!
//! A copy is there before its record is. So a copy without a record is either what a killed
//! process left behind, or what a running one is about to register. Its age does not tell: a large
//! copy takes hours, and the clocks of file servers differ. A lock does: whoever copies holds it
//! together with all others who copy, from before the first byte until the record is there, and
//! whoever cleans up holds it alone. The operating system lets go of it with the process, however
//! that ends.
//!
//! The lock is a file named by the uid that the instance knows the storage by, and stays there.
//! So it also says that the instance put copies here: where there is the lock of another one, the
//! two share the directory, and neither can tell which copies are its own.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::OWN_DIRECTORY;
use crate::error::{Error, Result};
use crate::record::Storage;

const DIRECTORY: &str = "writers";
const EXTENSION: &str = "lock";

/// How long to wait for those who write before a clean-up is put off.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);

/// Holds the lock of a storage as long as it lives.
#[derive(Debug)]
pub(in crate::instance) struct Writing(#[expect(dead_code, reason = "held, not used")] File);

/// What came of asking for the lock alone.
#[derive(Debug)]
pub(in crate::instance) enum Alone {
    /// Nobody writes as long as this lives.
    Held(#[expect(dead_code, reason = "held, not used")] Writing),
    /// Somebody is writing.
    Busy,
    /// Nobody of this instance ever wrote here.
    NeverUsed,
    /// The file system has no locks.
    NoLocks,
}

/// Says that copies are being written. Waits while somebody cleans up.
///
/// # Errors
/// `PermissionDenied` or `Storage` if the lock can't be made.
pub(in crate::instance) fn begin(storage: &Storage) -> Result<Writing> {
    let path = path_of(storage);
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(|e| Error::io(directory.display(), e))?;
    }
    let file = open(&path, true).map_err(|e| Error::io(path.display(), e))?;
    match file.lock_shared() {
        // Where there are no locks a save is as safe as with one. It is the clean-up that refuses.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(Writing(file)),
        Err(error) => Err(Error::io(path.display(), error)),
        Ok(()) => Ok(Writing(file)),
    }
}

/// Waits a moment until nobody writes copies, and keeps it so. The lock is made, where there is
/// none, only if that is asked for.
///
/// # Errors
/// `PermissionDenied` or `Storage` if the lock can't be opened.
pub(in crate::instance) fn alone(storage: &Storage, create: bool) -> Result<Alone> {
    let path = path_of(storage);
    if let Some(directory) = path.parent().filter(|_| create) {
        fs::create_dir_all(directory).map_err(|e| Error::io(directory.display(), e))?;
    }
    let file = match open(&path, create) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Alone::NeverUsed),
        opened => opened.map_err(|e| Error::io(path.display(), e))?,
    };
    let asked = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Alone::Held(Writing(file))),
            Err(TryLockError::WouldBlock) if asked.elapsed() < PATIENCE => thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => return Ok(Alone::Busy),
            Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Unsupported => {
                return Ok(Alone::NoLocks);
            }
            Err(TryLockError::Error(e)) => return Err(Error::io(path.display(), e)),
        }
    }
}

/// Whether another instance ever put copies into the same directory.
///
/// # Errors
/// `PermissionDenied` or `Storage` if the directory can't be read.
pub(in crate::instance) fn is_shared(storage: &Storage) -> Result<bool> {
    let own = path_of(storage);
    let Some(directory) = own.parent() else {
        return Ok(false);
    };
    let at = |e| Error::io(directory.display(), e);
    let entries = match directory.read_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        entries => entries.map_err(at)?,
    };
    for entry in entries {
        let path = entry.map_err(at)?.path();
        if path.extension() == Some(OsStr::new(EXTENSION)) && path != own {
            return Ok(true);
        }
    }
    Ok(false)
}

fn path_of(storage: &Storage) -> PathBuf {
    let directory = Path::new(&storage.root).join(OWN_DIRECTORY).join(DIRECTORY);
    directory.join(format!("{}.{EXTENSION}", storage.uid))
}

/// Some file systems lock only what is open for writing; a lock that another user made may be
/// readable only.
fn open(path: &Path, create: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let opened = options.read(true).write(true).create(create).open(path);
    match opened {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => File::open(path),
        opened => opened,
    }
}
