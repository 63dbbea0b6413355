//! Opening files: new ones, old ones, and those that can't be opened.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anndex_backend_sqlite::{SqliteOptions, connect, connect_in_memory};
use anndex_core::backend::{Backend, Query};
use anndex_core::record::{Kind, User};
use anndex_core::{Error, ErrorKind};
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sea_orm::sqlx::{ConnectOptions, Connection, Executor};

use crate::{create, insert, user};

async fn refused(path: &Path, options: &SqliteOptions) -> Error {
    let error = connect(path, options).await.unwrap_err();
    assert_eq!(
        error.context("path"),
        Some(path.display().to_string().as_str()),
        "{error:?}"
    );
    error
}

async fn raw(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .connect()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_new_file_has_the_schema_and_keeps_what_is_saved() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sqlite");
    let backend = create(&path).await;
    assert_eq!(backend.driver().path(), Some(path.as_path()));
    assert!(backend.capabilities().persistent);
    backend.apply(&insert(user("ada"))).await.unwrap();
    backend.close().await.unwrap();
    let files: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(files.len(), 1, "closing leaves one file: {files:?}");

    let before = fs::read(&path).unwrap();
    let backend = connect(&path, &SqliteOptions::new()).await.unwrap();
    assert_eq!(backend.count(&Query::new(Kind::User)).await.unwrap(), 1);
    backend.close().await.unwrap();
    assert_eq!(
        fs::read(&path).unwrap(),
        before,
        "opening a current database changes nothing"
    );
}

#[tokio::test]
async fn after_closing_every_call_fails() {
    let backend = connect_in_memory().await.unwrap();
    backend.close().await.unwrap();
    let error = backend.select(&Query::new(Kind::User)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backend, "{error:?}");
    let error = backend.apply(&insert(user("ada"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backend, "{error:?}");
}

#[tokio::test]
async fn paths_that_are_no_database_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let options = SqliteOptions::new();
    let create = SqliteOptions::new().create(true);

    let missing = directory.path().join("missing.sqlite");
    let error = refused(&missing, &options).await;
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(!missing.exists());

    let nowhere = directory.path().join("no/where.sqlite");
    assert_eq!(refused(&nowhere, &create).await.kind(), ErrorKind::NotFound);

    assert_eq!(
        refused(directory.path(), &create).await.kind(),
        ErrorKind::InvalidInput
    );

    let text = directory.path().join("text.sqlite");
    fs::write(
        &text,
        "this is text, and longer than the header of a database. ".repeat(40),
    )
    .unwrap();
    assert_eq!(refused(&text, &create).await.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_database_of_another_program_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("foreign.sqlite");
    let mut connection = raw(&path).await;
    connection
        .execute("CREATE TABLE user (name TEXT)")
        .await
        .unwrap();
    connection.close().await.unwrap();
    let before = fs::read(&path).unwrap();
    let error = refused(&path, &SqliteOptions::new().create(true)).await;
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_not_changed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("newer.sqlite");
    create(&path).await.close().await.unwrap();
    let mut connection = raw(&path).await;
    connection
        .execute("INSERT INTO anndex_migration VALUES ('0099_later@7.3.1', 0)")
        .await
        .unwrap();
    connection.close().await.unwrap();
    let before = fs::read(&path).unwrap();
    let error = refused(&path, &SqliteOptions::new()).await;
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("7.3.1"), "{error}");
    assert!(
        error.message().contains(env!("CARGO_PKG_VERSION")),
        "{error}"
    );
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_damaged_file_is_an_error_at_any_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("good.sqlite");
    let backend = create(&path).await;
    for number in 0..200 {
        backend
            .apply(&insert(user(&format!("user {number}"))))
            .await
            .unwrap();
    }
    backend.close().await.unwrap();
    let good = fs::read(&path).unwrap();
    for twentieth in 0..20 {
        let cut = directory.path().join(format!("cut{twentieth}.sqlite"));
        fs::write(&cut, &good[..good.len() * twentieth / 20]).unwrap();
        let result = match connect(&cut, &SqliteOptions::new()).await {
            Ok(backend) => backend.select(&Query::new(Kind::User)).await,
            Err(error) => Err(error),
        };
        match result {
            // An empty file is a new database.
            Ok(users) => assert!(twentieth == 0 && users.is_empty(), "{twentieth}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{twentieth}: {error:?}"),
        }
    }
}

#[tokio::test]
async fn flipped_bits_are_an_error_or_other_data_but_nothing_worse() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("good.sqlite");
    let backend = create(&path).await;
    for number in 0..20 {
        backend
            .apply(&insert(user(&format!("user {number}"))))
            .await
            .unwrap();
    }
    backend.close().await.unwrap();
    let good = fs::read(&path).unwrap();
    let flipped = directory.path().join("flipped.sqlite");
    let mut errors = 0;
    for number in 0..150 {
        let mut bytes = good.clone();
        // The first page holds the header and the schema, the others mostly zeros.
        let place = if number < 100 {
            number
        } else {
            (number - 99) * bytes.len() / 52
        };
        bytes[place] ^= 1 << (number % 8);
        fs::write(&flipped, bytes).unwrap();
        let result = match connect(&flipped, &SqliteOptions::new()).await {
            Ok(backend) => {
                let selected = backend.select(&Query::new(Kind::User)).await;
                // A damaged file need not close well.
                let _ = backend.close().await;
                selected.map(|_| ())
            }
            Err(error) => Err(error),
        };
        errors += usize::from(result.is_err());
        for end in ["-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{end}", flipped.display()));
        }
    }
    assert!(errors > 10, "{errors}");
}

