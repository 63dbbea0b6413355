//! Processes that are killed while they bring something into the cache: whoever comes next goes on,
//! and what is there is right and is all that is there.
//!
//! The process to be killed is this test binary once more.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anndex_core::instance::Instance;
use anndex_core::registry::hash::hash_path;
use anndex_tests::proxy::{Fault, Proxy};
use anndex_tests::registry::{
    DatabaseKind, Place, given_place, instance_on, open, tell_place, words_after,
};
use anndex_tests::servers::{BUCKET, S3};

const SIZE: usize = 25 << 20;

/// Where what is moved is held up.
const HELD_UP: u64 = 16 << 20;

const PATIENCE: Duration = Duration::from_secs(60);

/// A bucket behind a proxy, and the artifacts in it: a file and a directory.
struct World {
    place: Place,
    db: Instance,
    bucket: PathBuf,
    proxy: Proxy,
    _server: S3,
    _directory: tempfile::TempDir,
}

impl World {
    async fn new(
        size: usize,
        latency: Duration,
        plan: impl Fn(&str) -> Fault + Send + Sync + 'static,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (_, bucket, server) = S3::each(directory.path()).remove(1);
        let content: Vec<u8> = (0..size as u32).map(|i| ((i * 17) >> 4) as u8).collect();
        fs::write(bucket.join("a.bin"), &content).unwrap();
        fs::create_dir_all(bucket.join("images/deep")).unwrap();
        for (index, length) in [0, 1, 70_000, 3 << 20].into_iter().enumerate() {
            fs::write(
                bucket.join(format!("images/{index}.tif")),
                &content[..length],
            )
            .unwrap();
            let deep = bucket.join(format!("images/deep/{index}.tif"));
            fs::write(deep, &content[index..length.max(index)]).unwrap();
        }
        let proxy = Proxy::start(&server.endpoint(), latency, move |_, request| plan(request));
        let place = Place::new(DatabaseKind::Sqlite);
        let db = place.instance().await;
        for key in ["a.bin", "images"] {
            let url = format!("s3://{BUCKET}/{key}?endpoint_url={}", proxy.url());
            db.artifact(url).save().await.unwrap();
        }
        Self {
            place,
            db,
            bucket,
            proxy,
            _server: server,
            _directory: directory,
        }
    }

    fn start(&self, test: &str) -> Child {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture"]);
        let command = tell_place(&mut command, &self.place).stdout(Stdio::piped());
        command.spawn().unwrap()
    }

    fn cache(&self) -> PathBuf {
        self.db.cache_dir().join("artifacts")
    }

    /// Brings everything here and looks whether it is right.
    async fn all_is_right(&self) {
        let db = self.place.instance().await;
        for artifact in db.artifacts().all().await.unwrap() {
            let path = artifact.cache().path().await.unwrap();
            let expected = hash_path(&self.bucket.join(&artifact.storage_key)).unwrap();
            assert_eq!(hash_path(&path).unwrap(), expected, "{}", artifact.uid);
        }
    }

    /// What is in the cache, but for locks.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.cache()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| !name.ends_with(".lock")).collect();
        names.sort_unstable();
        names
    }
}

/// Caches the artifacts that have this storage key, or all.
async fn work(key: Option<&str>) -> Option<Vec<PathBuf>> {
    let (location, storage) = given_place()?;
    let db = instance_on(open(&location).await, &storage).await.unwrap();
    let mut paths = Vec::new();
    for artifact in db.artifacts().all().await.unwrap() {
        if key.is_none_or(|key| key == artifact.storage_key) {
            paths.push(artifact.cache().path().await.unwrap());
        }
    }
    Some(paths)
}

async fn clear() {
    let (location, storage) = given_place().unwrap();
    let db = instance_on(open(&location).await, &storage).await.unwrap();
    db.cache().clear().unwrap();
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "{what} took too long");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn size_of(path: &Path) -> u64 {
    path.metadata().map_or(0, |metadata| metadata.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_killed_process_goes_on() {
    const TEST: &str = "killed::who_waits_for_a_killed_process_goes_on";
    if let Some(paths) = work(Some("a.bin")).await {
        println!("\ncached {}", paths[0].display());
        return;
    }
    // The second half of the file does not come.
    let held = Arc::new(AtomicBool::new(false));
    let is_held = held.clone();
    let world = World::new(SIZE, Duration::ZERO, move |request| {
        let starts = [HELD_UP, HELD_UP + (8 << 20)].map(|start| format!("bytes={start}-"));
        let is_late = starts.iter().any(|start| request.contains(start));
        match is_late && is_held.load(Ordering::Relaxed) {
            true => Fault::Stall(0),
            false => Fault::None,
        }
    })
    .await;
    held.store(true, Ordering::Relaxed);
    let artifact = world.db.artifacts().all().await.unwrap().remove(0);
    let partial = world
        .cache()
        .join(format!("{}.partial/a.bin", artifact.uid));
    let bytes = world.proxy.bytes();
    let mut first = world.start(TEST);
    wait_until("the first half", || size_of(&partial) == HELD_UP);
    let requests = world.proxy.requests();
    let second = world.start(TEST);
    // It looks at the object, then waits.
    wait_until("the other process", || world.proxy.requests() > requests);
    std::thread::sleep(Duration::from_millis(100));
    first.kill().unwrap();
    assert!(!first.wait().unwrap().success());
    held.store(false, Ordering::Relaxed);
    let output = tokio::task::spawn_blocking(|| second.wait_with_output().unwrap());
    let output = output.await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let path = PathBuf::from(words_after(&text, "cached")[0]);
    let expected = hash_path(&world.bucket.join("a.bin")).unwrap();
    assert_eq!(hash_path(&path).unwrap(), expected);
    assert_eq!(
        world.proxy.bytes() - bytes,
        SIZE as u64,
        "each byte is moved once"
    );
    let uid = &artifact.uid;
    let mut names = [uid.clone(), format!("{uid}.json"), "leases".to_owned()];
    names.sort_unstable();
    assert_eq!(world.names(), names);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_point_it_leaves_nothing_wrong() {
    const TEST: &str = "killed::killed_at_any_point_it_leaves_nothing_wrong";
    const KILLS: u32 = 9;
    if given_place().is_some() {
        println!("\nready");
        loop {
            work(None).await;
            clear().await;
        }
    }
    let world = World::new(9 << 20, Duration::from_millis(2), |_| Fault::None).await;
    for kill in 1..=KILLS {
        let mut child = world.start(TEST);
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("ready") {
            line.clear();
            assert!(
                output.read_line(&mut line).unwrap() > 0,
                "it ended by itself"
            );
        }
        // Evenly spread over a turn, and each time the same.
        let point = (f64::from(kill) * 0.618_033_988_749_895).fract();
        std::thread::sleep(Duration::from_millis(400).mul_f64(point));
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success(), "it ended by itself");
        for entry in world.db.cache().list().unwrap() {
            assert!(!entry.is_used, "{entry:?}");
        }
        if kill % 3 != 0 {
            world.all_is_right().await;
        }
        if kill % 2 == 0 {
            let cleared = world.db.cache().clear().unwrap();
            assert_eq!(cleared.used, 0);
            assert_eq!(world.names(), ["leases"]);
            let leases = fs::read_dir(world.cache().join("leases")).unwrap();
            assert_eq!(leases.count(), 0);
        }
    }
}
