//! Web servers: what they can't do is said in their words.

use std::fs;
use std::time::Duration;

use anndex_core::ErrorKind;
use anndex_core::storage::{RemoteStorages, StreamOptions};
use anndex_test_server::Rclone;
use anndex_tests::proxy::{Fault, Proxy};
use anndex_tests::servers::{drivers, open, variables};

#[tokio::test]
async fn what_a_web_server_can_not_do_is_said_in_its_words() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join("cells.zarr")).unwrap();
    fs::write(directory.path().join("a.bin"), "content").unwrap();
    let server = Rclone::http(directory.path()).unwrap();
    let remote = RemoteStorages::new(drivers(), StreamOptions::default());
    for name in ["cells.zarr", "cells.zarr/", "images/"] {
        let error = remote
            .look(&format!("{}/{name}", server.url()))
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}: {error:#}");
        assert!(error.message().contains(".zarr.zip"), "{name}: {error:#}");
    }
    let error = remote.look(&format!("{}/absent", server.url()));
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:#}");
    assert!(error.message().contains("no such file"), "{error:#}");
    for (status, kind) in [
        (401, ErrorKind::PermissionDenied),
        (403, ErrorKind::PermissionDenied),
        (404, ErrorKind::NotFound),
    ] {
        let refusing = Proxy::start(&server.url(), Duration::ZERO, move |_, _| {
            Fault::Status(status)
        });
        let storage = open(variables([]), &refusing.url());
        let error = storage.head("a.bin").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:#}");
        for word in ["bucket", "credentials", "object"] {
            assert!(!error.message().contains(word), "{error:#}");
        }
    }
}

/// A server without ranges gives whole files, which small ones are read by.
#[tokio::test]
async fn a_server_without_ranges_is_said_to_be_one() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a.bin"), [7; 1000]).unwrap();
    let server = Rclone::http(directory.path()).unwrap();
    let whole = Proxy::start(&server.url(), Duration::ZERO, |_, _| Fault::Whole);
    let storage = open(variables([]), &whole.url());
    let seen = storage.head("a.bin").await.unwrap();
    assert_eq!(storage.read(&seen, 0..1000).await.unwrap()[..], [7; 1000]);
    let error = storage.read(&seen, 10..20).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:#}");
    assert!(error.message().contains("download the file"), "{error:#}");
}
