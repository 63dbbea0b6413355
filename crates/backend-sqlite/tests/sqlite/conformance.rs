//! The suite that every backend runs, on files and in memory.

use std::sync::Arc;

use anndex_backend_sqlite::connect_in_memory;
use anndex_core::backend::Backend;
use anndex_core::backend::memory::MemoryBackend;
use anndex_core::conformance::backend::run;
use anndex_core::conformance::transfer;

use crate::create;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    run(|| async {
        // A directory for each, which the outer one ends.
        let path = tempfile::tempdir_in(&directory).unwrap().keep();
        Arc::new(create(&path.join("a.sqlite")).await) as Arc<dyn Backend>
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_memory() {
    run(|| async { Arc::new(connect_in_memory().await.unwrap()) as Arc<dyn Backend> }).await;
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
