//! Credentials go to the server that the user configured them for, and to no other.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anndex_core::storage::{ObjectStorage, StorageDriver, StorageUrl};
use anndex_core::{Error, ErrorKind};
use anndex_remote_object_store::{Environment, ObjectStoreDriver};
use anndex_test_server::{ACCESS_KEY, Rclone, SECRET_KEY};
use anndex_tests::proxy::{Fault, Proxy};
use anndex_tests::servers::{BUCKET, S3, environment, limits, open, variables};

const TOKEN: &str = "token-of-a-session";

/// A server that notes the heads of all requests, each of which then has the fault.
fn noting(server: &str, fault: Fault) -> (Proxy, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let noted = heads.clone();
    let proxy = Proxy::start(server, Duration::ZERO, move |_, head| {
        noted.lock().unwrap().push(head.to_ascii_lowercase());
        fault
    });
    (proxy, heads)
}

/// Checks that something was asked, and that no request said by whom.
fn assert_no_secret(heads: &Mutex<Vec<String>>) {
    let heads = heads.lock().unwrap();
    assert!(!heads.is_empty());
    for head in heads.iter() {
        for secret in [TOKEN, "authorization", "x-amz-security", "referer"] {
            assert!(!head.contains(secret), "{secret}: {head}");
        }
    }
}

fn bucket(server: &str, environment: Environment) -> Arc<dyn ObjectStorage> {
    let url = format!("s3://{BUCKET}?endpoint_url={server}");
    let driver = ObjectStoreDriver::with(environment, limits());
    driver.open(&StorageUrl::parse(&url).unwrap()).unwrap()
}

fn with_token() -> Environment {
    environment().with("AWS_SESSION_TOKEN", TOKEN)
}

async fn refused(storage: &dyn ObjectStorage) -> [Error; 2] {
    let look = storage.head("a.bin").await.unwrap_err();
    let list = storage.list("").await.unwrap_err();
    [look, list]
}

#[tokio::test]
async fn a_redirect_takes_no_credentials_along() {
    let directory = tempfile::tempdir().unwrap();
    let (_, _, server) = S3::each(directory.path()).remove(1);
    let (other, heads) = noting(&server.endpoint(), Fault::None);
    let (proxy, _) = noting(&server.endpoint(), Fault::Redirect(other.port()));
    let own = with_token().with("AWS_ENDPOINT_URL", &proxy.url());
    let storage = bucket(&proxy.url(), own);
    for error in refused(&*storage).await {
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:#}");
        assert!(error.message().contains("AWS_REGION"), "{error:#}");
    }
    assert_no_secret(&heads);
}

