//! Copies of what is at URLs: moved once, whole, and no more of them than there is room for.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anndex_core::backend::Backend;
use anndex_core::backend::memory::MemoryBackend;
use anndex_core::instance::{Handle, Instance};
use anndex_core::record::Artifact;
use anndex_core::{ErrorKind, Result};
use anndex_tests::proxy::{Fault, Proxy};
use anndex_tests::registry::{DatabaseKind, Place, given_place, instance_on, open, processes};
use anndex_tests::servers::{BUCKET, S3};

/// A server behind a proxy that counts, and an instance.
struct World {
    directory: tempfile::TempDir,
    bucket: PathBuf,
    proxy: Proxy,
    backend: Arc<dyn Backend>,
    db: Instance,
    _server: S3,
}

impl World {
    async fn new(plan: impl Fn(u64, &str) -> Fault + Send + Sync + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (_, bucket, server) = S3::each(directory.path()).remove(1);
        let proxy = Proxy::start(&server.endpoint(), Duration::ZERO, plan);
        let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        let db = instance_on(backend.clone(), &directory.path().join("storage"))
            .await
            .unwrap();
        Self {
            directory,
            bucket,
            proxy,
            backend,
            db,
            _server: server,
        }
    }

    fn url(&self, key: &str) -> String {
        format!("s3://{BUCKET}/{key}?endpoint_url={}", self.proxy.url())
    }

    fn write(&self, key: &str, length: usize) {
        let path = self.bucket.join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let first = key.bytes().last().unwrap_or_default();
        let content: Vec<u8> = (0..length).map(|i| (i % 251) as u8 ^ first).collect();
        fs::write(path, content).unwrap();
    }

    async fn artifact(&self, key: &str, length: usize) -> Handle<Artifact> {
        self.write(key, length);
        self.db.artifact(self.url(key)).save().await.unwrap()
    }

    /// The instance as another process has it, with leases of its own.
    async fn again(&self) -> Instance {
        let storage = self.directory.path().join("storage");
        instance_on(self.backend.clone(), &storage).await.unwrap()
    }

    fn is_same(&self, key: &str, path: &Path) -> bool {
        fs::read(self.bucket.join(key)).unwrap() == fs::read(path).unwrap()
    }
}

async fn handle(db: &Instance, artifact: &Handle<Artifact>) -> Handle<Artifact> {
    db.artifacts().get(&artifact.uid).await.unwrap()
}

async fn error_of(result: Result<PathBuf>) -> anndex_core::Error {
    result.expect_err("this must fail")
}

#[tokio::test]
async fn what_is_here_is_not_moved_again() {
    let world = World::new(|_, _| Fault::None).await;
    let a = world.artifact("a.bin", 100_000).await;
    let path = a.cache().path().await.unwrap();
    assert_eq!(path.file_name().unwrap(), "a.bin");
    assert!(world.is_same("a.bin", &path));
    let (requests, bytes) = (world.proxy.requests(), world.proxy.bytes());
    assert_eq!(a.stage().path().await.unwrap(), path);
    let other = handle(&world.again().await, &a).await;
    assert_eq!(other.cache().path().await.unwrap(), path);
    // One look for each.
    assert_eq!(world.proxy.requests() - requests, 2);
    assert_eq!(world.proxy.bytes() - bytes, 0);
}

