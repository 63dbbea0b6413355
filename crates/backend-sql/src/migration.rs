//! The versions of the schema: brought up to date on connect, refused when newer than this build.
//!
//! A migration is named by its number, what it brings and, after an `@`, the first version of
//! anndex that has it; so a build that meets an unknown one can say which version to install.
//! Migrations that were released never change.

mod registry;
mod table;

use std::collections::BTreeSet;

use anndex_core::{Error, ErrorKind};
use sea_orm::sea_query::{IntoIden, Query};
use sea_orm::{ConnectionTrait, DatabaseConnection, DynIden, TransactionTrait};
use sea_orm_migration::{MigrationTrait, MigratorTrait, SchemaManager};

use crate::backend::Driver;
use crate::failure::Outcome;

/// The table that lists the migrations which a database has.
pub const MIGRATION_TABLE: &str = "anndex_migration";

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(registry::CreateRegistry)]
    }

    fn migration_table_name() -> DynIden {
        MIGRATION_TABLE.into_iden()
    }
}

/// Makes the migrations that are missing, all in one transaction. A database that is up to date
/// is only read.
pub(crate) async fn migrate(connection: &DatabaseConnection, driver: &impl Driver) -> Outcome<()> {
    if is_current(connection).await? {
        return Ok(());
    }
    let transaction = connection.begin_with_options(driver.migrate()).await?;
    let migrated = async {
        driver.lock_schema(&transaction).await?;
        // Another process may have been faster, also with a newer version.
        if !is_current(&transaction).await? {
            Migrator::up(&transaction, None).await?;
        }
        Ok(())
    };
    match migrated.await {
        Ok(()) => Ok(transaction.commit().await?),
        Err(failure) => {
            // Should this fail too, the connection rolls back when it is closed.
            let _ = transaction.rollback().await;
            Err(failure)
        }
    }
}

async fn is_current<C>(connection: &C) -> Outcome<bool>
where
    C: ConnectionTrait,
    for<'c> &'c C: sea_orm::IntoDatabaseExecutor<'c>,
{
    if !SchemaManager::new(connection)
        .has_table(MIGRATION_TABLE)
        .await?
    {
        return Ok(false);
    }
    let select = Query::select()
        .column("version")
        .from(MIGRATION_TABLE)
        .take();
    let mut present = BTreeSet::new();
    for row in connection.query_all(&select).await? {
        present.insert(row.try_get_by_index::<String>(0)?);
    }
    let known: BTreeSet<_> = Migrator::migrations()
        .iter()
        .map(|migration| migration.name().to_owned())
        .collect();
    match present.difference(&known).last() {
        Some(newer) => Err(too_new(newer).into()),
        None => Ok(known.is_subset(&present)),
    }
}

fn too_new(migration: &str) -> Error {
    let this = env!("CARGO_PKG_VERSION");
    let needed = match migration.rsplit_once('@') {
        Some((_, version)) => format!("anndex {version} or newer"),
        None => "a newer version of anndex".to_owned(),
    };
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "the database was made by a newer version: it needs {needed}, this is {this}; \
             install the newer version, nothing was changed"
        ),
    )
    .with("migration", migration)
}
