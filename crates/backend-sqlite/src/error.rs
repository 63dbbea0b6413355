//! From SQLite's result codes to errors that say what to do next.

use anndex_core::{Error, ErrorKind};
use sea_orm::sqlx::error::Error as SqlxError;
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};

/// The primary result codes that are told apart; see <https://www.sqlite.org/rescode.html>.
mod code {
    pub(super) const PERM: i32 = 3;
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const READONLY: i32 = 8;
    pub(super) const INTERRUPT: i32 = 9;
    pub(super) const IOERR: i32 = 10;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const CANTOPEN: i32 = 14;
    pub(super) const TOOBIG: i32 = 18;
    pub(super) const AUTH: i32 = 23;
    pub(super) const NOTADB: i32 = 26;
    pub(super) const IOERR_FSYNC: i32 = IOERR | (4 << 8);
    pub(super) const IOERR_DIR_FSYNC: i32 = IOERR | (5 << 8);
}

/// Translates an error of the ORM.
pub(crate) fn from_orm(error: DbErr) -> Error {
    let (kind, message) = match &error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => classify(error),
        DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) => classify(&SqlxError::PoolTimedOut),
        DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed) => {
            classify(&SqlxError::PoolClosed)
        }
        _ => OTHER,
    };
    Error::new(kind, message).source_error(error)
}

/// Translates an error of the driver.
pub(crate) fn from_driver(error: SqlxError) -> Error {
    let (kind, message) = classify(&error);
    Error::new(kind, message).source_error(error)
}

/// Whether another connection holds a lock that this one needs.
pub(crate) fn is_busy(error: &SqlxError) -> bool {
    matches!(primary_code(error), Some(code::BUSY | code::LOCKED))
}

/// Whether an error of the ORM says that the disk is full.
pub(crate) fn is_full(error: &DbErr) -> bool {
    driver_error(error).and_then(primary_code) == Some(code::FULL)
}

/// Whether a transaction may have been committed, although this is what came of it: all of it was
/// written to the log, and the disk did not say that it will last. Then it may come back.
pub(crate) fn may_have_committed(error: &DbErr) -> bool {
    match driver_error(error).and_then(extended_code) {
        Some(code) => matches!(code, code::IOERR_FSYNC | code::IOERR_DIR_FSYNC),
        None => true,
    }
}

fn driver_error(error: &DbErr) -> Option<&SqlxError> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

const OTHER: (ErrorKind, &str) = (ErrorKind::Backend, "the database failed");

fn classify(error: &SqlxError) -> (ErrorKind, &'static str) {
    match error {
        SqlxError::PoolTimedOut => (
            ErrorKind::Backend,
            "the database is busy: this process has too many operations waiting; try again later",
        ),
        SqlxError::PoolClosed => (
            ErrorKind::Backend,
            "the connection to the database is closed; connect again",
        ),
        SqlxError::ColumnDecode { .. } | SqlxError::Decode(_) => (
            ErrorKind::Corrupt,
            "a value in the database is of a type that anndex does not store there",
        ),
        error => primary_code(error).map_or(OTHER, classify_code),
    }
}

fn extended_code(error: &SqlxError) -> Option<i32> {
    error.as_database_error()?.code()?.parse().ok()
}

fn primary_code(error: &SqlxError) -> Option<i32> {
    Some(extended_code(error)? & 0xff)
}

fn classify_code(code: i32) -> (ErrorKind, &'static str) {
    match code {
        code::BUSY | code::LOCKED => (
            ErrorKind::Backend,
            "the database is locked by another process, longer than this one waits; \
             try again when that has ended",
        ),
        code::READONLY => (
            ErrorKind::PermissionDenied,
            "the database can only be read here; allow writing to the file and its directory, or work \
             where its file system can be written",
        ),
        code::PERM | code::AUTH => (
            ErrorKind::PermissionDenied,
            "the database refuses access; check the permissions of the file and its directory",
        ),
        code::INTERRUPT => (ErrorKind::Cancelled, "the operation was interrupted"),
        code::IOERR => (
            ErrorKind::Storage,
            "reading or writing the database file failed; check the disk, and that the file is \
             not on a network file system without shared memory and locks",
        ),
        code::CORRUPT => (
            ErrorKind::Corrupt,
            "the database file is damaged; restore a copy, or try `.recover` of the sqlite3 shell",
        ),
        code::NOTADB => (
            ErrorKind::Corrupt,
            "the file is not a SQLite database; name another file",
        ),
        code::FULL => (
            ErrorKind::Storage,
            "the disk of the database is full; free some space and try again",
        ),
        // That the file is there, and no directory, is checked before.
        code::CANTOPEN => (
            ErrorKind::PermissionDenied,
            "the database file can't be opened; SQLite must be able to make files beside it: \
             allow writing to its directory",
        ),
        code::TOOBIG => (
            ErrorKind::InvalidInput,
            "a value is larger than SQLite allows",
        ),
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::sqlx::sqlite::SqliteConnection;
    use sea_orm::sqlx::{Connection, Executor};

    use super::*;

    async fn error_of(sql: &'static str) -> SqlxError {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        connection.execute(sql).await.unwrap_err()
    }

    #[tokio::test]
    async fn a_full_disk_is_told_apart() {
        let full = "PRAGMA max_page_count = 3; CREATE TABLE t (a); \
                    INSERT INTO t VALUES (zeroblob(100000))";
        for (sql, expected) in [(full, true), ("SELECT nothing", false)] {
            let error = RuntimeErr::SqlxError(error_of(sql).await.into());
            assert_eq!(is_full(&DbErr::Exec(error)), expected, "{sql}");
        }
    }

    #[tokio::test]
    async fn kinds_follow_the_result_code() {
        let cases = [
            (
                "PRAGMA query_only = ON; CREATE TABLE t (a)",
                ErrorKind::PermissionDenied,
            ),
            (
                "PRAGMA max_page_count = 3; CREATE TABLE t (a); \
                 INSERT INTO t VALUES (zeroblob(100000))",
                ErrorKind::Storage,
            ),
            ("SELECT zeroblob(2000000000)", ErrorKind::InvalidInput),
            ("SELECT nothing", ErrorKind::Backend),
        ];
        for (sql, kind) in cases {
            let error = from_driver(error_of(sql).await);
            assert_eq!(error.kind(), kind, "{sql}: {error:?}");
        }
    }
}
