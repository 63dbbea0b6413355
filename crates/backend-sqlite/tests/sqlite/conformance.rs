//! The suites that every backend runs, on files and in memory.

use std::future::Future;
use std::sync::Arc;

use anndex_backend_sqlite::connect_in_memory;
use anndex_conformance::backend::{run, run_input, run_random, run_writers};
use anndex_conformance::{search, transfer};
use anndex_core::backend::Backend;
use anndex_core::backend::memory::MemoryBackend;
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
async fn searches() {
    let directory = tempfile::tempdir().unwrap();
    search::run(new_in_memory, directory.path()).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn copies_between_files_and_memory() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let in_a_file = || async {
        let own = tempfile::tempdir_in(path).unwrap().keep();
        Arc::new(create(&own.join("a.sqlite")).await) as Arc<dyn Backend>
    };
    let in_memory = || async { Arc::new(MemoryBackend::new()) as Arc<dyn Backend> };
    transfer::run(in_a_file, in_a_file, &path.join("files")).await;
    transfer::run(in_a_file, in_memory, &path.join("from a file")).await;
    transfer::run(in_memory, in_a_file, &path.join("into a file")).await;
}
