//! Which registries have copies in a storage, and who of them writes at this moment.
//!
//! A copy is there before its record is. So a copy without a record is either what a killed
//! process left behind, or what a running one is about to register. Its age does not tell: a large
//! copy takes hours, and the clocks of file servers differ. A lock does: whoever copies or removes
//! holds it together with all others who do, from before the first byte until the record is there,
//! and whoever cleans up holds it alone. The operating system lets go of it with the process,
//! however that ends.
//!
//! The lock is the file `.anndex/registries/ORIGIN.REGISTRY`, which is made when the registry is
//! opened, and stays. The origin is what a registry has in common with its copies. So two of one
//! origin, such as a registry and its backup, notice each other: each may have records of what the
//! other one copied, and neither removes anything then.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::OWN_DIRECTORY;
use super::copies::{own, root_of};
use crate::error::{Error, ErrorKind, Result};
use crate::record::Storage;
use crate::storage::own_directory::{Access, OwnDirectory};

const DIRECTORY: &str = "registries";

/// How long to wait for those who write before a clean-up is put off.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);

/// What tells a registry from others, as storages know it.
#[derive(Debug, Clone)]
pub(in crate::instance) struct Identity {
    /// Its id. A copy of the database has another one.
    pub(in crate::instance) id: String,
    /// What it has in common with copies of it.
    pub(in crate::instance) origin: String,
    /// The ids that it had where its default storage is the directory that it is in itself: one is
    /// moved or copied with the other, so these copies are its own, too.
    pub(in crate::instance) former: Vec<String>,
    /// Where it is, for people.
    pub(in crate::instance) location: String,
}

impl Identity {
    /// As it is to other storages than the default one, which do not move with it.
    pub(in crate::instance) fn elsewhere(&self) -> Self {
        Self {
            former: Vec::new(),
            ..self.clone()
        }
    }

    fn file(&self) -> String {
        format!("{}.{}", self.origin, self.id)
    }
}

/// Holds the lock of a storage as long as it lives.
#[derive(Debug)]
pub(in crate::instance) struct Writing(#[expect(dead_code, reason = "held, not used")] File);

/// What came of asking for the lock alone.
#[derive(Debug)]
pub(in crate::instance) enum Alone {
    /// Nobody of this registry writes as long as this lives.
    Held(#[expect(dead_code, reason = "held, not used")] Writing),
    /// Somebody is writing.
    Busy,
    /// Nobody of this registry ever wrote here, or could.
    NeverUsed,
    /// The file system has no locks.
    NoLocks,
}

/// Makes the registry known in a storage, and gives back whether it is new there. Where nobody may
/// write, nobody needs to know.
///
/// # Errors
/// `Storage` if the disk fails; `InvalidInput` if a link is in the way.
pub(in crate::instance) fn announce(storage: &Storage, identity: &Identity) -> Result<bool> {
    let directory = match read(storage)? {
        Some(directory) if directory.has(&identity.file())? => return Ok(false),
        _ => own(Path::new(&storage.root), DIRECTORY),
    };
    let made = directory.and_then(|directory| create(&directory, identity));
    match made {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(false),
        made => made.map(|_| true),
    }
}

/// As [`announce`], in a storage where another registry of the same origin is known.
///
/// # Errors
/// As [`announce`].
pub(in crate::instance) fn announce_beside(storage: &Storage, identity: &Identity) -> Result<bool> {
    match others(storage, identity)?.is_empty() {
        true => Ok(false),
        false => announce(storage, identity),
    }
}

/// The files of other registries of the same origin in a storage.
///
/// # Errors
/// `PermissionDenied` or `Storage` if it can't be read; `InvalidInput` if a link is in the way.
pub(in crate::instance) fn others(storage: &Storage, identity: &Identity) -> Result<Vec<PathBuf>> {
    let Some(directory) = read(storage)? else {
        return Ok(Vec::new());
    };
    let begin = format!("{}.", identity.origin);
    let is_other = |file: &str| {
        file.strip_prefix(&begin)
            .is_some_and(|id| id != identity.id && !identity.former.iter().any(|own| own == id))
    };
    let names = directory.names()?.into_iter();
    let names = names.filter(|name| name.to_str().is_some_and(is_other));
    Ok(names.map(|name| directory.path().join(name)).collect())
}

/// Says that copies are being written or removed. Waits while somebody cleans up.
///
/// # Errors
/// `PermissionDenied` or `Storage` if the lock can't be made; `NotFound` if the storage is not
/// there; `InvalidInput` if a link is in the way.
pub(in crate::instance) fn begin(storage: &Storage, identity: &Identity) -> Result<Writing> {
    let directory = own(Path::new(&storage.root), DIRECTORY)?;
    let file = create(&directory, identity)?;
    match file.lock_shared() {
        // Where there are no locks a save is as safe as with one. It is the clean-up that refuses.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(Writing(file)),
        Err(error) => Err(Error::io(directory.path().display(), error)),
        Ok(()) => Ok(Writing(file)),
    }
}

/// Waits a moment until nobody of this registry writes copies, and keeps it so.
///
/// # Errors
/// `PermissionDenied` or `Storage` if the lock can't be opened; `InvalidInput` if a link is in the
/// way.
pub(in crate::instance) fn alone(storage: &Storage, identity: &Identity) -> Result<Alone> {
    let Some(directory) = read(storage)? else {
        return Ok(Alone::NeverUsed);
    };
    let file = match directory.has(&identity.file())? {
        true => open(&directory, identity)?,
        false => return Ok(Alone::NeverUsed),
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
            Err(TryLockError::Error(e)) => return Err(Error::io(directory.path().display(), e)),
        }
    }
}

/// The directory; `None` if there is none.
fn read(storage: &Storage) -> Result<Option<OwnDirectory>> {
    let root = match root_of(Path::new(&storage.root)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        root => root?,
    };
    root.below(&Path::new(OWN_DIRECTORY).join(DIRECTORY))
}

/// Opens the file of the registry, to lock it. Some file systems lock only what is open for writing;
/// a file that another user made may be for reading only.
fn open(directory: &OwnDirectory, identity: &Identity) -> Result<File> {
    match directory.create_file(identity.file(), Access::Lock) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            directory.create_file(identity.file(), Access::Read)
        }
        file => file,
    }
}

/// As [`open`]. If the file is new, where the registry is stands in it.
fn create(directory: &OwnDirectory, identity: &Identity) -> Result<File> {
    match directory.create_file(identity.file(), Access::New) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => open(directory, identity),
        Err(error) => Err(error),
        Ok(mut file) => {
            let written = writeln!(file, "{}", identity.location);
            let path = directory.path().join(identity.file());
            written.map_err(|e| Error::io(path.display(), e))?;
            Ok(file)
        }
    }
}
