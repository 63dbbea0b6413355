//! Servers that fail: what is read is right, or the error is clear and comes in time.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anndex_core::ErrorKind;
use anndex_core::backend::memory::MemoryBackend;
use anndex_core::instance::Instance;
use anndex_core::registry::hash::hash_path;
use anndex_tests::proxy::{Fault, Proxy};
use anndex_tests::registry::{instance_on, instance_with};
use anndex_tests::servers::{BUCKET, S3, drivers_with, short_limits};

const LATENCY: Duration = Duration::from_millis(50);

async fn instance(directory: &Path) -> Instance {
    let backend = Arc::new(MemoryBackend::new());
    instance_on(backend, &directory.join("storage"))
        .await
        .unwrap()
}

fn url(proxy: &Proxy, key: &str) -> String {
    format!("s3://{BUCKET}/{key}?endpoint_url={}", proxy.url())
}

/// Registers and caches an object of two pieces and a directory through a proxy.
async fn through(plan: impl Fn(u64, &str) -> Fault + Clone + Send + Sync + 'static) {
    let directory = tempfile::tempdir().unwrap();
    for (name, bucket, server) in S3::each(directory.path()) {
        let content: Vec<u8> = (0..9u32 << 20).map(|i| ((i * 31) >> 3) as u8).collect();
        fs::write(bucket.join("a.bin"), &content).unwrap();
        fs::create_dir_all(bucket.join("dir/deep")).unwrap();
        for file in ["dir/b", "dir/deep/c", "dir/deep/d"] {
            fs::write(bucket.join(file), &content[..100_000]).unwrap();
        }
        let proxy = Proxy::start(&server.endpoint(), LATENCY, plan.clone());
        let db = instance(&directory.path().join(name)).await;
        for key in ["a.bin", "dir"] {
            let artifact = db.artifact(url(&proxy, key)).save().await;
            let artifact = artifact.unwrap_or_else(|e| panic!("{name} {key}: {e:#}"));
            let cached = artifact.cache().path().await;
            let cached = cached.unwrap_or_else(|e| panic!("{name} {key}: {e:#}"));
            let expected = hash_path(&bucket.join(key)).unwrap();
            assert_eq!(hash_path(&cached).unwrap(), expected, "{name} {key}");
            assert_eq!(artifact.hash.as_deref(), Some(expected.hash.as_str()));
        }
        assert!(proxy.requests() >= 10, "{}", proxy.requests());
    }
}

#[tokio::test]
async fn latency_costs_time_only() {
    through(|_, _| Fault::None).await;
}

#[tokio::test]
async fn bodies_that_are_cut_off_are_read_on() {
    through(|number, _| match number % 3 {
        1 => Fault::Cut(60_000),
        _ => Fault::None,
    })
    .await;
}

#[tokio::test]
async fn failures_that_pass_are_waited_for() {
    through(|number, _| match number % 5 {
        0 => Fault::Status(500),
        1 => Fault::Status(503),
        2 => Fault::Status(429),
        _ => Fault::None,
    })
    .await;
}

#[tokio::test]
async fn connections_that_break_are_made_again() {
    through(|number, _| match number % 3 {
        0 => Fault::Refuse,
        _ => Fault::None,
    })
    .await;
}

#[tokio::test]
async fn a_server_that_stalls_once_is_asked_again() {
    through(|number, _| match number {
        1 | 4 => Fault::Stall(1000),
        _ => Fault::None,
    })
    .await;
}

#[tokio::test]
async fn failures_that_do_not_pass_are_errors_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let (_, bucket, server) = S3::each(directory.path()).remove(1);
    fs::write(bucket.join("a.bin"), [7; 100_000]).unwrap();
    for (fault, words) in [
        (Fault::Status(500), "the storage fails"),
        (Fault::Status(429), "refuses more requests for now"),
        (Fault::Stall(10), "in time"),
        (Fault::Cut(10), "breaks"),
        (Fault::Refuse, "breaks"),
    ] {
        // Looking works; reading never does.
        let plan = move |_, request: &str| match request.starts_with("GET") {
            true => fault,
            false => Fault::None,
        };
        let proxy = Proxy::start(&server.endpoint(), Duration::ZERO, plan);
        let backend = Arc::new(MemoryBackend::new());
        let storage = directory.path().join(format!("{fault:?}"));
        let drivers = drivers_with(short_limits());
        let db = instance_with(backend, &storage, drivers).await.unwrap();
        let started = Instant::now();
        let error = db.artifact(url(&proxy, "a.bin")).save().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage, "{fault:?}: {error:#}");
        println!("{fault:?} {:?} {error:#}", started.elapsed());
        // Looking has a limit, too.
        let most = 3 * short_limits().total;
        assert!(started.elapsed() < most, "{:?}", started.elapsed());
        let is_clear = [words, "did not answer within"];
        let is_clear = is_clear.iter().any(|words| error.message().contains(words));
        assert!(is_clear, "{fault:?}: {error:#}");
        assert_eq!(db.artifacts().count().await.unwrap(), 0);
    }
}
