//! The PostgreSQL backend as its users meet it: the suites of the contract, databases that can't
//! be opened, servers that go away, and the schema.
//!
//! The server is that of `ANNDEX_TEST_POSTGRES`, on which each test makes databases of its own;
//! those that stop a server start one for themselves.

// Helpers of tests may panic like tests do.
#![allow(clippy::unwrap_used)]

mod conformance;
mod connect;
mod limits;
mod read;
mod restart;
mod roles;
mod schema;
mod tls;

use anndex_backend_postgres::{PostgresBackend, PostgresOptions, connect};
use anndex_core::backend::ChangeSet;
use anndex_core::record::{Record, User};

/// A backend on a database whose tables are made if they are missing.
async fn create(url: &str) -> PostgresBackend {
    let options = PostgresOptions::new().create(true);
    connect(url, &options).await.unwrap()
}

/// A user with a uid of its own.
fn user(handle: &str) -> User {
    User {
        uid: format!("uid-{handle}"),
        handle: handle.to_owned(),
        ..User::default()
    }
}

fn insert(record: impl Into<Record>) -> ChangeSet {
    let mut changes = ChangeSet::new();
    changes.insert(record);
    changes
}
