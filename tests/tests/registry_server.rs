//! A PostgreSQL server that stops and starts in the middle of an instance's work. While it is down
//! each operation fails soon, with an error that says so, and nothing is half done; then the same
//! instance goes on.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant as Time};

use anndex_backend_postgres::{PostgresOptions, connect};
use anndex_core::instance::Instance;
use anndex_core::record::Visibility;
use anndex_core::{Error, ErrorKind, Result};
use anndex_test_server::{Database, Server};
use anndex_tests::registry::{everything, instance_on};

/// How long an operation waits for a connection, and how long it may take until it gives up.
const PATIENCE: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(5);

async fn open(database: &Database, storage: &Path) -> Result<Instance> {
    let options = PostgresOptions::new()
        .create(true)
        .acquire_timeout(PATIENCE);
    let backend = connect(&database.url(), &options).await?;
    instance_on(Arc::new(backend), storage).await
}

fn file(directory: &Path, name: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, name).unwrap();
    path
}

fn is_down(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Backend, "{error:?}");
    assert!(error.message().contains("server"), "{error:?}");
}

/// Waits for an operation that must fail, and soon.
async fn fails<T: std::fmt::Debug>(what: &str, operation: impl Future<Output = Result<T>>) {
    let start = Time::now();
    is_down(&operation.await.expect_err(what));
    assert!(start.elapsed() < LONGEST, "{what}: {:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_says_so_and_goes_on_when_it_is_back() {
    let server = Server::start().unwrap();
    let database = Database::create_on(&server.url(), "");
    let directory = tempfile::tempdir().unwrap();
    let storage = directory.path().join("storage");
    let db = open(&database, &storage).await.unwrap();
    let a = db
        .artifact(file(directory.path(), "a.csv"))
        .save()
        .await
        .unwrap();
    let mut c = db.collection([&a]).name("c").save().await.unwrap();
    let label = db.ulabel("l").save().await.unwrap();
    let transform = db.transform("t").save().await.unwrap();
    let mut before = everything(&db).await;
    for (turn, crash) in [false, true].into_iter().enumerate() {
        let new = file(directory.path(), &format!("{turn}.csv"));
        let other = || db.artifact(&new);
        server.stop(crash).unwrap();
        fails("count", db.artifacts().count()).await;
        fails("list", db.collections().all()).await;
        fails("get", db.artifacts().get(a.uid.as_str())).await;
        fails("search", db.collections().search("c")).await;
        fails("describe", c.describe()).await;
        fails("artifacts", c.artifacts()).await;
        fails("save", other().save()).await;
        let many = async { db.save_artifacts(vec![other()]).await.pop().unwrap() };
        fails("save many", many).await;
        fails("collect", db.collection([&a]).name("d").save()).await;
        fails("label", db.ulabel("m").save()).await;
        fails("annotate", a.add_ulabels([&label])).await;
        fails("track", db.track(&transform)).await;
        assert!(db.current_run().unwrap().is_none());
        fails("check", db.check().run()).await;
        fails("trash", c.delete(None)).await;
        fails("remove", c.delete(Some(true))).await;
        assert_eq!(c.visibility, Visibility::Default);
        let mut renamed = c.clone();
        renamed.name = "renamed".to_owned();
        fails("rename", renamed.save()).await;
        fails("open another", open(&database, &storage)).await;
        server.resume().unwrap();

        assert_eq!(everything(&db).await, before, "nothing is half done");
        let report = db.check().deep(true).run().await.unwrap();
        assert_eq!(report.findings, []);
        // The very same calls succeed.
        let saved = other().save().await.unwrap();
        let both = db.collection([&a, &saved]).name(format!("both {turn}"));
        assert_eq!(
            both.save().await.unwrap().artifacts().await.unwrap().len(),
            2
        );
        c.delete(None).await.unwrap();
        c.restore().await.unwrap();
        c.name = format!("renamed {turn}");
        c.save().await.unwrap();
        before = everything(&db).await;
    }
    db.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_that_a_crash_ends_are_whole_or_not_at_all() {
    let server = Server::start().unwrap();
    let database = Database::create_on(&server.url(), "");
    let directory = tempfile::tempdir().unwrap();
    let storage = directory.path().join("storage");
    let db = open(&database, &storage).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicUsize::new(0));
    let worker = |name: usize| {
        let (db, done, count) = (db.clone(), done.clone(), count.clone());
        let files = directory.path().to_owned();
        tokio::spawn(async move {
            let (mut saved, mut failures) = (Vec::new(), 0);
            for number in 0.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let file = |end: &str| file(&files, &format!("{name}-{number}-{end}.csv"));
                let work = async {
                    let a = db.artifact(file("a")).save().await?;
                    let b = db.artifact(file("b")).save().await?;
                    let name = format!("{name}-{number}");
                    db.collection([&a, &b]).name(name).save().await
                };
                match work.await {
                    Ok(collection) => {
                        saved.push(collection.uid.clone());
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(error) => {
                        is_down(&error);
                        failures += 1;
                    }
                }
            }
            (saved, failures)
        })
    };
    let workers: Vec<_> = (0..3).map(worker).collect();
    let more = async || {
        let before = count.load(Ordering::Relaxed);
        let start = Time::now();
        while count.load(Ordering::Relaxed) < before + 10 {
            assert!(start.elapsed() < Duration::from_secs(60), "nothing goes on");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    for crash in [true, true, false] {
        more().await;
        server.stop(crash).unwrap();
        server.resume().unwrap();
    }
    more().await;
    done.store(true, Ordering::Relaxed);
    let (mut saved, mut failures) = (Vec::new(), 0);
    for worker in workers {
        let (some, failed) = worker.await.unwrap();
        saved.extend(some);
        failures += failed;
    }
    assert!(failures > 0, "nobody noticed");
    for uid in &saved {
        let collection = db.collections().get(uid).await.unwrap();
        assert_eq!(collection.artifacts().await.unwrap().len(), 2);
    }
    // One whose answer did not come may be there, but then it is whole.
    for collection in db.collections().all().await.unwrap() {
        assert_eq!(collection.artifacts().await.unwrap().len(), 2);
    }
    // A copy may be left whose record nobody knows of; that is what a repair is for.
    let repaired = db.check().repair(true).run().await.unwrap();
    assert!(repaired.is_consistent(), "{repaired:?}");
    let report = db.check().deep(true).run().await.unwrap();
    assert_eq!(report.findings, []);
    for artifact in db.artifacts().all().await.unwrap() {
        assert!(artifact.path().await.unwrap().is_file());
    }
}