#[tokio::test]
async fn a_collection_has_local_paths_in_its_order() {
    let world = World::new(|_, _| Fault::None).await;
    let local = world.directory.path().join("local.txt");
    fs::write(&local, "local").unwrap();
    let local = world.db.artifact(&local).save().await.unwrap();
    let (a, b) = (
        world.artifact("a", 3000).await,
        world.artifact("b", 9 << 20).await,
    );
    let artifacts = [b.clone(), local.clone(), a.clone()];
    let collection = world
        .db
        .collection(&artifacts)
        .name("c")
        .save()
        .await
        .unwrap();
    let (last, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (tell_last, tell_most) = (last.clone(), most.clone());
    let cache = collection.cache().progress(move |progress| {
        assert!(progress.bytes <= progress.size && progress.total_bytes <= progress.total_size);
        tell_last.fetch_max(progress.total_bytes, Ordering::Relaxed);
        tell_most.store(progress.total_size, Ordering::Relaxed);
    });
    let paths = cache.paths().await.unwrap();
    assert!(world.is_same("b", &paths[0]) && world.is_same("a", &paths[2]));
    assert_eq!(paths[1], local.path().await.unwrap());
    let all = (9 << 20) + 3000;
    assert_eq!(
        (last.load(Ordering::Relaxed), most.load(Ordering::Relaxed)),
        (all, all)
    );
}

#[tokio::test]
async fn only_what_changed_of_a_directory_is_moved() {
    let world = World::new(|_, _| Fault::None).await;
    world.write("dir/a", 500_000);
    world.write("dir/deep/b", 400_000);
    world.write("dir/deep/c", 0);
    let artifact = world.db.artifact(world.url("dir")).save().await.unwrap();
    let path = artifact.cache().path().await.unwrap();
    assert!(world.is_same("dir/deep/b", &path.join("deep/b")));
    assert!(path.join("deep/c").is_file());
    // The same bytes, written again, have another tag in this server.
    let bytes = world.proxy.bytes();
    world.write("dir/deep/b", 400_000);
    assert_eq!(artifact.cache().path().await.unwrap(), path);
    let moved = world.proxy.bytes() - bytes;
    assert!(moved < 410_000, "{moved}");
    assert!(world.is_same("dir/a", &path.join("a")));
}

#[tokio::test]
async fn other_content_is_refused_and_the_copy_stays() {
    let world = World::new(|_, _| Fault::None).await;
    let a = world.artifact("a", 1000).await;
    let path = a.cache().path().await.unwrap();
    let before = fs::read(&path).unwrap();
    fs::write(world.bucket.join("a"), [1; 1000]).unwrap();
    let error = error_of(a.cache().path().await).await;
    assert_eq!(error.kind(), ErrorKind::Storage, "{error:#}");
    assert!(
        error.message().contains("changed since it was registered"),
        "{error:#}"
    );
    fs::write(world.bucket.join("a"), [1; 999]).unwrap();
    let error = error_of(a.cache().path().await).await;
    assert!(
        error.message().contains("not the one that was registered"),
        "{error:#}"
    );
    assert_eq!(fs::read(&path).unwrap(), before);
    let entries = world.db.cache().list().unwrap();
    assert!(entries.len() == 1 && entries[0].is_complete, "{entries:?}");
    // What was registered is accepted again.
    fs::write(world.bucket.join("a"), &before).unwrap();
    assert_eq!(a.cache().path().await.unwrap(), path);
}

#[tokio::test]
async fn what_was_interrupted_goes_on() {
    // Nothing beyond the second piece can be read; then all can.
    let broken = Arc::new(AtomicU64::new(0));
    let is_broken = broken.clone();
    let world = World::new(move |_, request| {
        let starts = ["16777216", "25165824"].map(|start| format!("bytes={start}-"));
        let is_late = starts.iter().any(|start| request.contains(start));
        match is_late && is_broken.load(Ordering::Relaxed) > 0 {
            true => Fault::Status(403),
            false => Fault::None,
        }
    })
    .await;
    let size = 25 << 20;
    let a = world.artifact("a", size).await;
    broken.store(1, Ordering::Relaxed);
    let error = error_of(a.cache().path().await).await;
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:#}");
    let entries = world.db.cache().list().unwrap();
    assert!(entries.len() == 1 && !entries[0].is_complete, "{entries:?}");
    let there = fs::metadata(&entries[0].path).unwrap().len();
    assert_eq!(there, 16 << 20);
    broken.store(0, Ordering::Relaxed);
    let bytes = world.proxy.bytes();
    let path = a.cache().path().await.unwrap();
    assert!(world.is_same("a", &path));
    assert_eq!(world.proxy.bytes() - bytes, size as u64 - there);
    assert!(world.db.cache().list().unwrap()[0].is_complete);
}

#[tokio::test]
async fn a_partial_copy_that_is_damaged_is_of_no_use() {
    let world = World::new(|_, _| Fault::None).await;
    let a = world.artifact("a", 10_000).await;
    let path = a.cache().path().await.unwrap();
    // As a process leaves it that was killed in the middle, with a byte that is not right.
    let cache = path.parent().unwrap().parent().unwrap().to_owned();
    let named = |suffix: &str| cache.join(format!("{}{suffix}", a.uid));
    fs::rename(named(""), named(".partial")).unwrap();
    fs::rename(named(".json"), named(".partial.json")).unwrap();
    let partial = named(".partial").join("a");
    let mut content = fs::read(&partial).unwrap();
    content.truncate(6000);
    content[5000] ^= 1;
    fs::write(&partial, content).unwrap();
    assert_eq!(a.cache().path().await.unwrap(), path);
    assert!(world.is_same("a", &path));
}

#[tokio::test]
async fn the_limit_removes_what_was_not_used_for_long_but_nothing_in_use() {
    let world = World::new(|_, _| Fault::None).await;
    let [a, b, c] = [
        world.artifact("a", 1000).await,
        world.artifact("b", 1000).await,
        world.artifact("c", 1500).await,
    ];
    let (one, two) = (world.again().await, world.again().await);
    let path_of_a = handle(&one, &a).await.cache().path().await.unwrap();
    let path_of_b = handle(&two, &b).await.cache().path().await.unwrap();
    let cache = world.db.cache();
    assert_eq!(cache.limit().unwrap(), None);
    assert_eq!(cache.set_limit(Some(3000)).unwrap().copies, 0);
    // Both are in use.
    let error = error_of(c.cache().path().await).await;
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:#}");
    assert!(error.message().contains("anndex cache limit"), "{error:#}");
    assert!(path_of_a.is_file() && path_of_b.is_file());
    drop(one);
    drop(two);
    // The first one is used again, so that the other one was not for longer.
    std::thread::sleep(Duration::from_millis(20));
    let one = world.again().await;
    handle(&one, &a).await.cache().path().await.unwrap();
    drop(one);
    let path_of_c = c.cache().path().await.unwrap();
    assert!(path_of_a.is_file() && path_of_c.is_file() && !path_of_b.exists());
    let too_large = world.artifact("d", 3001).await;
    let error = error_of(too_large.cache().path().await).await;
    assert!(error.message().contains("more than the limit"), "{error:#}");
    let cleared = cache.clear().unwrap();
    assert_eq!(
        (cleared.freed.copies, cleared.freed.bytes, cleared.used),
        (1, 1000, 1)
    );
    assert!(path_of_c.is_file() && !path_of_a.exists());
    // b can come back.
    assert!(world.is_same("b", &b.cache().path().await.unwrap()));
}

#[tokio::test]
async fn a_copy_is_used_when_the_storage_fails() {
    let down = Arc::new(AtomicU64::new(0));
    let is_down = down.clone();
    let world = World::new(move |_, _| match is_down.load(Ordering::Relaxed) {
        0 => Fault::None,
        _ => Fault::Status(500),
    })
    .await;
    let (a, b) = (
        world.artifact("a", 1000).await,
        world.artifact("b", 1000).await,
    );
    let path = a.cache().path().await.unwrap();
    down.store(1, Ordering::Relaxed);
    assert_eq!(a.cache().path().await.unwrap(), path);
    let error = error_of(b.cache().path().await).await;
    assert_eq!(error.kind(), ErrorKind::Storage, "{error:#}");
}

/// Processes that cache the same at the same time move it once.
#[tokio::test]
async fn processes_move_the_same_once() {
    const TEST: &str = "cached::processes_move_the_same_once";
    if let Some((location, storage)) = given_place() {
        let db = instance_on(open(&location).await, &storage).await.unwrap();
        let artifact = db.artifacts().one().await.unwrap();
        println!(
            "cached {}",
            artifact.cache().path().await.unwrap().display()
        );
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (_, bucket, server) = S3::each(directory.path()).remove(1);
    let proxy = Proxy::start(&server.endpoint(), Duration::from_millis(20), |_, _| {
        Fault::None
    });
    fs::write(bucket.join("a"), vec![5; 12 << 20]).unwrap();
    let place = Place::new(DatabaseKind::Sqlite);
    let db = place.instance().await;
    let url = format!("s3://{BUCKET}/a?endpoint_url={}", proxy.url());
    db.artifact(url.as_str()).save().await.unwrap();
    db.close().await.unwrap();
    let bytes = proxy.bytes();
    let texts = tokio::task::spawn_blocking(move || processes(TEST, 4, &place));
    let texts = texts.await.unwrap();
    let paths: Vec<_> = texts
        .iter()
        .flat_map(|t| anndex_tests::registry::words_after(t, "cached"))
        .collect();
    assert!(
        paths.len() == 4 && paths.iter().all(|path| path == &paths[0]),
        "{paths:?}"
    );
    assert_eq!(proxy.bytes() - bytes, 12 << 20);
}
