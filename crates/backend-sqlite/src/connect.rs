//! Opening a database file, with the pragmas that keep it safe.

use std::fs::{self, File};
use std::io;
use std::path::{self, Path, PathBuf};
use std::time::{Duration, Instant};

use anndex_backend_sql::MIGRATION_TABLE;
use anndex_core::{Error, ErrorKind, Result};
use sea_orm::DatabaseConnection;
use sea_orm::sqlx::error::Error as SqlxError;
use sea_orm::sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqlitePoolOptions, SqliteSynchronous,
};
use sea_orm::sqlx::{ConnectOptions, Connection, query_scalar};

use crate::backend::{Access, Sqlite, SqliteBackend};
use crate::error;
use crate::frozen::{self, Stamp};
use crate::options::SqliteOptions;

const OPERATION: &str = "open the database";

/// How long to wait before asking again for a lock that SQLite itself does not wait for.
const RETRY: Duration = Duration::from_millis(20);

/// How long the tasks of this process wait for each other.
const QUEUE: Duration = Duration::from_secs(60);

/// SQLite counts milliseconds in a C int.
const LONGEST_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);

/// Opens the database in a file, and brings its schema up to date.
///
/// Must be called, like all methods of the backend, inside a tokio runtime.
///
/// # Errors
/// All name the path.
/// - `NotFound`: the directory is missing, or the file and [`SqliteOptions::create`] is not set.
/// - `InvalidInput`: the path is a directory, or the file is a database of another program.
/// - `Unsupported`: the schema was made by a newer version of anndex; nothing is changed. Or the
///   file system has no shared memory for write-ahead logging.
/// - `Corrupt`: the file is not a SQLite database, or damaged.
/// - `PermissionDenied`: the file can't be read, or needs to be written and can't. Where the
///   directory can't be written it is opened to be read.
/// - `Storage`: the disk is full or fails.
/// - `Backend`: another process held a lock longer than [`SqliteOptions::busy_timeout`].
pub async fn connect(path: impl AsRef<Path>, options: &SqliteOptions) -> Result<SqliteBackend> {
    let path = path.as_ref();
    // Absolute, so that no name means something else to SQLite, as `:memory:` and `file:…` do.
    let opened = match path::absolute(path) {
        Ok(path) => open(path, options).await,
        Err(source) => Err(Error::io(path.display(), source)),
    };
    opened.map_err(|error| error.with("path", path.display()).operation(OPERATION))
}

/// Opens a new database in memory, which ends with the backend.
///
/// # Errors
/// `Backend` if SQLite fails.
pub async fn connect_in_memory() -> Result<SqliteBackend> {
    let connect = SqliteConnectOptions::new()
        .in_memory(true)
        .foreign_keys(true)
        .disable_statement_logging();
    // Each connection would be a database of its own, so there is one, and it stays.
    let pool = pool_options(1, Duration::ZERO).connect_lazy_with(connect);
    let connection = DatabaseConnection::from(pool);
    SqliteBackend::new(connection.clone(), connection, Sqlite::memory()).await
}

async fn open(path: PathBuf, options: &SqliteOptions) -> Result<SqliteBackend> {
    check_path(&path, options.create)?;
    let timeout = options.busy_timeout.min(LONGEST_TIMEOUT);
    let connect = connection(&path, timeout).create_if_missing(options.create);
    if let Err(error) = prepare(&connect, timeout).await {
        return match error.kind() {
            ErrorKind::PermissionDenied => open_frozen(path, options, error).await,
            _ => Err(error),
        };
    }
    let access = match frozen::is_writable(&path) {
        true => Access::Write,
        false => Access::Read,
    };
    let write = pool_options(1, timeout).connect_lazy_with(connect.clone());
    let read = pool_options(options.readers.max(1), timeout)
        .connect_lazy_with(connect.create_if_missing(false).pragma("query_only", "ON"));
    SqliteBackend::new(read.into(), write.into(), Sqlite::file(path, access)?).await
}

/// Opens a database whose directory can't be written, to read it; `refused` is what came of
/// opening it as usual.
async fn open_frozen(
    path: PathBuf,
    options: &SqliteOptions,
    refused: Error,
) -> Result<SqliteBackend> {
    let Some(stamp) = Stamp::of(&path)? else {
        return Err(refused);
    };
    let timeout = options.busy_timeout.min(LONGEST_TIMEOUT);
    let connect = connection(&path, timeout).read_only(true).immutable(true);
    check_owner(&connect).await?;
    let pool = pool_options(options.readers.max(1), timeout).connect_lazy_with(connect);
    let connection = DatabaseConnection::from(pool);
    let driver = Sqlite::file(path, Access::Frozen(stamp))?;
    SqliteBackend::new(connection.clone(), connection, driver).await
}

