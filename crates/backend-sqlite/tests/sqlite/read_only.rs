//! Files and directories that can't be written: what can be read is read, and the rest is an error
//! that says so.
//!
//! Modes of files mean nothing to root, so a child process asks, as another user where this is root.

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

use anndex_backend_sqlite::{SqliteOptions, connect};
use anndex_core::ErrorKind;
use anndex_core::backend::{Backend, Query};
use anndex_core::record::Kind;

use crate::{create, insert, user};

/// Tells the child which database to open.
const DATABASE: &str = "ANNDEX_TEST_READ_ONLY";

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A database in a directory of its own, both with these modes, in which a child runs the test.
async fn run_child(test: &str, file: u32, directory: u32) {
    run_child_with(test, file, directory, None).await;
}

/// The same, with a database and its log as they are given.
async fn run_child_with(test: &str, file: u32, directory: u32, given: Option<(Vec<u8>, Vec<u8>)>) {
    let place = tempfile::tempdir().unwrap();
    set_mode(place.path(), 0o755);
    let inner = place.path().join("cells");
    fs::create_dir(&inner).unwrap();
    let path = inner.join("a.sqlite");
    let backend = create(&path).await;
    backend.apply(&insert(user("ada"))).await.unwrap();
    backend.close().await.unwrap();
    if let Some((database, log)) = given {
        fs::write(&path, database).unwrap();
        fs::write(inner.join("a.sqlite-wal"), log).unwrap();
        set_mode(&inner.join("a.sqlite-wal"), file);
    }
    set_mode(&path, file);
    set_mode(&inner, directory);
    let before = fs::read(&path).unwrap();
    // The other user may not be able to look into the directory of the tests.
    let program = place.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    set_mode(&program, 0o755);
    let mut command = anndex_test_server::unprivileged(&program, place.path()).unwrap();
    let child = command.args(["--exact", test]).env(DATABASE, &path);
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
    assert_eq!(fs::read(&path).unwrap(), before, "nothing was changed");
    // So that it can be removed.
    set_mode(&inner, 0o755);
}

#[tokio::test]
async fn a_file_that_can_not_be_written_is_read_and_not_written() {
    let Some(path) = std::env::var_os(DATABASE) else {
        let test = "read_only::a_file_that_can_not_be_written_is_read_and_not_written";
        return run_child(test, 0o444, 0o777).await;
    };
    let backend = connect(&path, &SqliteOptions::new()).await.unwrap();
    assert_eq!(backend.count(&Query::new(Kind::User)).await.unwrap(), 1);
    let error = backend.apply(&insert(user("bob"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
    assert!(error.message().contains("allow writing"), "{error}");
    assert_eq!(backend.count(&Query::new(Kind::User)).await.unwrap(), 1);
}

#[tokio::test]
async fn a_database_in_a_directory_that_can_not_be_written_is_read() {
    let Some(path) = std::env::var_os(DATABASE) else {
        let test = "read_only::a_database_in_a_directory_that_can_not_be_written_is_read";
        return run_child(test, 0o444, 0o555).await;
    };
    let options = SqliteOptions::new();
    let backend = connect(&path, &options).await.unwrap();
    assert!(backend.capabilities().read_only);
    assert_eq!(backend.count(&Query::new(Kind::User)).await.unwrap(), 1);
    let error = backend.apply(&insert(user("bob"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
    assert!(error.message().contains("can only be read"), "{error}");
    assert_eq!(
        backend.select(&Query::new(Kind::User)).await.unwrap().len(),
        1
    );
    backend.close().await.unwrap();
    let new = Path::new(&path).with_file_name("new.sqlite");
    let error = connect(&new, &options.create(true)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
    assert!(!new.exists());
}

/// Who can only read the directory can't follow those who write it, and is told so.
#[tokio::test]
async fn a_database_that_others_change_is_not_read_wrongly() {
    let Some(path) = std::env::var_os(DATABASE) else {
        let test = "read_only::a_database_that_others_change_is_not_read_wrongly";
        return run_child(test, 0o666, 0o555).await;
    };
    let backend = connect(&path, &SqliteOptions::new()).await.unwrap();
    assert_eq!(backend.count(&Query::new(Kind::User)).await.unwrap(), 1);
    let file = fs::File::options().write(true).open(&path).unwrap();
    let first = fs::read(&path).unwrap()[..1].to_vec();
    // As a checkpoint does, though it says the same.
    file.write_all_at(&first, 0).unwrap();
    drop(file);
    let error = backend.count(&Query::new(Kind::User)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backend, "{error:?}");
    assert!(error.message().contains("connect again"), "{error}");
}

#[tokio::test]
async fn changes_in_the_log_are_not_left_out() {
    let Some(path) = std::env::var_os(DATABASE) else {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a.sqlite");
        let backend = create(&path).await;
        backend.apply(&insert(user("ada"))).await.unwrap();
        // As after a kill: the log was not written down.
        let log = fs::read(place.path().join("a.sqlite-wal")).unwrap();
        let database = fs::read(&path).unwrap();
        backend.close().await.unwrap();
        let test = "read_only::changes_in_the_log_are_not_left_out";
        return run_child_with(test, 0o444, 0o555, Some((database, log))).await;
    };
    let error = connect(&path, &SqliteOptions::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
    assert!(error.message().contains("changes in its log"), "{error}");
}

#[tokio::test]
async fn a_file_that_can_not_be_read_is_an_error_that_says_so() {
    let Some(path) = std::env::var_os(DATABASE) else {
        let test = "read_only::a_file_that_can_not_be_read_is_an_error_that_says_so";
        return run_child(test, 0o000, 0o777).await;
    };
    let error = connect(&path, &SqliteOptions::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
}
