//! A process that saves and deletes is killed at many points. Whatever was half-done, a repair
//! leaves a consistent instance, and nothing that was reported saved is gone.
//!
//! The process to be killed is this test binary once more. It prints what it is about to do and
//! what it did, a line each, and this is held against the instance after every kill.
//! `ANNDEX_CRASHES` says how many kills there are.

#![cfg(all(feature = "sqlite", unix))]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anndex::registry::uid;
use anndex::{
    Artifact, Collection, ErrorKind, Finding, Handle, Instance, InstanceOptions, Problem, connect,
    init_with,
};

/// The instance that the killed process works in.
const LOCATION: &str = "ANNDEX_CRASH_LOCATION";
/// Where it writes the files that it registers.
const FILES: &str = "ANNDEX_CRASH_FILES";
const CRASHES: &str = "ANNDEX_CRASHES";
const DEFAULT_CRASHES: u32 = 40;

/// The kills are spread over this time after the process began to work, which is some of its turns.
const SPREAD: Duration = Duration::from_millis(250);

/// Before so many kills a repair is made while the process works.
const REPAIR_EVERY: u32 = 4;

/// A deep check of all that came together is made after so many kills.
const DEEP_EVERY: u32 = 10;

#[test]
fn killed_processes_lose_nothing_on_sqlite() {
    if let Some(location) = std::env::var_os(LOCATION) {
        return block_on(work(Path::new(&location)));
    }
    let directory = tempfile::tempdir().unwrap();
    let location = directory.path().join("cells");
    survive(
        "killed_processes_lose_nothing_on_sqlite",
        &location,
        InstanceOptions::new(),
        || {},
    );
}

#[cfg(feature = "postgres")]
#[test]
fn killed_processes_lose_nothing_on_postgres() {
    if let Some(location) = std::env::var_os(LOCATION) {
        return block_on(work(Path::new(&location)));
    }
    let database = anndex_test_server::Database::create();
    let directory = tempfile::tempdir().unwrap();
    survive(
        "killed_processes_lose_nothing_on_postgres",
        Path::new(&database.url()),
        InstanceOptions::new().storage_root(directory.path().join("cells")),
        || {
            // The server may still be doing what the process sent it before it was killed.
            let sessions = "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() \
                            AND datname = current_database()";
            while database.run(sessions).trim() != "0" {
                std::thread::sleep(Duration::from_millis(5));
            }
        },
    );
}

/// What processes reported before they were killed.
#[derive(Default)]
struct Reported {
    /// The content of each artifact by its uid.
    artifacts: BTreeMap<String, String>,
    /// The uids of the artifacts of each collection.
    collections: BTreeMap<String, Vec<String>>,
    /// What may be gone or not, since its deletion began and was not reported done.
    unsure: BTreeSet<String>,
    deleted: BTreeSet<String>,
}

impl Reported {
    fn read(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.split_whitespace().map(str::to_owned);
            let (Some(word), Some(uid)) = (words.next(), words.next()) else {
                continue;
            };
            match word.as_str() {
                "saved" => {
                    self.artifacts.insert(uid, words.next().unwrap());
                }
                "collected" => {
                    self.collections.insert(uid, words.collect());
                }
                "deleting" => {
                    self.artifacts.remove(&uid);
                    self.collections.remove(&uid);
                    self.unsure.insert(uid);
                }
                "deleted" => {
                    assert!(self.unsure.remove(&uid));
                    self.deleted.insert(uid);
                }
                _ => {}
            }
        }
    }
}

/// Runs the test `name`, which works in the instance at `location`, and kills it again and again;
/// `settle` waits after that until the database is as it will stay.
fn survive(name: &str, location: &Path, options: InstanceOptions, settle: impl Fn()) {
    let crashes = match std::env::var(CRASHES) {
        Ok(number) => number.parse().unwrap(),
        Err(_) => DEFAULT_CRASHES,
    };
    block_on(async {
        let db = init_with(location, options).await.unwrap();
        db.close().await.unwrap();
    });
    let files = tempfile::tempdir().unwrap();
    let mut reported = Reported::default();
    let mut left: BTreeMap<String, u32> = BTreeMap::new();
    for crash in 1..=crashes {
        // Evenly spread whatever their number is, and each time the same.
        let point = (f64::from(crash) * 0.618_033_988_749_895).fract();
        let delay = SPREAD.mul_f64(point);
        let is_repaired = crash % REPAIR_EVERY == 0;
        reported.read(&killed_after(
            name,
            location,
            files.path(),
            delay,
            is_repaired,
        ));
        settle();
        let is_deep = crash % DEEP_EVERY == 0 || crash == crashes;
        for problem in block_on(verify(location, &reported, is_deep)) {
            *left.entry(problem.as_str().to_owned()).or_default() += 1;
        }
    }
    eprintln!(
        "{crashes} kills: {} artifacts and {} collections were reported saved and are there, {} \
         were deleted; repaired: {left:?}",
        reported.artifacts.len(),
        reported.collections.len(),
        reported.deleted.len(),
    );
    assert!(
        reported.artifacts.len() as u32 > crashes / 2,
        "too little was done between the kills"
    );
}

