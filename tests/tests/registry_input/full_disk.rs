//! A disk that is full, under copies of files and under the database: what was reported saved is
//! there, what was not left nothing behind, and once there is room the work goes on.
//!
//! Each test runs in a process of its own, whose files can't become larger than the limit.

use std::path::{Path, PathBuf};
use std::process::Command;

use anndex_core::ErrorKind;
use anndex_core::instance::Instance;
use anndex_tests::registry::{DatabaseKind, everything, given_place, instance, tell_place};

use crate::World;

/// What `ulimit -f` takes: 512 KiB or 1 MiB, as the shell counts them.
const LIMIT: &str = "1024";
const TOO_LARGE: usize = 2 << 20;
/// How many artifacts are saved at once.
const BATCH: usize = 100;

/// Runs one test of this test binary again, with the limit.
fn with_full_disk(test: &str, world: &World) {
    // Writing past the limit is an error, and no signal, when that is ignored.
    let script = format!("trap '' XFSZ; ulimit -f {LIMIT}; exec \"$0\" --exact \"$1\" --nocapture");
    let mut command = Command::new("sh");
    command.args(["-c", &script]);
    command.arg(std::env::current_exe().unwrap()).arg(test);
    let status = tell_place(&mut command, &world.place).status().unwrap();
    assert!(status.success(), "{test}");
}

/// Files beside the storage, some of them too large to be copied.
fn files(storage: &Path) -> PathBuf {
    storage.with_file_name("files")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_on_sqlite() {
    copies("full_disk::copies_on_sqlite", DatabaseKind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_on_postgres() {
    copies("full_disk::copies_on_postgres", DatabaseKind::Postgres).await;
}

async fn copies(test: &str, kind: DatabaseKind) {
    if let Some((location, storage)) = given_place() {
        return copy(&instance(&location, &storage).await, &files(&storage)).await;
    }
    let world = World::new(kind).await;
    world.file("large.csv", &"x".repeat(TOO_LARGE));
    world.file("small.csv", "small");
    std::fs::create_dir(world.files.join("folder")).unwrap();
    for part in ["a.csv", "b.csv", "c.csv"] {
        let size = if part == "b.csv" { TOO_LARGE } else { 10 };
        world.file(&format!("folder/{part}"), &part.repeat(size / 5));
    }
    with_full_disk(test, &world);

    let db = &world.db;
    assert_eq!(db.artifacts().one().await.unwrap().size, Some(5));
    for file in ["large.csv", "folder"] {
        let path = world.files.join(file);
        let saved = db.artifact(&path).save().await.unwrap();
        assert!(saved.path().await.unwrap().exists());
    }
    let report = db.check().deep(true).run().await.unwrap();
    assert_eq!(report.findings, []);
}

async fn copy(db: &Instance, files: &Path) {
    let before = everything(db).await;
    for file in ["large.csv", "folder"] {
        let error = db.artifact(files.join(file)).save().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage, "{error:?}");
        assert!(error.message().contains("room"), "{error:?}");
        assert_eq!(everything(db).await, before, "{file}");
    }
    let many = ["large.csv", "small.csv", "folder"].map(|file| db.artifact(files.join(file)));
    let saved = db.save_artifacts(many.to_vec()).await;
    let kinds = saved.iter().map(|one| one.as_ref().err().map(|e| e.kind()));
    let full = Some(ErrorKind::Storage);
    assert_eq!(kinds.collect::<Vec<_>>(), [full, None, full]);
    let report = db.check().deep(true).run().await.unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(db.artifacts().count().await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database() {
    if let Some((location, storage)) = given_place() {
        return fill(&instance(&location, &storage).await, &files(&storage)).await;
    }
    let world = World::new(DatabaseKind::Sqlite).await;
    let file = world.file("a.csv", "a");
    with_full_disk("full_disk::the_database", &world);

    let db = &world.db;
    let before = db.artifacts().count().await.unwrap();
    let report = db.check().deep(true).run().await.unwrap();
    assert_eq!(report.findings, []);
    std::fs::write(&file, "with room").unwrap();
    let saved = db.artifact(&file).save().await.unwrap();
    db.collection([&saved]).name("c").save().await.unwrap();
    assert_eq!(db.artifacts().count().await.unwrap(), before + 1);
}

/// Many at once, whose copies are made before the database refuses them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_in_one_batch() {
    if let Some((location, storage)) = given_place() {
        return fill_at_once(&instance(&location, &storage).await, &files(&storage)).await;
    }
    let world = World::new(DatabaseKind::Sqlite).await;
    for number in 0..BATCH {
        world.file(&format!("{number}.csv"), &number.to_string());
    }
    with_full_disk("full_disk::the_database_in_one_batch", &world);

    let db = &world.db;
    assert_eq!(db.artifacts().count().await.unwrap(), 0);
    let report = db.check().deep(true).run().await.unwrap();
    assert_eq!(report.findings, []);
}

async fn fill_at_once(db: &Instance, files: &Path) {
    let description = "x".repeat(TOO_LARGE / BATCH);
    let before = everything(db).await;
    let artifacts = (0..BATCH).map(|number| {
        let path = files.join(format!("{number}.csv"));
        db.artifact(path).description(&description)
    });
    for saved in db.save_artifacts(artifacts.collect::<Vec<_>>()).await {
        let error = saved.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage, "{error:?}");
        assert_eq!(error.context("copy"), None, "{error}");
    }
    assert_eq!(everything(db).await, before);
}

/// Saves artifacts until the database can't grow.
async fn fill(db: &Instance, files: &Path) {
    let description = "x".repeat(10_000);
    let mut saved = Vec::new();
    let error = loop {
        assert!(saved.len() < 1_000, "the disk is never full");
        let path = files.join(format!("{}.csv", saved.len()));
        std::fs::write(&path, format!("{}", saved.len())).unwrap();
        let before = everything(db).await;
        let artifact = db.artifact(&path).description(&description);
        match artifact.save().await {
            Ok(artifact) => saved.push(artifact),
            Err(error) => {
                assert_eq!(everything(db).await, before);
                break error;
            }
        }
    };
    assert_eq!(error.kind(), ErrorKind::Storage, "{error:?}");
    assert!(!saved.is_empty());
    let found = db.artifacts().all().await.unwrap();
    assert_eq!(found, saved);
    let report = db.check().deep(true).run().await.unwrap();
    assert_eq!(report.findings, []);
    // What needs no room is still done.
    let searched = db.artifacts().search("xxx").await.unwrap();
    assert_eq!(searched.len(), saved.len());
}
