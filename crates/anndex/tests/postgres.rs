//! Instances at URLs: made, opened, shared, refused.

#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::Path;

use anndex::{Error, ErrorKind, InstanceOptions};
use anndex_test_server::Database;

fn options(handle: &str) -> InstanceOptions {
    InstanceOptions::new().user_handle(handle)
}

/// An error of this kind that says where, and not with which password.
fn check(error: &Error, kind: ErrorKind, url: &str) {
    assert_eq!(error.kind(), kind, "{error:?}");
    let (credentials, _) = url.split_once('@').unwrap();
    let (_, password) = credentials.rsplit_once(':').unwrap();
    assert!(!format!("{error:?}").contains(password), "{error:?}");
}

#[tokio::test]
async fn init_then_connect() {
    let database = Database::create();
    let url = database.url();
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap().join("cells");

    let missing = anndex::connect_with(&url, options("ada")).await;
    check(&missing.unwrap_err(), ErrorKind::NotFound, &url);
    let nowhere = anndex::init_with(&url, options("ada")).await.unwrap_err();
    check(&nowhere, ErrorKind::InvalidInput, &url);
    assert!(nowhere.message().contains("storage"), "{nowhere}");
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(database.run(tables).trim(), "0", "nothing was made");
    let remote = options("ada").storage_root("ftp://host/cells");
    let error = anndex::init_with(&url, remote).await.unwrap_err();
    check(&error, ErrorKind::Unsupported, &url);

    let with_storage = options("ada").storage_root(&root);
    let db = anndex::init_with(&url, with_storage.clone()).await.unwrap();
    assert_eq!(db.storage_root(), root);
    assert!(
        db.cache_dir()
            .ends_with(url.rsplit_once('@').unwrap().1.replace([':', '/'], "_"))
    );
    assert!(!format!("{db:?}").contains(url.split(['@', ':']).nth(2).unwrap()));
    std::fs::write(root.join("a.csv"), "a,b\n").unwrap();
    let a = db.artifact(root.join("a.csv")).save().await.unwrap();
    db.close().await.unwrap();

    // Again is not an error, and others come by the URL alone, under either name of its scheme.
    let again = anndex::init_with(&url, with_storage).await.unwrap();
    again.close().await.unwrap();
    let other_name = url.replace("postgres://", "postgresql://");
    let db = anndex::connect_with(&other_name, options("bob"))
        .await
        .unwrap();
    assert_eq!(db.storage_root(), root);
    let found = db.artifacts().get(a.uid.as_str()).await.unwrap();
    assert!(found.path().await.unwrap().is_file());
    assert_eq!(db.users().count().await.unwrap(), 2);
    // A second storage is not the default one.
    let second = directory.path().join("second");
    std::fs::create_dir(&second).unwrap();
    db.add_storage(&second).await.unwrap();
    db.close().await.unwrap();
    let other = options("ada").storage_root(&second);
    for result in [
        anndex::init_with(&url, other.clone()).await,
        anndex::connect_with(&url, other).await,
    ] {
        check(&result.unwrap_err(), ErrorKind::InvalidInput, &url);
    }
    let db = anndex::connect_with(&url, options("ada")).await.unwrap();
    assert_eq!(db.storage_root(), root);
}

#[tokio::test]
async fn a_storage_that_is_not_here_is_not_made_anew() {
    let database = Database::create();
    let url = database.url();
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap().join("cells");
    let with_storage = options("ada").storage_root(&root);
    let db = anndex::init_with(&url, with_storage).await.unwrap();
    db.close().await.unwrap();
    let elsewhere = root.with_file_name("elsewhere");
    std::fs::rename(&root, &elsewhere).unwrap();
    let error = anndex::connect_with(&url, options("ada"))
        .await
        .unwrap_err();
    check(&error, ErrorKind::NotFound, &url);
    assert_eq!(error.context("path").map(Path::new), Some(root.as_path()));
    assert!(!root.exists());
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&elsewhere, &root).unwrap();
        let error = anndex::connect_with(&url, options("ada"))
            .await
            .unwrap_err();
        check(&error, ErrorKind::InvalidInput, &url);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn made_by_many_at_once_it_is_one() {
    let database = Database::create();
    let directory = tempfile::tempdir().unwrap();
    let make = |number: usize| {
        let url = database.url();
        let root = directory.path().join(format!("{}", number % 2));
        tokio::spawn(async move {
            let options = options("ada").storage_root(root);
            match anndex::init_with(&url, options).await {
                Ok(db) => Some(db.storage_root().to_owned()),
                Err(error) => {
                    check(&error, ErrorKind::InvalidInput, &url);
                    None
                }
            }
        })
    };
    let making: Vec<_> = (0..6).map(make).collect();
    let mut roots = Vec::new();
    for one in making {
        roots.extend(one.await.unwrap());
    }
    roots.dedup();
    assert_eq!(roots.len(), 1, "{roots:?}");
    let db = anndex::connect_with(database.url(), options("ada")).await;
    assert_eq!(db.unwrap().storage_root(), roots[0]);
}

#[test]
fn a_location_is_shown_without_its_password() {
    let shown = anndex::shown_location("postgres://ada:secret@host/cells");
    assert_eq!(shown, "postgres://host:5432/cells");
    assert_eq!(
        anndex::shown_location("postgres://ada:sec/ret@host/cells"),
        "postgres://..."
    );
    assert_eq!(
        anndex::shown_location("mysql://ada:secret@host"),
        "mysql://host"
    );
    let here = std::env::current_dir().unwrap();
    assert_eq!(
        anndex::shown_location("cells"),
        here.join("cells").display().to_string()
    );
}
