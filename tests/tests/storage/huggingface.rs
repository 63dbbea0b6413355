//! Repositories of the Hugging Face Hub: the same suite as on all other storages, who gets to see
//! the token, and what users get to see when the Hub refuses.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anndex_conformance::storage::{run, run_writing};
use anndex_core::backend::memory::MemoryBackend;
use anndex_core::storage::StorageUrl;
use anndex_core::{Error, ErrorKind};
use anndex_remote_object_store::Environment;
use anndex_test_server::{HUB_TOKEN, Hub};
use anndex_tests::proxy::{Fault, Proxy};
use anndex_tests::registry::instance_with;
use anndex_tests::servers::{drivers_of, limits, open, variables};

use crate::opendal::is_mapped_alike;
use crate::streamed::write_counts;

const CELLS: &str = "hf://datasets/lab/cells";
const PRIVATE: &str = "hf://datasets/lab/private";

/// The environment of somebody without a token.
fn stranger(hub: &str) -> Environment {
    variables([("HF_ENDPOINT", hub)])
}

/// The environment of somebody with a token.
fn member(hub: &str, token: &str) -> Environment {
    variables([("HF_ENDPOINT", hub), ("HF_TOKEN", token)])
}

#[tokio::test]
async fn a_repository_fulfils_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    let hub = Hub::start(directory.path()).unwrap();
    let url = format!("{CELLS}?endpoint_url={}", hub.url());
    let storage = open(variables([]), &url);
    run(directory.path(), storage.clone()).await;
    run_writing(directory.path(), storage).await;
}

#[tokio::test]
async fn each_kind_and_revision_of_repositories_fulfils_the_contract() {
    for url in [
        "hf://lab/net",
        "hf://spaces/lab/app@v1/deep/x",
        "hf://datasets/lab/cells@refs%2Fconvert%2Fparquet/deep/x",
        "hf://datasets/lab/private@refs/convert/parquet",
    ] {
        let directory = tempfile::tempdir().unwrap();
        let hub = Hub::start(directory.path()).unwrap();
        let served = directory.path().join(StorageUrl::parse(url).unwrap().key());
        fs::create_dir_all(&served).unwrap();
        if served != directory.path() {
            fs::write(directory.path().join("outside"), "not inside").unwrap();
        }
        run(&served, open(member(&hub.url(), HUB_TOKEN), url)).await;
    }
}

#[tokio::test]
async fn the_hub_may_fail_for_a_while() {
    let directory = tempfile::tempdir().unwrap();
    let hub = Hub::start(directory.path()).unwrap();
    let plan = |number, _: &str| match number % 5 {
        1 => Fault::Status(503),
        3 => Fault::Cut(100),
        _ => Fault::None,
    };
    let proxy = Proxy::start(&hub.url(), Duration::ZERO, plan);
    run(directory.path(), open(stranger(&proxy.url()), CELLS)).await;
}

#[tokio::test]
async fn collections_on_the_hub_are_cached_and_streamed() {
    let directory = tempfile::tempdir().unwrap();
    let (served, own) = (
        directory.path().join("served"),
        directory.path().join("own"),
    );
    fs::create_dir(&served).unwrap();
    let hub = Hub::start(&served).unwrap();
    let drivers = drivers_of(stranger(&hub.url()), limits());
    let backend = Arc::new(MemoryBackend::new());
    let db = instance_with(backend, &own, drivers).await.unwrap();
    is_mapped_alike(&db, CELLS, &served).await;
    let root = db.add_storage(format!("{CELLS}@v1/lab")).await.unwrap();
    let new = directory.path().join("three.h5ad");
    write_counts(&new, 200, 7);
    let saved = db.artifact(&new).storage(&root).save().await;
    let error = saved.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:#}");
    assert!(error.message().contains("for reading"), "{error:#}");
}

#[tokio::test]
async fn where_a_large_file_is_stays_known_for_a_while() {
    let directory = tempfile::tempdir().unwrap();
    let hub = Hub::start(directory.path()).unwrap();
    let path = directory.path().join("a.bin");
    fs::write(&path, [1; 10_000]).unwrap();
    let storage = open(stranger(&hub.url()), CELLS);
    let seen = storage.head("a.bin").await.unwrap();
    for start in 0..10 {
        let read = storage.read(&seen, start..start + 100).await.unwrap();
        assert_eq!(read[..], [1; 100]);
    }
    assert_eq!((hub.requests(), hub.requests_for_contents()), (2, 10));
    fs::write(&path, [2; 10_000]).unwrap();
    let error = storage.read(&seen, 0..100).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage, "{error:#}");
    assert!(error.message().contains("changed"), "{error:#}");
    let seen = storage.head("a.bin").await.unwrap();
    assert_eq!(storage.read(&seen, 0..100).await.unwrap()[..], [2; 100]);
}

/// The errors of looking at, of reading and of listing.
async fn errors(environment: Environment, url: &str) -> Vec<Error> {
    let storage = open(environment, url);
    let errors = vec![
        storage.head("a.bin").await.unwrap_err(),
        storage.list("").await.unwrap_err(),
    ];
    for error in &errors {
        let shown = format!("{error:?} {error:#}");
        assert!(!shown.contains("battery"), "{shown}");
        assert!(!shown.contains("signature"), "{shown}");
    }
    errors
}

