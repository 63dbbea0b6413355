//! The backend contract on a SQL connection.

use std::fmt::Debug;

use anndex_core::backend::{Applied, Backend, Capabilities, ChangeSet, LinkQuery, Query};
use anndex_core::record::{Link, Record};
use anndex_core::{Error, Result};
use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, TransactionOptions,
    TransactionTrait,
};

use crate::failure::{Failure, Outcome};
use crate::{apply, migration, row, select};

/// How often a change set is made again after it lost a race, before that is an error. Those with
/// preconditions learn the second time that one does not hold; others lose at most as often as
/// there are writers before them, if they are unlucky more.
const RACES: u32 = 50;

/// What differs between databases that speak SQL.
#[async_trait]
pub trait Driver: Debug + Send + Sync + 'static {
    /// What the backend can do.
    fn capabilities(&self) -> Capabilities;

    /// What tells this database from a copy of it, as [`Backend::identity`] says.
    ///
    /// # Errors
    /// When the database fails.
    async fn identity(&self, read: &DatabaseConnection) -> Result<String, DbErr>;

    /// How a transaction that writes begins. Two that are open at the same time must give the
    /// same result as one after the other, or one of them must fail with an error that
    /// [`Driver::error`] calls a conflict.
    fn write(&self) -> TransactionOptions;

    /// How a transaction that changes the schema begins.
    fn migrate(&self) -> TransactionOptions {
        self.write()
    }

    /// What comes first in a transaction that changes the schema, so that of several processes
    /// only one does: nothing where such a transaction is alone from its beginning.
    ///
    /// # Errors
    /// When the database fails.
    async fn lock_schema(&self, transaction: &DatabaseTransaction) -> Result<(), DbErr> {
        let _ = transaction;
        Ok(())
    }

    /// Whether a transaction failed for nothing but what others did at the same time. Then the
    /// same change set is made again, as if it came later.
    fn lost_race(&self, error: &DbErr) -> bool {
        let _ = error;
        false
    }

    /// Whether a transaction may have been committed, although this is what came of it.
    fn may_have_committed(&self, error: &DbErr) -> bool;

    /// Checks, after something was read, that it is of the database that was opened.
    ///
    /// # Errors
    /// If it may not be.
    fn check_read(&self) -> Result<()> {
        Ok(())
    }

    /// Puts an error of the database into words; broken unique and foreign keys don't come here.
    fn error(&self, error: DbErr) -> Error;

    /// Adds where the database is: a path, or a URL without its password.
    fn locate(&self, error: Error) -> Error;

    /// What must be done on the writing connection before it is closed.
    ///
    /// # Errors
    /// When the database fails.
    async fn closing(&self, write: &DatabaseConnection) -> Result<(), DbErr>;
}

/// A backend on a SQL database.
#[derive(Debug)]
pub struct SqlBackend<D> {
    read: DatabaseConnection,
    write: DatabaseConnection,
    driver: D,
}

impl<D: Driver> SqlBackend<D> {
    /// A backend that queries on one connection pool and writes on another, or on the same.
    /// Brings the schema up to date first.
    ///
    /// # Errors
    /// - `Unsupported`: the schema was made by a newer version of anndex, which the error names;
    ///   nothing is changed.
    /// - What [`Driver::error`] makes of a failing database.
    pub async fn new(
        read: DatabaseConnection,
        write: DatabaseConnection,
        driver: D,
    ) -> Result<Self> {
        let backend = Self {
            read,
            write,
            driver,
        };
        match migration::migrate(&backend.write, &backend.driver).await {
            Ok(()) => Ok(backend),
            Err(failure) => {
                let error = backend.error("open the database", failure);
                // The first error counts.
                let _ = backend.close().await;
                Err(error)
            }
        }
    }

    /// What is specific to the database.
    pub fn driver(&self) -> &D {
        &self.driver
    }

    fn error(&self, operation: &'static str, failure: Failure) -> Error {
        let error = failure.into_error(|error| self.driver.error(error));
        self.driver.locate(error).operation(operation)
    }

    fn checked<T>(&self, read: Outcome<T>) -> Outcome<T> {
        self.driver.check_read()?;
        read
    }

    async fn select_records(&self, query: &Query) -> Outcome<Vec<Record>> {
        let select = select::records(self.read.get_database_backend(), query)?;
        let rows = self.read.query_all(&select).await?;
        rows.iter().map(|r| row::record(query.kind, r)).collect()
    }

    async fn count_records(&self, query: &Query) -> Outcome<u64> {
        let select = select::count(self.read.get_database_backend(), query)?;
        let count = match self.read.query_one(&select).await? {
            Some(row) => row.try_get_by_index::<i64>(0)?,
            None => 0,
        };
        Ok(u64::try_from(count).unwrap_or(0))
    }

    async fn select_links(&self, query: &LinkQuery) -> Outcome<Vec<Link>> {
        let select = select::links(self.read.get_database_backend(), query);
        let rows = self.read.query_all(&select).await?;
        rows.iter().map(|r| select::link(query.kind, r)).collect()
    }

    async fn transact(&self, changes: &ChangeSet) -> Outcome<Applied> {
        let mut races = 0;
        loop {
            match self.try_transact(changes).await {
                Err(Failure::Database(error)) if races < RACES && self.driver.lost_race(&error) => {
                    races += 1;
                }
                done => return done,
            }
        }
    }

    async fn try_transact(&self, changes: &ChangeSet) -> Outcome<Applied> {
        let transaction = self.write.begin_with_options(self.driver.write()).await?;
        match apply::apply(&transaction, changes).await {
            Ok(applied) => {
                let committed = transaction.commit().await;
                committed.map_err(|error| match self.driver.may_have_committed(&error) {
                    true => Failure::Commit(error),
                    false => Failure::Database(error),
                })?;
                Ok(applied)
            }
            Err(failure) => {
                // Should this fail too, the connection rolls back when it is used next.
                let _ = transaction.rollback().await;
                Err(failure)
            }
        }
    }
}

#[async_trait]
impl<D: Driver> Backend for SqlBackend<D> {
    fn capabilities(&self) -> Capabilities {
        self.driver.capabilities()
    }

    async fn identity(&self) -> Result<String> {
        let identity = self.driver.identity(&self.read).await;
        identity.map_err(|error| self.error("look at the database", error.into()))
    }

    async fn select(&self, query: &Query) -> Result<Vec<Record>> {
        query.check()?;
        let selected = self.checked(self.select_records(query).await);
        selected.map_err(|failure| self.error("select records", failure))
    }

    async fn count(&self, query: &Query) -> Result<u64> {
        query.check()?;
        let counted = self.checked(self.count_records(query).await);
        counted.map_err(|failure| self.error("count records", failure))
    }

    async fn links(&self, query: &LinkQuery) -> Result<Vec<Link>> {
        let selected = self.checked(self.select_links(query).await);
        selected.map_err(|failure| self.error("select links", failure))
    }

    async fn apply(&self, changes: &ChangeSet) -> Result<Applied> {
        changes.check()?;
        let applied = self.transact(changes).await;
        applied.map_err(|failure| self.error("apply changes", failure))
    }

    async fn close(&self) -> Result<()> {
        let closing = self.driver.closing(&self.write).await;
        let read = self.read.close_by_ref().await;
        let write = self.write.close_by_ref().await;
        closing
            .and(read)
            .and(write)
            .map_err(|error| self.error("close the database", error.into()))
    }
}
