//! Databases where no file can be made beside them, as on a read-only file system.
//!
//! SQLite can't lock such a file, and so not see that somebody writes it from elsewhere, through
//! another mount of the same disk. What the file was like when it was opened tells.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anndex_core::{Error, ErrorKind, Result};

/// What a file is like: it changes when the file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    size: u64,
    modified: SystemTime,
}

impl Stamp {
    /// That of a database which can be read only; `None` if files can be made beside it.
    ///
    /// # Errors
    /// `PermissionDenied` if it has changes in its log, which SQLite has to write down before
    /// anything can be read.
    pub(crate) fn of(path: &Path) -> Result<Option<Self>> {
        if !path.is_file() || takes_files(path) {
            return Ok(None);
        }
        if has_changes(path)? {
            return Err(Error::new(
                ErrorKind::PermissionDenied,
                "the database has changes in its log, and can't be read before these are written \
                 down: open it once where its directory can be written",
            )
            .with("path", log(path).display()));
        }
        Self::read(path).map(Some)
    }

    /// # Errors
    /// `Backend` if the file was changed.
    pub(crate) fn check(self, path: &Path) -> Result<()> {
        if !has_changes(path)? && Self::read(path)? == self {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Backend,
            "the database was changed by somebody else, which can't be followed where it can only \
             be read; connect again",
        ))
    }

    fn read(path: &Path) -> Result<Self> {
        let at = |error| Error::io(path.display(), error);
        let metadata = fs::metadata(path).map_err(at)?;
        Ok(Self {
            size: metadata.len(),
            modified: metadata.modified().map_err(at)?,
        })
    }
}

/// Whether there are changes that are not in the file yet.
fn has_changes(path: &Path) -> Result<bool> {
    let log = log(path);
    match fs::metadata(&log) {
        Ok(metadata) => Ok(metadata.len() > 0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io(log.display(), error)),
    }
}

/// The write-ahead log of a database.
fn log(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push("-wal");
    name.into()
}

/// Whether files can be made beside a database.
fn takes_files(path: &Path) -> bool {
    match tempfile::tempfile_in(path.parent().unwrap_or(path)) {
        Err(error) => !matches!(
            error.kind(),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
        ),
        Ok(_) => true,
    }
}

/// Whether a database can be written, as far as can be told without opening it: to close it would
/// let go of the locks that this process has on it.
pub(crate) fn is_writable(path: &Path) -> bool {
    may_write(path) && takes_files(path)
}

#[cfg(unix)]
fn may_write(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}

#[cfg(not(unix))]
fn may_write(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.permissions().readonly())
}
