//! SFTP and WebDAV: the same suite as on all other storages, on real servers.
//!
//! What connects by SFTP is this test binary once more, with a program `ssh` that knows the keys of
//! the test and nothing of who runs it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anndex_conformance::storage::{run, run_writing};
use anndex_core::ErrorKind;
use anndex_core::backend::memory::MemoryBackend;
use anndex_core::instance::Instance;
use anndex_core::mapped::{BatchFormat, MappedCollection, MappedOptions, Shuffle};
use anndex_core::storage::{ReadAt, StorageDriver, StorageUrl};
use anndex_remote_opendal::opendal_core::Operator;
use anndex_remote_opendal::{Environment, OperatorDriver};
use anndex_test_server::{ACCESS_KEY, Rclone, SECRET_KEY, SshKeys};
use anndex_tests::formats;
use anndex_tests::proxy::{Fault, Proxy};
use anndex_tests::registry::instance_with;
use anndex_tests::servers::{drivers_of, limits, open, variables};
use opendal_service_fs::Fs;

use crate::streamed::{epoch, register, write_counts};

/// Tells a process where the server is that it is to connect to.
const PORT: &str = "ANNDEX_TEST_SFTP_PORT";
/// And which directory it serves.
const SERVED: &str = "ANNDEX_TEST_SFTP_DIRECTORY";

const EXACT: Shuffle = Shuffle::Exact { seed: 5 };

/// Runs a test of this binary with the program `ssh` of the keys, and says whether it passed.
fn passes(test: &str, keys: &SshKeys, server: &Rclone, served: &Path) -> bool {
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let mut path = vec![keys.programs()];
    path.extend(std::env::split_paths(&inherited));
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture"])
        .env("PATH", std::env::join_paths(path).unwrap())
        .env(PORT, server.port().to_string())
        .env(SERVED, served);
    command.status().unwrap().success()
}

/// The URL of the server, and its directory, if this is the process that is to connect.
fn given() -> Option<(String, std::path::PathBuf)> {
    let port = std::env::var(PORT).ok()?;
    let url = format!("sftp://127.0.0.1:{port}");
    Some((url, std::env::var_os(SERVED)?.into()))
}

