//! The backend in memory runs the suite that every backend runs.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;

use anndex_conformance::{backend, search, transfer};
use anndex_core::backend::Backend;
use anndex_core::backend::memory::MemoryBackend;

async fn make() -> Arc<dyn Backend> {
    Arc::new(MemoryBackend::new())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conforms() {
    backend::run(make).await;
}

#[tokio::test]
async fn keeps_any_input() {
    backend::run_input(make).await;
}

#[tokio::test]
async fn is_searched() {
    let directory = tempfile::tempdir().unwrap();
    search::run(make, directory.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn copies_into_another() {
    let directory = tempfile::tempdir().unwrap();
    transfer::run(make, make, directory.path()).await;
}
