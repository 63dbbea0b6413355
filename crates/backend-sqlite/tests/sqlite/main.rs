//! The SQLite backend as its users meet it: files, processes, odd input, and the reference beside
//! it.

// Helpers of tests may panic like tests do.
#![allow(clippy::unwrap_used)]

mod compare;
mod concurrency;
mod conformance;
mod connect;
mod input;
mod schema;

use std::path::Path;

use anndex_backend_sqlite::{SqliteBackend, SqliteOptions, connect};
use anndex_core::backend::ChangeSet;
use anndex_core::record::{
    Artifact, Collection, FeatureSet, Kind, Record, Run, Storage, Transform, ULabel, User,
};

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

/// A record with nothing in it.
fn empty(kind: Kind) -> Record {
    match kind {
        Kind::User => User::default().into(),
        Kind::Storage => Storage::default().into(),
        Kind::Transform => Transform::default().into(),
        Kind::Run => Run::default().into(),
        Kind::Artifact => Artifact::default().into(),
        Kind::Collection => Collection::default().into(),
        Kind::ULabel => ULabel::default().into(),
        Kind::FeatureSet => FeatureSet::default().into(),
    }
}
