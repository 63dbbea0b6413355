//! The directory of a prepared collection: what it is prepared from and how stands in its
//! attributes, a file appears in it when it is complete, and one call at a time works in it.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anndex_store::error::{Error, ErrorKind, Result};
use anndex_store::operation::{self, LOOK};
use anndex_store::{Attribute, Attributes, StoreFormat};

/// The attribute that the parameters are under.
const PARAMETERS: &str = "anndex-prepare";
/// What temporary names begin with, those of stores too.
const TEMPORARY: &str = ".anndex-";
/// Where files are as long as they are not complete.
const INCOMPLETE: &str = ".anndex-incomplete";
/// How long to wait for the lock: a call that was stopped still finishes its step, such as a sync of
/// a busy disk.
const STEP: Duration = Duration::from_secs(10);

/// A directory that this call alone prepares a collection in.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    format: Arc<dyn StoreFormat>,
    parameters: BTreeMap<String, Attribute>,
    n_files: u64,
    /// Held as long as the call works here.
    _lock: Option<File>,
}

impl Directory {
    /// Makes a directory for so many files, or finds one that was made with the same parameters,
    /// and removes what a process that was killed left behind.
    ///
    /// # Errors
    /// `AlreadyExists` if something else is there, `Conflict` if another call works in it,
    /// `Storage` or `PermissionDenied` if it can't be written.
    pub(super) fn open(
        path: &Path,
        format: Arc<dyn StoreFormat>,
        parameters: BTreeMap<String, Attribute>,
        n_files: u64,
    ) -> Result<Self> {
        let at = |e| Error::io(path.display(), e);
        if path.exists() && !path.is_dir() {
            return Err(taken(path, "a file is here"));
        }
        check_contents(path, &*format, &parameters)?;
        fs::create_dir_all(path).map_err(at)?;
        let directory = Self {
            _lock: lock(path)?,
            path: path.to_owned(),
            format,
            parameters,
            n_files,
        };
        // Another call may have been here before the lock was had.
        let found = check_contents(path, &*directory.format, &directory.parameters)?;
        for name in names(path)? {
            let leftover = path.join(&name);
            if name.starts_with(TEMPORARY) {
                let removed = match leftover.is_dir() {
                    true => fs::remove_dir_all(&leftover),
                    false => fs::remove_file(&leftover),
                };
                removed.map_err(|e| Error::io(leftover.display(), e))?;
            }
        }
        if !found {
            directory.describe(Attributes::new())?;
        }
        Ok(directory)
    }

    /// The place of a file. annbatch wants the number between the first two underscores, and a
    /// registry the suffix at the end.
    pub(super) fn file(&self, number: u64) -> PathBuf {
        self.path.join(self.name(number))
    }

    fn name(&self, number: u64) -> String {
        let suffix = self.format.suffixes()[0];
        format!("dataset_{number}_of_{}{suffix}", self.n_files)
    }

    /// The place of a file that is being written.
    pub(super) fn incomplete(&self, number: u64) -> Result<PathBuf> {
        let directory = self.path.join(INCOMPLETE);
        fs::create_dir_all(&directory).map_err(|e| Error::io(directory.display(), e))?;
        Ok(directory.join(self.name(number)))
    }

    /// Moves a file to its place.
    pub(super) fn keep(&self, number: u64) -> Result<()> {
        let file = self.file(number);
        fs::rename(self.incomplete(number)?, &file)
            .and_then(|()| sync(&self.path))
            .map_err(|e| Error::io(file.display(), e))
    }

    /// Marks the directory as complete: from now on annbatch opens it as a collection.
    pub(super) fn complete(&self) -> Result<()> {
        let incomplete = self.path.join(INCOMPLETE);
        if incomplete.exists() {
            fs::remove_dir_all(&incomplete).map_err(|e| Error::io(incomplete.display(), e))?;
        }
        self.describe(Attributes::from([
            ("encoding-type".to_owned(), "annbatch-preshuffled".into()),
            ("encoding-version".to_owned(), "0.1.0".into()),
        ]))
    }

    fn describe(&self, mut attributes: Attributes) -> Result<()> {
        let parameters = Attribute::Object(self.parameters.clone());
        attributes.insert(PARAMETERS.to_owned(), parameters);
        self.format.group_stores(&self.path, &attributes)
    }
}

/// Whether a directory holds a collection that is or was prepared with these parameters, and not
/// nothing.
///
/// # Errors
/// `AlreadyExists` if it holds anything else.
fn check_contents(
    path: &Path,
    format: &dyn StoreFormat,
    parameters: &BTreeMap<String, Attribute>,
) -> Result<bool> {
    if !path.exists() || names(path)?.iter().all(|name| name.starts_with(TEMPORARY)) {
        return Ok(false);
    }
    let attributes = format.open(path).and_then(|store| store.attributes(""));
    let found = match attributes {
        Ok(attributes) => attributes.get(PARAMETERS).cloned(),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(error),
        Err(_) => None,
    };
    let Some(Attribute::Object(found)) = found else {
        return Err(taken(path, "something else is here"));
    };
    let names = parameters.keys().chain(found.keys());
    let mut differing: Vec<&str> = names
        .filter(|name| parameters.get(*name) != found.get(*name))
        .map(String::as_str)
        .collect();
    differing.sort_unstable();
    differing.dedup();
    if differing.is_empty() {
        return Ok(true);
    }
    let what = format!(
        "a collection is here that was prepared with another {}",
        differing.join(", ")
    );
    Err(taken(path, &what))
}

fn taken(path: &Path, what: &str) -> Error {
    let message = format!("{what}; choose another directory, or remove this one");
    Error::new(ErrorKind::AlreadyExists, message).with("path", path.display())
}

fn names(path: &Path) -> Result<Vec<String>> {
    let at = |e| Error::io(path.display(), e);
    let name = |entry: std::io::Result<fs::DirEntry>| {
        Ok(entry
            .map_err(at)?
            .file_name()
            .to_string_lossy()
            .into_owned())
    };
    path.read_dir().map_err(at)?.map(name).collect()
}

/// Locks a directory against other calls and processes, where the system locks directories. Waits a
/// while for a call that was stopped and still finishes its step.
fn lock(path: &Path) -> Result<Option<File>> {
    if !cfg!(unix) {
        return Ok(None);
    }
    let at = |e| Error::io(path.display(), e);
    let file = File::open(path).map_err(at)?;
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if started.elapsed() < STEP => {
                operation::check()?;
                thread::sleep(LOOK);
            }
            Err(TryLockError::WouldBlock) => {
                let message = "a collection is being prepared here already; wait until it is done";
                return Err(Error::new(ErrorKind::Conflict, message).with("path", path.display()));
            }
            Err(TryLockError::Error(error)) => return Err(at(error)),
        }
    }
}

/// Makes the names in a directory last.
fn sync(directory: &Path) -> std::io::Result<()> {
    match cfg!(unix) {
        true => File::open(directory)?.sync_all(),
        false => Ok(()),
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use anndex_store::operation::Operation;

    #[test]
    fn the_lock_of_a_call_that_ends_soon_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let held = lock(directory.path()).unwrap();
        let other = thread::spawn(move || {
            thread::sleep(2 * LOOK);
            drop(held);
        });
        lock(directory.path()).unwrap();
        other.join().unwrap();
    }

    #[test]
    fn a_call_that_is_stopped_waits_for_no_lock() {
        let directory = tempfile::tempdir().unwrap();
        let _held = lock(directory.path()).unwrap();
        let operation = Operation::new();
        operation.stop();
        let error = operation.within(|| lock(directory.path())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    }
}