/// Some servers send to another one, which gives contents to everybody who knows where they are.
#[tokio::test]
async fn what_needs_no_credentials_is_read_behind_a_redirect() {
    let directory = tempfile::tempdir().unwrap();
    let (_, bucket_path, server) = S3::each(directory.path()).remove(1);
    fs::write(bucket_path.join("a.bin"), "content").unwrap();
    let web = Rclone::http(bucket_path.parent().unwrap()).unwrap();
    let (other, heads) = noting(&web.url(), Fault::None);
    let (proxy, _) = noting(&server.endpoint(), Fault::Redirect(other.port()));
    let own = with_token().with("AWS_ENDPOINT_URL", &proxy.url());
    let storage = bucket(&proxy.url(), own);
    let seen = storage.head("a.bin").await.unwrap();
    assert_eq!(storage.read(&seen, 2..5).await.unwrap()[..], *b"nte");
    let error = storage.write("b", Arc::new(Bytes)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:#}");
    assert_no_secret(&heads);
}

/// An object of no bytes.
#[derive(Debug)]
struct Bytes;

impl anndex_core::storage::ReadAt for Bytes {
    fn len(&self) -> u64 {
        0
    }

    fn read_exact_at(&self, _: u64, _: &mut [u8]) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_server_that_only_a_url_names_gets_no_credentials() {
    let directory = tempfile::tempdir().unwrap();
    let (_, bucket_path, server) = S3::each(directory.path()).remove(1);
    fs::write(bucket_path.join("a.bin"), "content").unwrap();
    let (proxy, heads) = noting(&server.endpoint(), Fault::None);
    for other in [
        None,
        Some("http://127.0.0.1:1"),
        Some("https://s3.example.org"),
    ] {
        let environment = match other {
            Some(other) => with_token().with("AWS_ENDPOINT_URL", other),
            None => with_token(),
        };
        for error in refused(&*bucket(&proxy.url(), environment)).await {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:#}");
            assert!(error.message().contains("AWS_ENDPOINT_URL"), "{error:#}");
        }
    }
    assert_no_secret(&heads);
    // Half of the credentials would be an error of their own.
    let half = variables([("AWS_SECRET_ACCESS_KEY", "half")]);
    refused(&*bucket(&proxy.url(), half)).await;
    assert_no_secret(&heads);
    let own = environment().with("AWS_ENDPOINT_URL", &proxy.url());
    assert_eq!(
        bucket(&proxy.url(), own).head("a.bin").await.unwrap().size,
        7
    );
    assert!(
        heads
            .lock()
            .unwrap()
            .last()
            .unwrap()
            .contains("authorization")
    );
}

/// An environment with keys that are for another server, and profiles with these lines.
fn with_profiles(directory: &Path, profiles: &str) -> Environment {
    let aws = directory.join(".aws");
    fs::create_dir_all(&aws).unwrap();
    fs::write(aws.join("config"), profiles).unwrap();
    variables([
        ("HOME", directory.to_str().unwrap()),
        ("AWS_ACCESS_KEY_ID", "nobody"),
        ("AWS_SECRET_ACCESS_KEY", "nothing"),
    ])
}

#[tokio::test]
async fn the_profile_that_names_a_server_has_its_credentials() {
    let directory = tempfile::tempdir().unwrap();
    let (_, bucket_path, server) = S3::each(directory.path()).remove(1);
    fs::write(bucket_path.join("a.bin"), "content").unwrap();
    let keys = format!("aws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n");
    let other = "endpoint_url = https://s3.example.org\n";
    let own = format!("endpoint_url = {}/\n", server.endpoint());
    let profiles = format!("[profile other]\n{other}{keys}[profile own]\n{own}{keys}");
    let known = with_profiles(directory.path(), &profiles);
    let storage = bucket(&server.endpoint(), known);
    assert_eq!(storage.head("a.bin").await.unwrap().size, 7);
    let known = with_profiles(directory.path(), &format!("[profile other]\n{other}{keys}"));
    for error in refused(&*bucket(&server.endpoint(), known)).await {
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:#}");
    }
}

#[tokio::test]
async fn a_password_of_webdav_is_for_its_host() {
    let directory = tempfile::tempdir().unwrap();
    let served = directory.path().join("served");
    fs::create_dir(&served).unwrap();
    fs::write(served.join("a.bin"), "content").unwrap();
    let server = Rclone::webdav(&served).unwrap();
    let (other, heads) = noting(&server.url(), Fault::None);
    let (proxy, _) = noting(&server.url(), Fault::Redirect(other.port()));
    let netrc = directory.path().join("netrc");
    let who = format!("login {ACCESS_KEY} password {SECRET_KEY}");
    let known = |text: String| {
        fs::write(&netrc, text).unwrap();
        variables([("NETRC", netrc.to_str().unwrap())])
    };
    let own = known(format!("machine 127.0.0.1 {who}"));
    let redirected = open(own, &format!("webdav+{}", proxy.url()));
    redirected.head("a.bin").await.unwrap_err();
    let any = known(format!("default {who}"));
    let unnamed = open(any, &format!("webdav+{}", other.url()));
    let error = unnamed.head("a.bin").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:#}");
    assert_no_secret(&heads);
}
