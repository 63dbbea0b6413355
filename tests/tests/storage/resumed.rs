//! Uploads whose process is killed: saving the same again goes on where they were, and what nobody
//! goes on with is removed by a repair.
//!
//! The process to be killed is this test binary once more.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anndex_core::instance::{Handle, Instance, Problem};
use anndex_core::record::Artifact;
use anndex_core::registry::hash::{files_of, hash_path};
use anndex_tests::proxy::{Fault, Proxy};
use anndex_tests::registry::{DatabaseKind, Place, given_place, instance_on, open, tell_place};
use anndex_tests::servers::{BUCKET, S3};

/// Five parts.
const SIZE: usize = 40 << 20;

const PATIENCE: Duration = Duration::from_secs(60);

/// A bucket behind a proxy that holds up some requests until it is told not to.
struct World {
    place: Place,
    db: Instance,
    source: PathBuf,
    bucket: PathBuf,
    proxy: Proxy,
    is_held: Arc<AtomicBool>,
    /// The heads of all requests that write and were not held up.
    writing: Arc<Mutex<Vec<String>>>,
    _server: S3,
}

impl World {
    async fn new(
        (bucket, server): (PathBuf, S3),
        source: PathBuf,
        is_late: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Self {
        let is_held = Arc::new(AtomicBool::new(true));
        let holds = is_held.clone();
        let writing = Arc::new(Mutex::new(Vec::new()));
        let noted = writing.clone();
        let plan = move |_, request: &str| {
            if !request.starts_with("PUT") {
                return Fault::None;
            }
            if is_late(request) && holds.load(Ordering::Relaxed) {
                return Fault::Silence;
            }
            noted.lock().unwrap().push(request.to_owned());
            Fault::None
        };
        let proxy = Proxy::start(&server.endpoint(), Duration::ZERO, plan);
        let place = Place::new(DatabaseKind::Sqlite);
        let db = place.instance().await;
        let root = format!("s3://{BUCKET}/lab?endpoint_url={}", proxy.url());
        db.add_storage(root).await.unwrap();
        Self {
            place,
            db,
            source,
            bucket,
            proxy,
            is_held,
            writing,
            _server: server,
        }
    }

    fn journals(&self) -> Vec<PathBuf> {
        let directory = self.db.cache_dir().join("uploads");
        match directory.is_dir() {
            true => files_of(&directory).unwrap(),
            false => Vec::new(),
        }
    }

    /// Has a process upload until so many lines of a kind are in its journal, and kills it.
    fn interrupt(&self, test: &str, kind: &str, count: usize) {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture"]);
        command.env(SOURCE, &self.source).stdout(Stdio::null());
        let mut child = tell_place(&mut command, &self.place).spawn().unwrap();
        let started = Instant::now();
        let noted = || {
            let texts = self
                .journals()
                .into_iter()
                .map(|path| fs::read_to_string(path).unwrap());
            texts.map(|text| text.matches(kind).count()).sum::<usize>()
        };
        while noted() < count {
            assert!(started.elapsed() < PATIENCE, "{:?}", self.journals());
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success());
        self.is_held.store(false, Ordering::Relaxed);
    }

    async fn save(&self) -> Handle<Artifact> {
        save(&self.db, &self.source).await
    }

    /// Whether the artifact is in the bucket and nothing else.
    async fn is_right(&self, artifact: &Handle<Artifact>) {
        let there = self.bucket.join("lab").join(&artifact.storage_key);
        assert_eq!(hash_path(&there).unwrap(), hash_path(&self.source).unwrap());
        let count = |path: &Path| match path.is_dir() {
            true => files_of(path).unwrap().len(),
            false => 1,
        };
        let all: Vec<_> = files_of(&self.bucket).unwrap();
        assert_eq!(all.len(), count(&there), "{all:?}");
        assert!(self.journals().is_empty());
        assert!(
            self.db
                .check()
                .deep(true)
                .run()
                .await
                .unwrap()
                .is_consistent()
        );
    }
}

/// Tells a process what to upload.
const SOURCE: &str = "ANNDEX_TEST_SOURCE";

/// Whether this is the process to be killed, after it saved.
async fn is_done() -> bool {
    let Some((location, storage)) = given_place() else {
        return false;
    };
    let db = instance_on(open(&location).await, &storage).await.unwrap();
    save(&db, Path::new(&std::env::var_os(SOURCE).unwrap())).await;
    true
}

async fn save(db: &Instance, source: &Path) -> Handle<Artifact> {
    let storages = db.storages().all().await.unwrap();
    let bucket = storages
        .iter()
        .find(|storage| storage.type_ == "s3")
        .unwrap();
    let saved = db.artifact(source).storage(bucket).save().await;
    saved.unwrap_or_else(|e| panic!("{e:#}"))
}

fn write(path: &Path, length: usize, first: u32) {
    let content: Vec<u8> = (0..length as u32)
        .map(|i| ((i * 13 + first) >> 2) as u8)
        .collect();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn part(request: &str) -> Option<u32> {
    let (_, rest) = request.split_once("partNumber=")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// One server of each make, and a file for each.
fn servers(directory: &Path) -> Vec<((PathBuf, S3), PathBuf)> {
    let servers = S3::each_that_is_written(directory).into_iter();
    let with_file = |(name, bucket, server)| {
        let source = directory.join("files").join(name).join("large.bin");
        write(&source, SIZE, 0);
        ((bucket, server), source)
    };
    servers.map(with_file).collect()
}

#[tokio::test]
async fn an_upload_goes_on_where_it_was() {
    const TEST: &str = "resumed::an_upload_goes_on_where_it_was";
    if is_done().await {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    for (server, source) in servers(directory.path()) {
        let is_late = |request: &str| part(request).is_some_and(|part| part > 2);
        let world = World::new(server, source, is_late).await;
        world.interrupt(TEST, "Part", 2);
        let report = world.db.check().run().await.unwrap();
        let problems: Vec<_> = report.findings.iter().map(|found| found.problem).collect();
        assert_eq!(problems, [Problem::Partial], "{report:?}");
        let artifact = world.save().await;
        world.is_right(&artifact).await;
        let sent = world.proxy.sent();
        assert!(sent >= SIZE as u64, "{sent}");
        assert!(
            sent < (SIZE + (SIZE >> 4)) as u64,
            "parts were sent again: {sent}"
        );
    }
}

#[tokio::test]
async fn an_upload_that_the_storage_forgot_starts_again() {
    const TEST: &str = "resumed::an_upload_that_the_storage_forgot_starts_again";
    if is_done().await {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    for (server, source) in servers(directory.path()) {
        let is_late = |request: &str| part(request).is_some_and(|part| part > 2);
        let world = World::new(server, source, is_late).await;
        world.interrupt(TEST, "Part", 2);
        let journal = world.journals().remove(0);
        let text = fs::read_to_string(&journal).unwrap();
        let (_, id) = text.split_once("\"id\":\"").unwrap();
        let (id, _) = id.split_once('"').unwrap();
        let digit = if id.starts_with('1') { "2" } else { "1" };
        let other = format!("{digit}{}", &id[1..]);
        fs::write(&journal, text.replace(id, &other)).unwrap();
        let artifact = world.save().await;
        let there = world.bucket.join("lab").join(&artifact.storage_key);
        assert_eq!(
            hash_path(&there).unwrap(),
            hash_path(&world.source).unwrap()
        );
        assert!(world.journals().is_empty());
    }
}

#[tokio::test]
async fn files_that_are_there_are_not_sent_again() {
    const TEST: &str = "resumed::files_that_are_there_are_not_sent_again";
    if is_done().await {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    for ((bucket, server), source) in servers(directory.path()) {
        let images = source.with_file_name("images");
        for index in 0..12 {
            write(&images.join(format!("{index:02}.tif")), 2 << 20, index);
        }
        let is_late = |request: &str| request.contains("/08.tif") || request.contains("/09.tif");
        let world = World::new((bucket, server), images, is_late).await;
        world.interrupt(TEST, "Written", 8);
        let journal = fs::read_to_string(world.journals().remove(0)).unwrap();
        world.writing.lock().unwrap().clear();
        // The hash of a directory knows no names.
        fs::rename(
            world.source.join("00.tif"),
            world.source.join("renamed.tif"),
        )
        .unwrap();
        let artifact = world.save().await;
        world.is_right(&artifact).await;
        let sent = world.writing.lock().unwrap();
        let is_sent = |name: &str| sent.iter().any(|head| head.contains(name));
        let is_written = |name: &str| journal.contains(&format!("{name}\",\"version\""));
        assert!(is_sent("/renamed.tif") && !is_sent("/00.tif"), "{sent:?}");
        let names: Vec<_> = (1..12).map(|index| format!("/{index:02}.tif")).collect();
        assert!(names.iter().filter(|name| is_written(name)).count() >= 7);
        for name in names {
            assert_ne!(
                is_sent(&name),
                is_written(&name),
                "{name}: {journal}\n{sent:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_changed_is_sent_anew_and_what_is_left_is_removed() {
    const TEST: &str = "resumed::what_changed_is_sent_anew_and_what_is_left_is_removed";
    if is_done().await {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    for (server, source) in servers(directory.path()) {
        let is_late = |request: &str| part(request).is_some_and(|part| part > 2);
        let world = World::new(server, source, is_late).await;
        world.interrupt(TEST, "Part", 2);
        write(&world.source, SIZE, 1000);
        let artifact = world.save().await;
        let there = world.bucket.join("lab").join(&artifact.storage_key);
        assert_eq!(
            hash_path(&there).unwrap(),
            hash_path(&world.source).unwrap()
        );
        let report = world.db.check().repair(true).run().await.unwrap();
        assert_eq!(report.findings.len(), 1, "{report:?}");
        assert!(report.is_consistent(), "{report:?}");
        world.is_right(&artifact).await;
    }
}
