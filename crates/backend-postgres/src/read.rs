//! Opening a database of another program to read it.

use anndex_backend_sql::{Origin, Reader};
use anndex_core::{Error, Result};
use sea_orm::DbErr;
use sqlx::postgres::PgPoolOptions;

use crate::connect::connection;
use crate::error;
use crate::options::PostgresOptions;
use crate::url::PostgresUrl;

impl Origin for PostgresUrl {
    fn error(&self, source: DbErr) -> Error {
        error::from_orm(source).with("database", self)
    }
}

/// Reads a database that another program uses, as it is now, in a transaction that can only read
/// and keeps nobody waiting.
///
/// # Errors
/// All name the user, host, port and database, and never a password.
/// - `InvalidInput`: the URL can't be understood. `NotFound`: there is no such database.
/// - `PermissionDenied`: the password is wrong, or the role may not read.
/// - `Backend`: the server can't be reached, or not in time.
pub async fn read(url: &str) -> Result<Reader> {
    const OPERATION: &str = "read the database";
    let url: PostgresUrl = url.parse().map_err(|e: Error| e.operation(OPERATION))?;
    let opened = open(url.clone()).await;
    opened.map_err(|error| error.with("database", &url).operation(OPERATION))
}

async fn open(url: PostgresUrl) -> Result<Reader> {
    let options = PostgresOptions::new();
    let timeout = url.connect_timeout().unwrap_or(options.connect_timeout);
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(timeout)
        .connect_with(connection(&url, &options))
        .await
        .map_err(error::from_driver)?;
    Reader::new(pool.into(), Box::new(url)).await
}
