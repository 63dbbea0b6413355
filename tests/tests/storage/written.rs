//! Copies that are put into buckets: whole and with their record, or not there.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anndex_core::ErrorKind;
use anndex_core::backend::memory::MemoryBackend;
use anndex_core::instance::Instance;
use anndex_core::registry::hash::{files_of, hash_path};
use anndex_tests::proxy::{Fault, Proxy};
use anndex_tests::registry::{instance_on, instance_with};
use anndex_tests::servers::{BUCKET, S3, drivers};

async fn instance(directory: &Path) -> Instance {
    let backend = Arc::new(MemoryBackend::new());
    instance_on(backend, &directory.join("storage"))
        .await
        .unwrap()
}

/// A file of three parts, and a directory.
fn sources(directory: &Path) -> [PathBuf; 2] {
    let content: Vec<u8> = (0..(17u32 << 20)).map(|i| ((i * 13) >> 2) as u8).collect();
    let (file, images) = (directory.join("a.bin"), directory.join("images"));
    fs::write(&file, &content).unwrap();
    fs::create_dir_all(images.join("deep")).unwrap();
    for (name, length) in [("b.tif", 0), ("deep/gr\u{f6}\u{df}e 1.tif", 70_000)] {
        fs::write(images.join(name), &content[..length]).unwrap();
    }
    [file, images]
}

/// Puts the sources into a bucket through a proxy, brings them back and deletes them.
async fn through(plan: impl Fn(u64, &str) -> Fault + Clone + Send + Sync + 'static) {
    let directory = tempfile::tempdir().unwrap();
    let sources = sources(directory.path());
    for (name, bucket, server) in S3::each_that_is_written(directory.path()) {
        let proxy = Proxy::start(&server.endpoint(), Duration::ZERO, plan.clone());
        let db = instance(&directory.path().join(format!("{name}-db"))).await;
        let root = format!("s3://{BUCKET}/lab?endpoint_url={}", proxy.url());
        let storage = db.add_storage(root).await.unwrap();
        for source in &sources {
            let saved = db.artifact(source).storage(&storage).save().await;
            let mut artifact = saved.unwrap_or_else(|e| panic!("{name}: {e:#}"));
            assert_eq!(artifact.storage_id, storage.id());
            let hash = hash_path(source).unwrap();
            let there = bucket.join("lab").join(&artifact.storage_key);
            assert_eq!(hash_path(&there).unwrap(), hash, "{name}");
            let cached = artifact.cache().path().await;
            let cached = cached.unwrap_or_else(|e| panic!("{name}: {e:#}"));
            assert_eq!(hash_path(&cached).unwrap(), hash, "{name}");
            assert!(db.check().deep(true).run().await.unwrap().is_consistent());
            // Known content is not put there again.
            let again = db.artifact(source).storage(&storage).save().await.unwrap();
            assert_eq!(again.uid, artifact.uid);
            let deleted = artifact.delete(Some(true)).await;
            deleted.unwrap_or_else(|e| panic!("{name}: {e:#}"));
            let left: Vec<_> = files_of(&bucket).unwrap();
            assert!(left.is_empty(), "{name}: {left:?}");
        }
    }
}

#[tokio::test]
async fn files_and_directories_are_put_into_buckets() {
    through(|_, _| Fault::None).await;
}

#[tokio::test]
async fn failures_that_pass_do_not_harm() {
    through(
        |number, request| match (number % 8, request.starts_with("PUT")) {
            (0, _) => Fault::Status(503),
            (2, true) => Fault::Status(500),
            (2, false) => Fault::Cut(1000),
            (4, true) => Fault::Status(429),
            (6, true) => Fault::Refuse,
            _ => Fault::None,
        },
    )
    .await;
}

#[tokio::test]
async fn an_upload_that_fails_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let sources = sources(directory.path());
    for (name, bucket, server) in S3::each_that_is_written(directory.path()) {
        // All but the first parts and the first file of a directory.
        let plan = |_, request: &str| {
            let is_late = request.contains("partNumber=3") || request.contains("deep");
            match request.starts_with("PUT") && is_late {
                true => Fault::Status(403),
                false => Fault::None,
            }
        };
        let proxy = Proxy::start(&server.endpoint(), Duration::ZERO, plan);
        let backend = Arc::new(MemoryBackend::new());
        let storage = directory.path().join(format!("{name}-db"));
        let db = instance_with(backend, &storage, drivers()).await.unwrap();
        let root = format!("s3://{BUCKET}?endpoint_url={}", proxy.url());
        let storage = db.add_storage(root).await.unwrap();
        for source in &sources {
            let error = db
                .artifact(source)
                .storage(&storage)
                .save()
                .await
                .unwrap_err();
            assert_eq!(
                error.kind(),
                ErrorKind::PermissionDenied,
                "{name}: {error:#}"
            );
            assert_eq!(db.artifacts().count().await.unwrap(), 0);
            let left: Vec<_> = files_of(&bucket).unwrap();
            assert!(left.is_empty(), "{name}: {left:?}");
        }
    }
}
