//! What the shared SQL backend must know of SQLite.

use std::path::{Path, PathBuf};

use anndex_backend_sql::{Driver, SqlBackend};
use anndex_core::Error;
use anndex_core::backend::Capabilities;
use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbErr, SqliteTransactionMode, TransactionOptions,
};

use crate::error;

/// A backend on a SQLite file; made by [`connect`](crate::connect()).
pub type SqliteBackend = SqlBackend<Sqlite>;

/// SQLite as a [`Driver`].
#[derive(Debug)]
pub struct Sqlite {
    path: Option<PathBuf>,
}

impl Sqlite {
    /// A database in this file, or in memory.
    pub(crate) fn new(path: Option<PathBuf>) -> Self {
        Self { path }
    }

    /// The absolute path of the file; `None` in memory.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

#[async_trait]
impl Driver for Sqlite {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "SQLite",
            persistent: self.path.is_some(),
            shared: self.path.is_some(),
        }
    }

    fn write(&self) -> TransactionOptions {
        TransactionOptions {
            // Takes the write lock at once. A transaction that read first would fail, without
            // waiting, if another process wrote in between.
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        }
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
        if self.path.is_some() {
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