/// What the process printed until it was killed, some time after it began to work. A repair may go
/// on beside it before.
fn killed_after(
    name: &str,
    location: &Path,
    files: &Path,
    time: Duration,
    is_repaired: bool,
) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(LOCATION, location)
        .env(FILES, files)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("ready") {
        line.clear();
        assert!(
            output.read_line(&mut line).unwrap() > 0,
            "the process ended by itself"
        );
    }
    std::thread::sleep(time);
    if is_repaired {
        // What it must not remove is what the process is saving, as is seen afterwards.
        block_on(async {
            let db = connect(location).await.unwrap();
            let report = db.check().repair(true).run().await.unwrap();
            let lost = |finding: &Finding| finding.problem == Problem::Changed;
            assert!(!report.findings.iter().any(lost), "{report:?}");
            db.close().await.unwrap();
        });
    }
    child.kill().unwrap();
    assert!(
        !child.wait().unwrap().success(),
        "the process ended by itself"
    );
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    text
}

/// Repairs, checks that all is as it was reported, and gives what was repaired.
async fn verify(location: &Path, reported: &Reported, is_deep: bool) -> Vec<Problem> {
    let db = connect(location).await.unwrap();
    let repaired = db.check().repair(true).run().await.unwrap();
    assert!(repaired.is_consistent(), "{repaired:?}");
    let after = db.check().deep(is_deep).run().await.unwrap();
    assert_eq!(after.findings, [], "a repair leaves nothing to do");
    let mut owned = BTreeSet::new();
    for artifact in db.artifacts().with_trash().all().await.unwrap() {
        assert!(artifact.storage_completed);
        owned.insert(artifact.path().await.unwrap());
        assert!(
            !reported.deleted.contains(&artifact.uid),
            "deleted means deleted"
        );
    }
    for (uid, hash) in &reported.artifacts {
        let artifact = db.artifacts().get(uid).await.unwrap();
        assert_eq!(artifact.hash.as_ref(), Some(hash));
    }
    for (uid, expected) in &reported.collections {
        let collection = db.collections().get(uid).await.unwrap();
        let held = collection.artifacts().await.unwrap();
        let held: Vec<_> = held.iter().map(|artifact| artifact.uid.clone()).collect();
        assert_eq!(held, *expected);
    }
    for collection in db.collections().with_trash().all().await.unwrap() {
        assert!(
            !reported.deleted.contains(&collection.uid),
            "deleted means deleted"
        );
        let held = collection.artifacts().await.unwrap();
        assert_eq!(held.len(), 2, "a collection with part of its artifacts");
    }
    let copies = db.storage_root().join(".anndex/artifacts");
    let copies: BTreeSet<PathBuf> = match fs::read_dir(copies.join(db.registry_id())) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(_) => BTreeSet::new(),
    };
    assert_eq!(
        copies, owned,
        "every copy has its record, and every record its copy"
    );
    db.close().await.unwrap();
    repaired
        .findings
        .iter()
        .map(|finding| finding.problem)
        .collect()
}

/// Saves and deletes until it is killed.
async fn work(location: &Path) {
    let files = PathBuf::from(std::env::var_os(FILES).unwrap());
    let db = connect(location).await.unwrap();
    println!("\nready");
    for turn in 0.. {
        let single = save(&db, &large_file(&files)).await;
        let folder = save(&db, &folder(&files)).await;
        let many: Vec<_> = (0..8).map(|_| db.artifact(small_file(&files))).collect();
        let many = db.save_artifacts(many).await;
        let many: Vec<_> = many.into_iter().map(Result::unwrap).collect();
        many.iter().for_each(report);
        let collection = collect(&db, [&single, &folder]).await;
        let other = collect(&db, [&many[0], &many[1]]).await;
        for artifact in many.into_iter().skip(2) {
            delete(artifact).await;
        }
        if turn % 2 == 0 {
            delete_collection(collection).await;
            delete(folder).await;
        } else {
            let mut collection = other;
            collection.delete(None).await.unwrap();
            collection.restore().await.unwrap();
        }
    }
}

async fn save(db: &Instance, path: &Path) -> Handle<Artifact> {
    let artifact = db.artifact(path).save().await.unwrap();
    report(&artifact);
    artifact
}

fn report(artifact: &Handle<Artifact>) {
    println!(
        "\nsaved {} {}",
        artifact.uid,
        artifact.hash.as_ref().unwrap()
    );
}

async fn collect(db: &Instance, artifacts: [&Handle<Artifact>; 2]) -> Handle<Collection> {
    let collection = db.collection(artifacts).name("c").save().await.unwrap();
    println!(
        "\ncollected {} {} {}",
        collection.uid, artifacts[0].uid, artifacts[1].uid
    );
    collection
}

async fn delete(mut artifact: Handle<Artifact>) {
    println!("\ndeleting {}", artifact.uid);
    artifact.delete(Some(true)).await.unwrap();
    println!("\ndeleted {}", artifact.uid);
    let gone = artifact.instance().artifacts().get(&artifact.uid).await;
    assert_eq!(gone.unwrap_err().kind(), ErrorKind::NotFound);
}

async fn delete_collection(mut collection: Handle<Collection>) {
    println!("\ndeleting {}", collection.uid);
    collection.delete(Some(true)).await.unwrap();
    println!("\ndeleted {}", collection.uid);
}

fn small_file(files: &Path) -> PathBuf {
    let name = uid::random(12);
    let path = files.join(format!("{name}.txt"));
    fs::write(&path, name).unwrap();
    path
}

fn large_file(files: &Path) -> PathBuf {
    let name = uid::random(12);
    let path = files.join(format!("{name}.csv"));
    fs::write(&path, name.repeat(40_000)).unwrap();
    path
}

fn folder(files: &Path) -> PathBuf {
    let folder = files.join(uid::random(12));
    for part in 0..10 {
        let inner = folder.join(format!("{}", part % 3));
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join(part.to_string()), uid::random(12)).unwrap();
    }
    folder
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(work)
}
