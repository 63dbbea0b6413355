//! Storage at URLs: the suite that all storages run, against servers of several makes, and what
//! users get to see when a server refuses.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod cached;
mod credentials;
mod default;
mod endless;
mod faults;
mod few_requests;
mod full_disk;
mod hostile;
mod huggingface;
mod killed;
mod opendal;
mod refused;
mod registered;
mod resumed;
mod stalled;
mod stream_faults;
mod streamed;
mod web;
mod written;

use std::sync::Arc;

use anndex_conformance::storage::{run, run_writing};
use anndex_core::storage::LocalDirectory;
use anndex_test_server::Rclone;
use anndex_tests::servers::{S3, environment, open, variables};

#[tokio::test]
async fn a_local_directory_fulfils_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    let storage = LocalDirectory::open(directory.path()).unwrap();
    let storage = Arc::new(storage);
    run(directory.path(), storage.clone()).await;
    run_writing(directory.path(), storage).await;
}

#[tokio::test]
async fn buckets_of_s3_servers_fulfil_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    for (name, bucket, server) in S3::each(directory.path()) {
        println!("{name}");
        run(&bucket, open(environment(), &server.url(""))).await;
    }
    let directory = tempfile::tempdir().unwrap();
    for (name, bucket, server) in S3::each_that_is_written(directory.path()) {
        println!("{name}");
        run_writing(&bucket, open(environment(), &server.url(""))).await;
    }
}

#[tokio::test]
async fn parts_of_buckets_fulfil_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    for (name, bucket, server) in S3::each(directory.path()) {
        println!("{name}");
        std::fs::create_dir_all(bucket.join("deep/x")).unwrap();
        std::fs::write(bucket.join("deep/xy"), "not inside").unwrap();
        std::fs::write(bucket.join("outside"), "not inside").unwrap();
        run(
            &bucket.join("deep/x"),
            open(environment(), &server.url("deep/x")),
        )
        .await;
    }
    let directory = tempfile::tempdir().unwrap();
    for (name, bucket, server) in S3::each_that_is_written(directory.path()) {
        println!("{name}");
        let part = open(environment(), &server.url("deep/x"));
        run_writing(&bucket.join("deep/x"), part).await;
    }
}

#[tokio::test]
async fn a_web_server_fulfils_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    let server = Rclone::http(directory.path()).unwrap();
    let storage = open(variables([]), &server.url());
    run(directory.path(), storage.clone()).await;
    run_writing(directory.path(), storage).await;
}
