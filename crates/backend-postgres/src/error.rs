//! From PostgreSQL's error codes to errors that say what to do next.

use std::io;

use anndex_core::{Error, ErrorKind};
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};
use sqlx::error::Error as SqlxError;

/// Translates an error of the ORM.
pub(crate) fn from_orm(error: DbErr) -> Error {
    let (kind, message) = match &error {
        DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) => classify(&SqlxError::PoolTimedOut),
        DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed) => {
            classify(&SqlxError::PoolClosed)
        }
        error => driver_error(error).map_or(OTHER, classify),
    };
    Error::new(kind, message).source_error(error)
}

/// Translates an error of the driver.
pub(crate) fn from_driver(error: SqlxError) -> Error {
    let (kind, message) = classify(&error);
    Error::new(kind, message).source_error(error)
}

/// Whether a transaction can succeed if it is only made again: it could not be put in an order
/// with others, or waited for another that waited for it.
pub(crate) fn is_lost_race(error: &DbErr) -> bool {
    let code = driver_error(error).and_then(SqlxError::as_database_error);
    matches!(
        code.and_then(|error| error.code()).as_deref(),
        Some("40001" | "40P01")
    )
}

/// Whether a transaction may have been committed, although this is what came of it: the answer of
/// the server is lost, or is that the session ended.
pub(crate) fn may_have_committed(error: &DbErr) -> bool {
    let answer = driver_error(error).and_then(SqlxError::as_database_error);
    let code = answer.and_then(|error| error.code());
    code.is_none_or(|code| code.starts_with("08") || code.starts_with("57"))
}

fn driver_error(error: &DbErr) -> Option<&SqlxError> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

type Class = (ErrorKind, &'static str);

const OTHER: Class = (ErrorKind::Backend, "the database failed");

const BROKEN: Class = (
    ErrorKind::Backend,
    "the connection to the server broke; what was being saved is saved as a whole or not at all, \
     so look before you save it again",
);

const UNREACHABLE: Class = (
    ErrorKind::Backend,
    "the server can't be reached; check the host and the port, and that the server runs",
);

const INSECURE: Class = (
    ErrorKind::Backend,
    "there is no encrypted connection to the server that is as safe as `sslmode` in the URL \
     demands; check `sslmode` and `sslrootcert`, and that the server has TLS",
);

fn classify(error: &SqlxError) -> Class {
    match error {
        SqlxError::PoolTimedOut => (
            ErrorKind::Backend,
            "no connection to the server came free in time: it is down, or this process has too \
             many operations waiting; try again later",
        ),
        SqlxError::PoolClosed => (
            ErrorKind::Backend,
            "the connection to the database is closed; connect again",
        ),
        SqlxError::ColumnDecode { .. } | SqlxError::Decode(_) => (
            ErrorKind::Corrupt,
            "a value in the database is of a type that anndex does not store there",
        ),
        SqlxError::Configuration(_) => (
            ErrorKind::InvalidInput,
            "a setting in the URL of the database is wrong",
        ),
        SqlxError::Tls(_) => INSECURE,
        SqlxError::Io(error) => classify_io(error),
        SqlxError::Protocol(_) | SqlxError::WorkerCrashed => BROKEN,
        error => match error.as_database_error().and_then(|error| error.code()) {
            Some(code) => classify_code(&code),
            None => OTHER,
        },
    }
}

fn classify_io(error: &io::Error) -> Class {
    match error.kind() {
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => BROKEN,
        // What rustls says of certificates comes this way.
        io::ErrorKind::InvalidData => INSECURE,
        _ => UNREACHABLE,
    }
}

/// See <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn classify_code(code: &str) -> Class {
    match code {
        "28P01" | "28000" => (
            ErrorKind::PermissionDenied,
            "the server refuses this user or password; check those in the URL, in PGPASSWORD or \
             in ~/.pgpass",
        ),
        "3D000" => (
            ErrorKind::NotFound,
            "the server has no such database; make it with `createdb`, or name another",
        ),
        "42501" => (
            ErrorKind::PermissionDenied,
            "the role of the database may not do this; ask the owner of the database to GRANT it",
        ),
        "25006" => (
            ErrorKind::PermissionDenied,
            "the database can only be read, as on a standby; name the server that can be written",
        ),
        "40001" | "40P01" => (
            ErrorKind::Conflict,
            "others are writing the same records at the same time; try again",
        ),
        "55P03" => (
            ErrorKind::Backend,
            "another writer holds a lock longer than this one waits; try again when that has \
             ended",
        ),
        "57014" => (
            ErrorKind::Backend,
            "a statement was stopped, because it took longer than statements may or the server \
             was told to; nothing was changed",
        ),
        "53300" => (
            ErrorKind::Backend,
            "the server has no connection left; close some, or raise its max_connections",
        ),
        "57P03" => (
            ErrorKind::Backend,
            "the server is starting or stopping; try again in a moment",
        ),
        "53100" => (
            ErrorKind::Storage,
            "the disk of the server is full; free some space and try again",
        ),
        "53200" => (
            ErrorKind::Backend,
            "the server has no memory left; try again later",
        ),
        "42P01" | "42703" | "3F000" => (
            ErrorKind::Corrupt,
            "a table of the registry is missing or is not as anndex made it; restore a backup",
        ),
        code => classify_class(code),
    }
}

/// By the class of a code, its first two characters.
fn classify_class(code: &str) -> Class {
    match code.get(..2) {
        Some("08" | "57") => BROKEN,
        // The database encodes text otherwise, or a value is larger than its index holds.
        Some("22" | "54") => (
            ErrorKind::InvalidInput,
            "the database can't hold one of the values",
        ),
        Some("58") => (
            ErrorKind::Storage,
            "the server failed to read or write its files; look into its log",
        ),
        Some("XX") => (
            ErrorKind::Corrupt,
            "the server found its data damaged; look into its log, and restore a backup",
        ),
        _ => OTHER,
    }
}
