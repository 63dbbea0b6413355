//! What the shared SQL backend must know of PostgreSQL.

use anndex_backend_sql::{Driver, SqlBackend};
use anndex_core::Error;
use anndex_core::backend::Capabilities;
use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, IsolationLevel,
    Statement, TransactionOptions,
};

use crate::error;
use crate::url::PostgresUrl;

/// A backend on a PostgreSQL database; made by [`connect`](crate::connect()).
pub type PostgresBackend = SqlBackend<Postgres>;

/// Held while the schema is changed. The number means nothing, it must only be ours ("anndex").
const LOCK_SCHEMA: &str = "SELECT pg_advisory_xact_lock(27986854629860728)";

/// A dump that is put back is another database of its server, or is on another server.
const IDENTITY: &str = "SELECT system_identifier::text || '-' || oid::text \
     FROM pg_control_system(), pg_database WHERE datname = current_database()";

/// PostgreSQL as a [`Driver`].
#[derive(Debug)]
pub struct Postgres {
    url: PostgresUrl,
}

impl Postgres {
    pub(crate) fn new(url: PostgresUrl) -> Self {
        Self { url }
    }

    /// Where the database is; what is shown of it has no password.
    pub fn url(&self) -> &PostgresUrl {
        &self.url
    }
}

fn isolated(level: IsolationLevel) -> TransactionOptions {
    TransactionOptions {
        isolation_level: Some(level),
        ..TransactionOptions::default()
    }
}

#[async_trait]
impl Driver for Postgres {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "PostgreSQL",
            persistent: true,
            shared: true,
            read_only: false,
        }
    }

    async fn identity(&self, read: &DatabaseConnection) -> Result<String, DbErr> {
        let row = read.query_one_raw(Statement::from_string(DbBackend::Postgres, IDENTITY));
        let row = row
            .await?
            .ok_or_else(|| DbErr::RecordNotFound(IDENTITY.to_owned()))?;
        row.try_get_by_index(0)
    }

    fn write(&self) -> TransactionOptions {
        isolated(IsolationLevel::Serializable)
    }

    fn migrate(&self) -> TransactionOptions {
        // Sees what the process made that held the lock before.
        isolated(IsolationLevel::ReadCommitted)
    }

    async fn lock_schema(&self, transaction: &DatabaseTransaction) -> Result<(), DbErr> {
        transaction
            .execute_unprepared(LOCK_SCHEMA)
            .await
            .map(|_| ())
    }

    fn may_have_committed(&self, error: &DbErr) -> bool {
        error::may_have_committed(error)
    }

    fn lost_race(&self, error: &DbErr) -> bool {
        error::is_lost_race(error)
    }

    fn error(&self, source: DbErr) -> Error {
        error::from_orm(source)
    }

    fn locate(&self, error: Error) -> Error {
        error.with("database", &self.url)
    }

    async fn closing(&self, _write: &DatabaseConnection) -> Result<(), DbErr> {
        Ok(())
    }
}
