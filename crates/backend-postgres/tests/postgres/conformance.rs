//! The suites that every backend runs.

use std::cell::RefCell;
use std::future::Future;
use std::sync::Arc;

use anndex_conformance::backend::{run, run_input, run_random, run_writers};
use anndex_conformance::search;
use anndex_core::backend::Backend;
use anndex_test_server::Database;

use crate::create;

/// Databases that end with the test.
#[derive(Default)]
struct Databases(RefCell<Vec<Database>>);

impl Databases {
    /// Opens a new database as often as asked.
    fn open(&self, times: usize) -> impl Future<Output = Vec<Arc<dyn Backend>>> + use<> {
        let database = Database::create();
        let url = database.url();
        self.0.borrow_mut().push(database);
        async move {
            let mut opened: Vec<Arc<dyn Backend>> = Vec::new();
            for _ in 0..times {
                opened.push(Arc::new(create(&url).await));
            }
            opened
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_contract() {
    let databases = Databases::default();
    run(|| async { databases.open(1).await.remove(0) }).await;
}

#[tokio::test]
async fn odd_input() {
    let databases = Databases::default();
    run_input(|| async { databases.open(1).await.remove(0) }).await;
}

#[tokio::test]
async fn searches() {
    let databases = Databases::default();
    let directory = tempfile::tempdir().unwrap();
    search::run(
        || async { databases.open(1).await.remove(0) },
        directory.path(),
    )
    .await;
}

#[tokio::test]
async fn random_changes() {
    let databases = Databases::default();
    run_random(|| async { databases.open(1).await.remove(0) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_writers() {
    let databases = Databases::default();
    run_writers(|times| databases.open(times)).await;
}