#[tokio::test]
async fn a_refusal_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let hub = Hub::start(directory.path()).unwrap();
    fs::write(directory.path().join("a.bin"), [1; 10_000]).unwrap();
    let none = || stranger(&hub.url());
    let wrong = || member(&hub.url(), "hf_wrong-battery");
    let right = || member(&hub.url(), HUB_TOKEN);
    for (environment, url, kind, words) in [
        (none(), PRIVATE, ErrorKind::PermissionDenied, "private"),
        (wrong(), PRIVATE, ErrorKind::PermissionDenied, "the token"),
        (
            none(),
            "hf://datasets/lab/gated",
            ErrorKind::PermissionDenied,
            "is gated",
        ),
        (
            none(),
            "hf://lab/missing",
            ErrorKind::PermissionDenied,
            "no such repository",
        ),
        (
            right(),
            "hf://lab/missing",
            ErrorKind::NotFound,
            "no such repository",
        ),
        (
            right(),
            "hf://lab/net@v2",
            ErrorKind::NotFound,
            "no such revision",
        ),
    ] {
        for error in errors(environment.clone(), url).await {
            assert_eq!(error.kind(), kind, "{url}: {error:#}");
            assert!(error.message().contains(words), "{url}: {error:#}");
        }
    }
    let error = open(right(), CELLS).head("b.bin").await.unwrap_err();
    assert!(error.message().contains("no such file"), "{error:#}");
}

#[tokio::test]
async fn the_token_is_where_a_login_writes_it() {
    let directory = tempfile::tempdir().unwrap();
    let hub = Hub::start(directory.path()).unwrap();
    fs::write(directory.path().join("a.bin"), [1; 10_000]).unwrap();
    let home = directory.path().join("home");
    let token = |path: &str| {
        let path = home.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("{HUB_TOKEN}\n")).unwrap();
        path
    };
    let named = token("somewhere");
    token("hf/token");
    token(".cache/huggingface/token");
    token("cache/huggingface/token");
    for (name, value) in [
        ("HF_TOKEN", Path::new(HUB_TOKEN).to_owned()),
        ("HF_TOKEN_PATH", named),
        ("HF_HOME", home.join("hf")),
        ("XDG_CACHE_HOME", home.join("cache")),
        ("HOME", home.clone()),
    ] {
        let value = value.to_str().unwrap();
        let environment = |more| variables([("HF_ENDPOINT", &*hub.url()), (name, value), more]);
        let storage = open(environment(("LANG", "C")), PRIVATE);
        let seen = storage.head("a.bin").await.unwrap();
        // The server with the contents refuses whoever shows a token.
        let read = storage.read(&seen, 10..20).await.unwrap();
        assert_eq!(read[..], [1; 10], "{name}");
        let off = environment(("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1"));
        let error = open(off, PRIVATE).head("a.bin").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{name}");
    }
}

#[tokio::test]
async fn a_hub_that_only_a_url_names_gets_no_token() {
    let directory = tempfile::tempdir().unwrap();
    let hub = Hub::start(directory.path()).unwrap();
    fs::write(directory.path().join("a.bin"), [1; 10]).unwrap();
    let url = format!("{PRIVATE}?endpoint_url={}", hub.url());
    let error = open(variables([("HF_TOKEN", HUB_TOKEN)]), &url)
        .head("a.bin")
        .await
        .unwrap_err();
    assert!(error.message().contains("private"), "{error:#}");
    let storage = open(member(&hub.url(), HUB_TOKEN), &url);
    assert_eq!(storage.head("a.bin").await.unwrap().size, 10);
}

#[tokio::test]
async fn a_refusal_is_not_asked_for_again() {
    let directory = tempfile::tempdir().unwrap();
    let hub = Hub::start(directory.path()).unwrap();
    let plan = |_, _: &str| Fault::Status(403);
    let proxy = Proxy::start(&hub.url(), Duration::ZERO, plan);
    let storage = open(stranger(&proxy.url()), CELLS);
    let error = storage.head("a.bin").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:#}");
    assert_eq!(proxy.requests(), 1);
}

#[test]
fn an_environment_that_can_be_no_hubs_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().to_str().unwrap();
    for (environment, kind) in [
        (
            variables([("HF_ENDPOINT", "battery")]),
            ErrorKind::InvalidInput,
        ),
        (
            variables([("HF_ENDPOINT", "https://me:battery@hub.example.org")]),
            ErrorKind::InvalidInput,
        ),
        (
            variables([("HF_TOKEN", "battery\nb")]),
            ErrorKind::InvalidInput,
        ),
        (variables([("HF_TOKEN_PATH", folder)]), ErrorKind::Storage),
    ] {
        let drivers = drivers_of(environment, limits());
        let opened = drivers.open(&StorageUrl::parse(CELLS).unwrap());
        let error = opened.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:#}");
        assert!(
            !format!("{error:?} {error:#}").contains("battery"),
            "{error:?}"
        );
    }
}