#[tokio::test]
async fn a_sftp_server_fulfils_the_contract() {
    const TEST: &str = "opendal::a_sftp_server_fulfils_the_contract";
    if let Some((url, served)) = given() {
        let storage = open(variables([]), &url);
        match served.ends_with("written") {
            false => run(&served, storage).await,
            true => run_writing(&served, storage).await,
        }
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let keys = SshKeys::new(&directory.path().join("keys")).unwrap();
    let (read, written) = (
        directory.path().join("read"),
        directory.path().join("written"),
    );
    fs::create_dir(&read).unwrap();
    fs::create_dir(&written).unwrap();
    let server = Rclone::sftp(&read, &keys).unwrap();
    assert!(passes(TEST, &keys, &server, &read));
    let server = Rclone::sftp_that_is_written(&written, &keys).unwrap();
    assert!(passes(TEST, &keys, &server, &written));
}

#[tokio::test]
async fn who_is_not_known_by_sftp_is_told_so() {
    const TEST: &str = "opendal::who_is_not_known_by_sftp_is_told_so";
    if let Some((url, served)) = given() {
        let error = open(variables([]), &url).head("a.bin").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:#}");
        let expected = match served.ends_with("host") {
            true => "the key of the host is not known",
            false => "does not accept who you are",
        };
        assert!(error.message().contains(expected), "{error:#}");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let keys = SshKeys::new(&directory.path().join("keys")).unwrap();
    let server = Rclone::sftp(directory.path(), &keys).unwrap();
    keys.change_client().unwrap();
    assert!(passes(TEST, &keys, &server, Path::new("client")));
    keys.forget_hosts().unwrap();
    assert!(passes(TEST, &keys, &server, Path::new("host")));
}

#[tokio::test]
async fn collections_on_sftp_servers_are_cached_and_streamed() {
    const TEST: &str = "opendal::collections_on_sftp_servers_are_cached_and_streamed";
    if let Some((url, served)) = given() {
        is_cached_and_streamed(variables([]), &url, &served).await;
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let keys = SshKeys::new(&directory.path().join("keys")).unwrap();
    let served = directory.path().join("served");
    fs::create_dir(&served).unwrap();
    let server = Rclone::sftp_that_is_written(&served, &keys).unwrap();
    assert!(passes(TEST, &keys, &server, &served));
}

#[tokio::test]
async fn another_service_of_opendal_fulfils_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().to_str().unwrap().to_owned();
    let driver = OperatorDriver::new(&["fs"], move |_| {
        Ok(Operator::new(Fs::default().root(&root)).unwrap())
    });
    let open = |url| driver.open(&StorageUrl::parse(url).unwrap()).unwrap();
    run(directory.path(), open("fs://here")).await;
    let part = directory.path().join("deep/x");
    run_writing(&part, open("fs://here/deep/x")).await;
}

/// An environment whose `.netrc` has the password of the WebDAV server.
fn netrc(directory: &Path, password: &str) -> Environment {
    let path = directory.join("netrc");
    let text = format!("machine 127.0.0.1 login {ACCESS_KEY} password {password}\n");
    fs::write(&path, text).unwrap();
    variables([("NETRC", path.to_str().unwrap())])
}

fn webdav(server: &str) -> String {
    format!("webdav+{server}")
}

#[tokio::test]
async fn a_webdav_server_fulfils_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    let environment = netrc(directory.path(), SECRET_KEY);
    let served = directory.path().join("read");
    fs::create_dir(&served).unwrap();
    let server = Rclone::webdav(&served).unwrap();
    run(&served, open(environment.clone(), &webdav(&server.url()))).await;
    let served = directory.path().join("written");
    fs::create_dir(&served).unwrap();
    let server = Rclone::webdav_that_is_written(&served).unwrap();
    let part = open(environment, &format!("{}/deep/x", webdav(&server.url())));
    run_writing(&served.join("deep/x"), part.clone()).await;
    let error = part.write("large", Arc::new(Large)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:#}");
    let left = part.list("").await.unwrap();
    let left: Vec<_> = left.iter().map(|object| object.key.as_str()).collect();
    assert_eq!(left, ["source"], "what the suite writes itself");
}

/// More than fits the memory.
#[derive(Debug)]
struct Large;

impl ReadAt for Large {
    fn len(&self) -> u64 {
        (1 << 30) + 1
    }

    fn read_exact_at(&self, _: u64, _: &mut [u8]) -> std::io::Result<()> {
        panic!("this is not to be read");
    }
}

#[tokio::test]
async fn a_webdav_server_may_fail_for_a_while() {
    let directory = tempfile::tempdir().unwrap();
    let environment = netrc(directory.path(), SECRET_KEY);
    let served = directory.path().join("served");
    fs::create_dir(&served).unwrap();
    let server = Rclone::webdav(&served).unwrap();
    let proxy = Proxy::start(&server.url(), Duration::ZERO, |number, _| {
        match number % 4 {
            1 => Fault::Status(503),
            3 => Fault::Cut(100),
            _ => Fault::None,
        }
    });
    run(&served, open(environment, &webdav(&proxy.url()))).await;
}

#[tokio::test]
async fn who_is_not_known_by_webdav_is_told_so() {
    let directory = tempfile::tempdir().unwrap();
    let server = Rclone::webdav(directory.path()).unwrap();
    let url = webdav(&server.url());
    for environment in [variables([]), netrc(directory.path(), "wrong-horse")] {
        let error = open(environment, &url).head("netrc").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:#}");
        assert!(!format!("{error:?}").contains("wrong-horse"), "{error:?}");
    }
    let path = directory.path().join("netrc");
    fs::write(&path, "wrong-horse battery").unwrap();
    let drivers = drivers_of(variables([("NETRC", path.to_str().unwrap())]), limits());
    let url = StorageUrl::parse(&url).unwrap();
    let error = drivers.open(&url).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:#}");
    assert!(!format!("{error:?}").contains("wrong-horse"), "{error:?}");
}

#[tokio::test]
async fn a_refusal_is_not_asked_for_again() {
    let directory = tempfile::tempdir().unwrap();
    let server = Rclone::webdav(directory.path()).unwrap();
    let plan = |_, _: &str| Fault::Status(403);
    let proxy = Proxy::start(&server.url(), Duration::ZERO, plan);
    let storage = open(variables([]), &webdav(&proxy.url()));
    let error = storage.head("a.bin").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:#}");
    assert_eq!(proxy.requests(), 1);
}

#[tokio::test]
async fn collections_on_webdav_servers_are_cached_and_streamed() {
    let directory = tempfile::tempdir().unwrap();
    let environment = netrc(directory.path(), SECRET_KEY);
    let served = directory.path().join("served");
    fs::create_dir(&served).unwrap();
    let server = Rclone::webdav_that_is_written(&served).unwrap();
    is_cached_and_streamed(environment, &webdav(&server.url()), &served).await;
}

/// Collections are mapped as from local disk; what is saved there comes back.
async fn is_cached_and_streamed(environment: Environment, url: &str, served: &Path) {
    let own = tempfile::tempdir().unwrap();
    let backend = Arc::new(MemoryBackend::new());
    let drivers = drivers_of(environment, limits());
    let storage = own.path().join("storage");
    let db: Instance = instance_with(backend, &storage, drivers).await.unwrap();
    is_mapped_alike(&db, url, served).await;
    let root = db.add_storage(format!("{url}/lab")).await.unwrap();
    let new = own.path().join("three.h5ad");
    write_counts(&new, 200, 7);
    let artifact = db.artifact(&new).storage(&root).save().await.unwrap();
    let there = served.join("lab").join(&artifact.storage_key);
    assert_eq!(fs::read(there).unwrap(), fs::read(&new).unwrap());
}

/// A file and a directory at a URL are mapped in place and from the cache as from local disk.
pub(super) async fn is_mapped_alike(db: &Instance, url: &str, served: &Path) {
    let names = ["one.h5ad", "two.zarr"];
    for (index, name) in names.iter().enumerate() {
        write_counts(&served.join(name), 300, index);
    }
    let urls = names.map(|name| format!("{url}/{name}"));
    let collection = register(db, &urls).await;
    let paths = names.map(|name| served.join(name));
    let here = MappedCollection::open_paths(&formats(), &paths, &MappedOptions::default());
    let expected = epoch(&here.unwrap(), EXACT, BatchFormat::Csr, 8 << 20);
    for is_streamed in [true, false] {
        let options = MappedOptions::default().stream(is_streamed);
        let mapped = collection.mapped().options(options).open().await.unwrap();
        let batches = epoch(&mapped, EXACT, BatchFormat::Csr, 8 << 20);
        assert!(batches == expected, "streamed: {is_streamed}");
    }
}
