//! The SQLite backend as its users meet it: the suites of the contract, files, and the schema.

// Helpers of tests may panic like tests do.
#![allow(clippy::unwrap_used)]

mod conformance;
mod connect;
mod read;
#[cfg(unix)]
mod read_only;
mod schema;

use std::path::Path;

use anndex_backend_sqlite::{SqliteBackend, SqliteOptions, connect};
use anndex_core::backend::ChangeSet;
use anndex_core::record::{Record, User};

/// A backend on a file that is made if it is missing.
async fn create(path: &Path) -> SqliteBackend {
    let options = SqliteOptions::new().create(true);
    connect(path, &options).await.unwrap()
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
