//! Opening a database file of another program to read it.

use std::fs;
use std::path::{self, Path, PathBuf};
use std::time::Duration;

use anndex_backend_sql::{Origin, Reader};
use anndex_core::{Error, Result};
use sea_orm::sqlx::error::Error as SqlxError;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sea_orm::sqlx::{ConnectOptions, Connection, query};
use sea_orm::{DatabaseConnection, DbErr};
use tempfile::TempDir;

use crate::error;

/// How long to wait for a program that is writing.
const PATIENCE: Duration = Duration::from_secs(30);

/// A copy of a database, which is removed with this.
#[derive(Debug)]
struct Copy {
    of: PathBuf,
    // Kept so that it is removed last.
    _directory: TempDir,
}

impl Origin for Copy {
    fn error(&self, source: DbErr) -> Error {
        error::from_orm(source).with("path", self.of.display())
    }
}

/// Reads a database file that another program uses, by a copy in the directory of temporary
/// files: who reads a file that has no write-ahead log keeps writers waiting.
///
/// # Errors
/// All name the path.
/// - `NotFound`: there is no file; `InvalidInput`: this is a directory.
/// - `Corrupt`: the file is not a SQLite database, or damaged.
/// - `PermissionDenied`: the file can't be read.
/// - `Storage`: the disk with the temporary files is full or fails.
/// - `Backend`: another program held a lock for more than 30 seconds.
pub async fn read(path: impl AsRef<Path>) -> Result<Reader> {
    let path = path.as_ref();
    let opened = match path::absolute(path) {
        Ok(path) => open(path).await,
        Err(source) => Err(Error::io(path.display(), source)),
    };
    opened.map_err(|error| {
        error
            .with("path", path.display())
            .operation("read the database")
    })
}

async fn open(path: PathBuf) -> Result<Reader> {
    let metadata = fs::metadata(&path).map_err(|e| Error::io(path.display(), e))?;
    if !metadata.is_file() {
        return Err(Error::invalid_input(
            "this is a directory or a device, not a database file",
        ));
    }
    fs::File::open(&path).map_err(|e| Error::io(path.display(), e))?;
    let directory = tempfile::tempdir().map_err(|e| Error::io("temporary directory", e))?;
    let copy = directory.path().join("copy.sqlite");
    copy_to(&path, &copy).await.map_err(error::from_driver)?;
    let connect = SqliteConnectOptions::new()
        .filename(&copy)
        .read_only(true)
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(connect);
    let origin = Copy {
        of: path,
        _directory: directory,
    };
    Reader::new(DatabaseConnection::from(pool), Box::new(origin)).await
}

async fn copy_to(path: &Path, copy: &Path) -> Result<(), SqlxError> {
    let connect = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(PATIENCE)
        .disable_statement_logging();
    let mut connection = connect.connect().await?;
    let copied = query("VACUUM INTO ?")
        .bind(copy.to_string_lossy().into_owned())
        .execute(&mut connection)
        .await;
    let closed = connection.close().await;
    copied?;
    closed
}