#[tokio::test]
async fn a_lock_is_waited_for_and_then_reported() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("locked.sqlite");
    let options = SqliteOptions::new()
        .create(true)
        .busy_timeout(Duration::from_millis(50));
    let backend = connect(&path, &options).await.unwrap();
    let mut other = raw(&path).await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let error = backend.apply(&insert(user("ada"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backend, "{error:?}");
    assert!(error.message().contains("locked"), "{error}");
    assert_eq!(
        error.context("path"),
        Some(path.display().to_string().as_str())
    );
    // Readers are not stopped by a writer.
    assert_eq!(backend.count(&Query::new(Kind::User)).await.unwrap(), 0);
    other.execute("ROLLBACK").await.unwrap();
    backend.apply(&insert(user("ada"))).await.unwrap();
    backend.close().await.unwrap();

    other
        .execute("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
        .await
        .unwrap();
    let error = refused(&path, &options).await;
    assert_eq!(error.kind(), ErrorKind::Backend, "{error:?}");
}

/// The child of [`a_full_disk_is_an_error_and_loses_nothing`], which runs in a process of its own
/// because its file size limit holds for the whole process.
const DISK: &str = "ANNDEX_TEST_SMALL_DISK";

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_is_an_error_and_loses_nothing() {
    if let Ok(path) = std::env::var(DISK) {
        let backend = connect(&path, &SqliteOptions::new().create(true))
            .await
            .unwrap();
        let mut saved = 0;
        let error = loop {
            let large = User {
                name: Some("x".repeat(255)),
                ..user(&format!("{saved}"))
            };
            match backend.apply(&insert(large)).await {
                Ok(_) => saved += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::Storage, "{error:?}");
        assert_eq!(backend.count(&Query::new(Kind::User)).await.unwrap(), saved);
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sqlite");
    // Writes past the limit fail with EFBIG instead of a signal when that is ignored.
    let status = Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 1024; exec \"$0\" --exact \"$1\"",
        ])
        .arg(std::env::current_exe().unwrap())
        .arg("connect::a_full_disk_is_an_error_and_loses_nothing")
        .env(DISK, &path)
        .status()
        .unwrap();
    assert!(status.success());
    let backend = connect(&path, &SqliteOptions::new()).await.unwrap();
    assert!(backend.count(&Query::new(Kind::User)).await.unwrap() > 0);
}
