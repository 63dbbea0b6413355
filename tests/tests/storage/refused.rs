//! What a server refuses: an error of the right kind, which says what to do and no secret.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;

use anndex_core::backend::memory::MemoryBackend;
use anndex_core::instance::Instance;
use anndex_core::registry::hash::files_of;
use anndex_core::{Error, ErrorKind};
use anndex_remote_object_store::Environment;
use anndex_test_server::{ACCESS_KEY, SECRET_KEY};
use anndex_tests::registry::instance_with;
use anndex_tests::servers::{
    BUCKET, EXPIRED_KEY, READER_KEY, S3, SKEWED_KEY, drivers_of, environment, limits, open,
    variables,
};

/// The errors of looking at, and of listing.
async fn errors(environment: Environment, url: &str) -> [Error; 2] {
    let storage = open(environment, url);
    let look = storage.head("a.bin").await.unwrap_err();
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

/// An instance whose user has these variables.
async fn instance(directory: &std::path::Path, environment: Environment) -> Instance {
    let backend = Arc::new(MemoryBackend::new());
    let drivers = drivers_of(environment, limits());
    let opened = instance_with(backend, &directory.join("storage"), drivers).await;
    opened.unwrap()
}

/// What a server says of credentials that it knows but does not take any more is handed on, also
/// where an answer has no body that would say it.
#[tokio::test]
async fn credentials_that_are_over_are_said_to_be() {
    let directory = tempfile::tempdir().unwrap();
    let (_, bucket, server) = S3::each(directory.path()).remove(1);
    fs::write(bucket.join("a.bin"), "content").unwrap();
    for (key, advice) in [(EXPIRED_KEY, "get new ones"), (SKEWED_KEY, "the clock")] {
        let environment = variables([
            ("AWS_ACCESS_KEY_ID", key),
            ("AWS_SECRET_ACCESS_KEY", "wrong-secret"),
            ("AWS_SESSION_TOKEN", "wrong-secret-token"),
        ]);
        for error in errors(environment.clone(), &server.url("")).await {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:#}");
            assert!(error.message().contains(advice), "{error:#}");
        }
        let db = instance(directory.path(), environment).await;
        let saved = db.artifact(server.url("a.bin")).save().await;
        let error = saved.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:#}");
        assert!(error.message().contains(advice), "{error:#}");
        assert!(!format!("{error:?} {error:#}").contains("wrong-secret"));
        assert_eq!(db.artifacts().count().await.unwrap(), 0);
    }
}

/// Credentials that expire between registering and caching.
#[tokio::test]
async fn a_copy_can_not_be_made_with_credentials_that_expired() {
    let directory = tempfile::tempdir().unwrap();
    let (_, bucket, server) = S3::each(directory.path()).remove(1);
    fs::write(bucket.join("a.bin"), "content").unwrap();
    let backend = Arc::new(MemoryBackend::new());
    let storage = directory.path().join("storage");
    let expired = variables([
        ("AWS_ACCESS_KEY_ID", EXPIRED_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
    ]);
    let with =
        |environment| instance_with(backend.clone(), &storage, drivers_of(environment, limits()));
    let db = with(environment()).await.unwrap();
    let uid = db
        .artifact(server.url("a.bin"))
        .save()
        .await
        .unwrap()
        .uid
        .clone();
    let later = with(expired).await.unwrap();
    let artifact = later.artifacts().get(&uid).await.unwrap();
    let error = artifact.cache().path().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:#}");
    assert!(error.message().contains("expired"), "{error:#}");
    assert!(later.cache().list().unwrap().is_empty());
    let artifact = db.artifacts().get(&uid).await.unwrap();
    let path = artifact.cache().path().await.unwrap();
    assert_eq!(fs::read_to_string(path).unwrap(), "content");
}

#[tokio::test]
async fn who_may_only_read_can_not_write() {
    let directory = tempfile::tempdir().unwrap();
    let (_, bucket, server) = S3::each(directory.path()).remove(1);
    fs::write(bucket.join("a.bin"), "content").unwrap();
    let reader = variables([
        ("AWS_ACCESS_KEY_ID", READER_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
    ]);
    let db = instance(directory.path(), reader).await;
    let artifact = db.artifact(server.url("a.bin")).save().await.unwrap();
    let path = artifact.cache().path().await.unwrap();
    assert_eq!(fs::read_to_string(path).unwrap(), "content");
    let storage = db.add_storage(server.url("lab")).await.unwrap();
    let before = files_of(&bucket).unwrap();
    for size in [10, 9 << 20] {
        let file = directory.path().join("b.csv");
        fs::write(&file, vec![b'b'; size]).unwrap();
        let saved = db.artifact(&file).storage(&storage).save().await;
        let error = saved.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:#}");
        assert!(error.message().contains("what they allow"), "{error:#}");
    }
    assert_eq!(db.artifacts().count().await.unwrap(), 1);
    assert_eq!(files_of(&bucket).unwrap(), before);
}

/// A bucket that was there when it was registered, or never was.
#[tokio::test]
async fn nothing_is_put_into_or_taken_from_a_bucket_that_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    for (name, bucket, server) in S3::each(directory.path()) {
        fs::write(bucket.join("a.bin"), "content").unwrap();
        let db = instance(&directory.path().join(format!("{name}-db")), environment()).await;
        let artifact = db.artifact(server.url("a.bin")).save().await.unwrap();
        let gone = server.url("").replace(BUCKET, "no-such-bucket");
        let storage = db.add_storage(gone).await.unwrap();
        // The other server makes buckets that it is asked to write to.
        for size in [10, 9 << 20].into_iter().filter(|_| name == "rclone") {
            let file = directory.path().join("b.csv");
            fs::write(&file, vec![b'b'; size]).unwrap();
            let saved = db.artifact(&file).storage(&storage).save().await;
            let error = saved.map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error:#}");
            assert!(error.message().contains("no such bucket"), "{error:#}");
        }
        assert_eq!(db.artifacts().count().await.unwrap(), 1);
        fs::remove_dir_all(&bucket).unwrap();
        let error = artifact.cache().path().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{name}: {error:#}");
        assert!(error.message().contains("bucket"), "{name}: {error:#}");
        assert!(db.cache().list().unwrap().is_empty());
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
    use anndex_remote_object_store::{ObjectStoreDriver, RequestLimits};

    let environment = variables([("AWS_SECRET_ACCESS_KEY", "wrong-secret")]);
    let driver = ObjectStoreDriver::with(environment, RequestLimits::default());
    assert!(!format!("{driver:?}").contains("wrong-secret"));
    let url = StorageUrl::parse("s3://cells").unwrap();
    let error = driver.open(&url).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:#}");
    assert!(error.message().contains("AWS_ACCESS_KEY_ID"), "{error:#}");
}