/// Refuses what is not a database of ours.
async fn check_owner(connect: &SqliteConnectOptions) -> Result<()> {
    let mut connection = connect.connect().await.map_err(error::from_driver)?;
    let owned = is_foreign(&mut connection).await;
    let closed = connection.close().await;
    let is_foreign = owned.map_err(error::from_driver)?;
    closed.map_err(error::from_driver)?;
    match is_foreign {
        true => Err(foreign()),
        false => Ok(()),
    }
}

fn connection(path: &Path, busy_timeout: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(busy_timeout)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging()
}

fn pool_options(connections: u32, busy_timeout: Duration) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        // Tasks queue in the order in which they came. One of those before may wait for another
        // process.
        .acquire_timeout(QUEUE + busy_timeout)
        // A connection to a file does not go away, and one to memory must not.
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

/// Says what is wrong with a path in better words than SQLite would.
fn check_path(path: &Path, create: bool) -> Result<()> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => match File::open(path) {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::io(path.display(), error)),
        },
        Ok(_) => Err(Error::invalid_input(
            "this is a directory or a device, not a database file",
        )),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io(path.display(), error))
        }
        Err(_) if path.parent().is_some_and(|directory| !directory.is_dir()) => Err(
            Error::not_found("the directory of the database is missing; make it first"),
        ),
        Err(_) if create => Ok(()),
        Err(_) => Err(Error::not_found(
            "there is no database here; `init` makes one",
        )),
    }
}

/// Checks that the file is ours or new, and turns write-ahead logging on, which is a property of
/// the file. SQLite does not wait for the locks that this needs, so it is tried again.
async fn prepare(connect: &SqliteConnectOptions, timeout: Duration) -> Result<()> {
    let start = Instant::now();
    loop {
        match try_prepare(connect).await {
            Err(error) if error::is_busy(&error) && start.elapsed() < timeout => {
                tokio::time::sleep(RETRY).await;
            }
            done => return done.map_err(error::from_driver)?,
        }
    }
}

/// The outer error is the driver's, the inner one says why the file can't be used.
async fn try_prepare(connect: &SqliteConnectOptions) -> Result<Result<()>, SqlxError> {
    let mut connection = connect.connect().await?;
    let prepared = prepare_with(&mut connection).await;
    // Closed also after an error, so that no lock stays.
    let closed = connection.close().await;
    let prepared = prepared?;
    closed.map(|()| prepared)
}

async fn prepare_with(connection: &mut SqliteConnection) -> Result<Result<()>, SqlxError> {
    if is_foreign(connection).await? {
        return Ok(Err(foreign()));
    }
    let mut mode: String = query_scalar("PRAGMA journal_mode")
        .fetch_one(&mut *connection)
        .await?;
    if mode != "wal" {
        mode = query_scalar("PRAGMA journal_mode = WAL")
            .fetch_one(&mut *connection)
            .await?;
    }
    Ok(match mode.as_str() {
        "wal" => Ok(()),
        _ => Err(Error::unsupported(format!(
            "the database stays in journal mode {mode}: its file system has no shared memory for \
             write-ahead logging, as network file systems; move it to a local disk"
        ))),
    })
}

/// Whether there are tables, and none of them is ours.
async fn is_foreign(connection: &mut SqliteConnection) -> Result<bool, SqlxError> {
    let tables: Vec<String> = query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .fetch_all(connection)
        .await?;
    Ok(!tables.is_empty() && !tables.iter().any(|table| table == MIGRATION_TABLE))
}

fn foreign() -> Error {
    Error::invalid_input(
        "this is a database of another program; name another file, nothing was changed",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_connection_has_the_pragmas_that_keep_data_safe() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sqlite");
        let connect = connection(&path, Duration::from_secs(7)).create_if_missing(true);
        prepare(&connect, Duration::ZERO).await.unwrap();
        let mut connection = connect.connect().await.unwrap();
        let full = 2;
        let cases = [
            ("PRAGMA synchronous", full),
            ("PRAGMA foreign_keys", 1),
            ("PRAGMA busy_timeout", 7_000),
        ];
        for (pragma, expected) in cases {
            let value: i64 = query_scalar(pragma)
                .fetch_one(&mut connection)
                .await
                .unwrap();
            assert_eq!(value, expected, "{pragma}");
        }
        let mode: String = query_scalar("PRAGMA journal_mode")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(mode, "wal");
    }
}
