//! What the shared SQL backend must know of SQLite.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anndex_backend_sql::{Driver, SqlBackend};
use anndex_core::backend::Capabilities;
use anndex_core::registry::uid;
use anndex_core::{Error, Result};
use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbErr, SqliteTransactionMode, TransactionOptions,
};

use crate::error;
use crate::frozen::Stamp;

/// A backend on a SQLite file; made by [`connect`](crate::connect()).
pub type SqliteBackend = SqlBackend<Sqlite>;

/// SQLite as a [`Driver`].
#[derive(Debug)]
pub struct Sqlite {
    path: Option<PathBuf>,
    identity: String,
    access: Access,
}

/// What this process can do with the file.
#[derive(Debug)]
pub(crate) enum Access {
    Write,
    Read,
    /// Read it as a file that nobody writes, for SQLite can't tell where it can't make files. What
    /// it was like when it was opened tells instead.
    Frozen(Stamp),
}

impl Sqlite {
    /// A database in a file that is there.
    pub(crate) fn file(path: PathBuf, access: Access) -> Result<Self> {
        let metadata = path.metadata().map_err(|e| Error::io(path.display(), e))?;
        Ok(Self {
            identity: identity(&path, &metadata),
            path: Some(path),
            access,
        })
    }

    /// A database in memory.
    pub(crate) fn memory() -> Self {
        Self {
            path: None,
            identity: uid::random(22),
            access: Access::Write,
        }
    }

    /// The absolute path of the file; `None` in memory.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

/// What a copy of the file has otherwise: its number on the disk, and when it was made there,
/// where the system notes that. Moving it within a disk changes neither.
#[cfg(unix)]
fn identity(_path: &Path, metadata: &Metadata) -> String {
    use std::os::unix::fs::MetadataExt;

    format!("{}-{}", metadata.ino(), made(metadata))
}

/// What a copy of the file has otherwise: where it is, and when it was made there.
#[cfg(not(unix))]
fn identity(path: &Path, metadata: &Metadata) -> String {
    format!("{}-{}", path.display(), made(metadata))
}

/// When a file was made, in nanoseconds since 1970; 0 where that is not noted.
fn made(metadata: &Metadata) -> u128 {
    let made = metadata.created().ok();
    let since = made.and_then(|made| made.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| since.as_nanos())
}

#[async_trait]
impl Driver for Sqlite {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "SQLite",
            persistent: self.path.is_some(),
            shared: self.path.is_some(),
            read_only: !matches!(self.access, Access::Write),
        }
    }

    async fn identity(&self, _read: &DatabaseConnection) -> Result<String, DbErr> {
        Ok(self.identity.clone())
    }

    fn write(&self) -> TransactionOptions {
        TransactionOptions {
            // Takes the write lock at once. A transaction that read first would fail, without
            // waiting, if another process wrote in between.
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        }
    }

    fn check_read(&self) -> Result<()> {
        match (&self.access, &self.path) {
            (Access::Frozen(stamp), Some(path)) => stamp.check(path),
            _ => Ok(()),
        }
    }

    fn may_have_committed(&self, error: &DbErr) -> bool {
        error::may_have_committed(error)
    }

    fn error(&self, source: DbErr) -> Error {
        error::from_orm(source)
    }

    fn locate(&self, error: Error) -> Error {
        match &self.path {
            Some(path) => error.with("path", path.display()),
            None => error,
        }
    }

    async fn closing(&self, write: &DatabaseConnection) -> Result<(), DbErr> {
        if self.path.is_some() && matches!(self.access, Access::Write) {
            // Leaves one file that can be copied. Waits for no one: what stays in the log because
            // others read it, or because the disk has no room for it twice, is as safe there.
            let checkpoint = "PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE)";
            match write.execute_unprepared(checkpoint).await {
                Err(error) if !error::is_full(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}
