//! The suites that every backend runs, on files and in memory.

use std::future::Future;
use std::sync::Arc;

use anndex_backend_sqlite::connect_in_memory;
use anndex_core::backend::Backend;
use anndex_core::conformance::backend::{run, run_input, run_random, run_writers};
use tempfile::TempDir;

use crate::create;

async fn new_in_memory() -> Arc<dyn Backend> {
    Arc::new(connect_in_memory().await.unwrap())
}

/// Opens a new file as often as asked.
fn new_file(root: &TempDir, times: usize) -> impl Future<Output = Vec<Arc<dyn Backend>>> {
    // A directory for each, which the root's end removes.
    let path = tempfile::tempdir_in(root).unwrap().keep().join("a.sqlite");
    async move {
        let mut opened: Vec<Arc<dyn Backend>> = Vec::new();
        for _ in 0..times {
            opened.push(Arc::new(create(&path).await));
        }
        opened
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_a_file() {
    let root = tempfile::tempdir().unwrap();
    run(|| async { new_file(&root, 1).await.remove(0) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_memory() {
    run(new_in_memory).await;
}

#[tokio::test]
async fn odd_input() {
    run_input(new_in_memory).await;
}

#[tokio::test]
async fn random_changes() {
    run_random(new_in_memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_writers() {
    let root = tempfile::tempdir().unwrap();
    run_writers(|times| new_file(&root, times)).await;
}
