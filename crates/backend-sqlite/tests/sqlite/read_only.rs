//! Files and directories that can't be written: what can be read is read, and the rest is an error
//! that says so.
//!
//! Modes of files mean nothing to root, so a child process asks, as another user where this is root.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
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
    let place = tempfile::tempdir().unwrap();
    set_mode(place.path(), 0o755);
    let inner = place.path().join("cells");
    fs::create_dir(&inner).unwrap();
    let path = inner.join("a.sqlite");
    let backend = create(&path).await;
    backend.apply(&insert(user("ada"))).await.unwrap();
    backend.close().await.unwrap();
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
async fn a_directory_that_can_not_be_written_is_an_error_that_says_so() {
    let Some(path) = std::env::var_os(DATABASE) else {
        let test = "read_only::a_directory_that_can_not_be_written_is_an_error_that_says_so";
        return run_child(test, 0o444, 0o555).await;
    };
    let options = SqliteOptions::new();
    let error = connect(&path, &options).await.unwrap_err();
    assert!(error.message().contains("its directory"), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
    let new = Path::new(&path).with_file_name("new.sqlite");
    let error = connect(&new, &options.create(true)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
    assert!(!new.exists());
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
