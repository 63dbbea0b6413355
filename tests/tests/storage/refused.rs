//! What a server refuses: an error of the right kind, which says what to do and no secret.

use std::net::{Ipv4Addr, TcpListener};

use anndex_core::{Error, ErrorKind};
use anndex_storage_object_store::Environment;
use anndex_test_server::{ACCESS_KEY, SECRET_KEY};
use anndex_tests::servers::{BUCKET, S3, environment, open, variables};

/// The errors of looking at, and of listing.
async fn errors(environment: Environment, url: &str) -> [Error; 2] {
    let storage = open(environment, url);
    let look = storage.head("a.h5ad").await.unwrap_err();
    let list = storage.list("dir").await.unwrap_err();
    for error in [&look, &list] {
        let shown = format!("{error:?} {error:#}");
        assert!(
            !shown.contains(SECRET_KEY) && !shown.contains("wrong-secret"),
            "{shown}"
        );
        assert!(!shown.contains("Signature="), "{shown}");
    }
    [look, list]
}

#[tokio::test]
async fn a_wrong_key_is_no_permission() {
    let directory = tempfile::tempdir().unwrap();
    for (name, _, server) in S3::each(directory.path()) {
        for (key, secret) in [("nobody", SECRET_KEY), (ACCESS_KEY, "wrong-secret")] {
            let environment = variables([
                ("AWS_ACCESS_KEY_ID", key),
                ("AWS_SECRET_ACCESS_KEY", secret),
            ]);
            for error in errors(environment, &server.url("")).await {
                assert_eq!(
                    error.kind(),
                    ErrorKind::PermissionDenied,
                    "{name}: {error:#}"
                );
                assert!(
                    error.message().contains("check the credentials"),
                    "{error:#}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_not_found() {
    let directory = tempfile::tempdir().unwrap();
    for (name, _, server) in S3::each(directory.path()) {
        let url = server.url("").replace(BUCKET, "no-such-bucket");
        let [look, list] = errors(environment(), &url).await;
        assert_eq!(look.kind(), ErrorKind::NotFound, "{name}: {look:#}");
        assert_eq!(list.kind(), ErrorKind::NotFound, "{name}: {list:#}");
        assert!(
            list.message().contains("no such bucket"),
            "{name}: {list:#}"
        );
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_can_not_be_reached() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url = format!("s3://{BUCKET}?endpoint_url=http://127.0.0.1:{port}");
    for error in errors(environment(), &url).await {
        assert_eq!(error.kind(), ErrorKind::Storage, "{error:#}");
        assert!(error.message().contains("can't be reached"), "{error:#}");
        assert_eq!(error.context("storage"), Some(url.as_str()));
    }
}

#[test]
fn half_of_the_credentials_are_refused_at_once() {
    use anndex_core::storage::{StorageDriver, StorageUrl};
    use anndex_storage_object_store::{ObjectStoreDriver, RequestLimits};

    let environment = variables([("AWS_SECRET_ACCESS_KEY", "wrong-secret")]);
    let driver = ObjectStoreDriver::with(environment, RequestLimits::default());
    assert!(!format!("{driver:?}").contains("wrong-secret"));
    let url = StorageUrl::parse("s3://cells").unwrap();
    let error = driver.open(&url).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:#}");
    assert!(error.message().contains("AWS_ACCESS_KEY_ID"), "{error:#}");
}
