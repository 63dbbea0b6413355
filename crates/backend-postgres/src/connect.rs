//! Opening a database, after a look at whether it is ours and can hold the registry.

use std::time::Duration;

use anndex_backend_sql::MIGRATION_TABLE;
use anndex_core::{Error, Result};
use sqlx::error::Error as SqlxError;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, query_as, query_scalar};

use crate::backend::{Postgres, PostgresBackend};
use crate::error;
use crate::options::PostgresOptions;
use crate::url::PostgresUrl;

const OPERATION: &str = "open the database";

/// The oldest version that is still maintained by its makers, or was in this project's lifetime.
const OLDEST: (i32, &str) = (120_000, "12");

/// How long a transaction may do nothing. A process that is stopped in the middle of one would
/// keep its locks for ever.
const IDLE_TRANSACTION: Duration = Duration::from_secs(60);

/// PostgreSQL counts milliseconds in a C int, and 0 means for ever.
const TIMEOUTS: (Duration, Duration) = (
    Duration::from_millis(1),
    Duration::from_millis(i32::MAX as u64),
);

/// The tables in the schema where ours are or would be made, but for those of extensions. Unlike
/// the information schema, this also lists what the role may not read.
const TABLES: &str = "\
    SELECT class.relname::text FROM pg_catalog.pg_class AS class \
    WHERE class.relnamespace = to_regnamespace(quote_ident(current_schema())) \
    AND class.relkind IN ('r', 'p') AND NOT EXISTS (\
        SELECT FROM pg_catalog.pg_depend WHERE classid = 'pg_catalog.pg_class'::regclass \
        AND objid = class.oid AND deptype = 'e')";

/// Opens a database, and brings its schema up to date.
///
/// Must be called, like all methods of the backend, inside a tokio runtime with timers.
///
/// # Errors
/// All name the user, host, port and database, and never a password.
/// - `InvalidInput`: the URL can't be understood; or the database has tables of another program,
///   no schema to make tables in, or an encoding other than UTF-8.
/// - `NotFound`: there is no such database, or it has no registry and
///   [`PostgresOptions::create`] is not set.
/// - `PermissionDenied`: the password is wrong, or the role may not do what is needed.
/// - `Unsupported`: the schema was made by a newer version of anndex; nothing is changed. Or the
///   server is too old.
/// - `Backend`: the server can't be reached, or not in time, or not by an encrypted connection
///   that the URL demands.
pub async fn connect(url: &str, options: &PostgresOptions) -> Result<PostgresBackend> {
    let url: PostgresUrl = url.parse().map_err(|e: Error| e.operation(OPERATION))?;
    let opened = open(&url, options).await;
    opened.map_err(|error| error.with("database", &url).operation(OPERATION))
}

async fn open(url: &PostgresUrl, options: &PostgresOptions) -> Result<PostgresBackend> {
    let connect = connection(url, options);
    let timeout = url.connect_timeout();
    let connect_timeout = timeout.unwrap_or(options.connect_timeout);
    let checked = tokio::time::timeout(connect_timeout, check(&connect, options));
    match checked.await {
        Ok(checked) => checked.map_err(error::from_driver)??,
        Err(_) => return Err(error::from_driver(SqlxError::PoolTimedOut)),
    }
    let pool = PgPoolOptions::new()
        .max_connections(options.connections.max(1))
        .acquire_timeout(timeout.unwrap_or(options.acquire_timeout))
        // Finds connections that broke since they were used last, as when the server was
        // restarted.
        .test_before_acquire(true)
        .connect_lazy_with(connect);
    PostgresBackend::new(pool.clone().into(), pool.into(), Postgres::new(url.clone())).await
}

pub(crate) fn connection(url: &PostgresUrl, options: &PostgresOptions) -> PgConnectOptions {
    let connect = url.options().clone().disable_statement_logging();
    let given = connect.get_options().unwrap_or_default().to_owned();
    let name = match connect.get_application_name() {
        Some(_) => connect,
        None => connect.application_name("anndex"),
    };
    let timeouts = [
        ("statement_timeout", options.statement_timeout),
        ("lock_timeout", options.lock_timeout),
        ("idle_in_transaction_session_timeout", IDLE_TRANSACTION),
    ];
    // What the URL says of them counts.
    let missing = timeouts
        .into_iter()
        .filter(|(name, _)| !given.contains(name));
    name.options(missing.map(|(name, timeout)| {
        let (shortest, longest) = TIMEOUTS;
        (name, timeout.clamp(shortest, longest).as_millis())
    }))
}

/// The outer error is the driver's, the inner one says why the database can't be used.
async fn check(
    connect: &PgConnectOptions,
    options: &PostgresOptions,
) -> Result<Result<()>, SqlxError> {
    let mut connection = connect.connect().await?;
    let checked = check_with(&mut connection, options).await?;
    connection.close().await?;
    Ok(checked)
}

async fn check_with(
    connection: &mut PgConnection,
    options: &PostgresOptions,
) -> Result<Result<()>, SqlxError> {
    let (version, encoding, schema): (i32, String, Option<String>) = query_as(
        "SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), \
         current_schema()::text",
    )
    .fetch_one(&mut *connection)
    .await?;
    let (oldest, name) = OLDEST;
    if version < oldest {
        return Ok(Err(Error::unsupported(format!(
            "the server is PostgreSQL {}, which is too old; {name} or newer is needed",
            version / 10_000
        ))));
    }
    if encoding != "UTF8" {
        return Ok(Err(Error::invalid_input(format!(
            "the database encodes text as {encoding}; make one with \
             `createdb --encoding UTF8 --template template0`"
        ))));
    }
    if schema.is_none() {
        return Ok(Err(Error::invalid_input(
            "the search path of the role leads to no schema; make one, or name one with \
             `?options=-csearch_path%3DNAME` in the URL",
        )));
    }
    let tables: Vec<String> = query_scalar(TABLES).fetch_all(&mut *connection).await?;
    let is_ours = tables.iter().any(|table| table == MIGRATION_TABLE);
    Ok(match (is_ours, tables.is_empty()) {
        (true, _) => Ok(()),
        (false, false) => Err(Error::invalid_input(
            "the database has tables of another program; name another database, nothing was \
             changed",
        )),
        (false, true) if options.create => Ok(()),
        (false, true) => Err(Error::not_found(
            "there is no registry in this database; `init` makes one",
        )),
    })
}
