//! Servers that go away in the middle of work and come back, each one's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anndex_backend_postgres::{PostgresBackend, PostgresOptions, connect};
use anndex_core::ErrorKind;
use anndex_core::backend::{Backend, Query};
use anndex_core::record::{Kind, Record};
use anndex_test_server::{Database, Server};

use crate::{insert, user};

async fn impatient(url: &str) -> PostgresBackend {
    let options = PostgresOptions::new()
        .create(true)
        .acquire_timeout(Duration::from_millis(500));
    connect(url, &options).await.unwrap()
}

async fn handles(backend: &PostgresBackend) -> Vec<String> {
    let users = backend.select(&Query::new(Kind::User)).await.unwrap();
    users
        .iter()
        .map(|user| Record::uid(user).to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_down_is_an_error_until_it_is_back() {
    let server = Server::start().unwrap();
    let database = Database::create_on(&server.url(), "");
    let backend = impatient(&database.url()).await;
    backend.apply(&insert(user("before"))).await.unwrap();
    for crash in [false, true] {
        server.stop(crash).unwrap();
        for _ in 0..2 {
            let start = Instant::now();
            let read = backend.count(&Query::new(Kind::User)).await.unwrap_err();
            let write = backend.apply(&insert(user("lost"))).await.unwrap_err();
            assert!(start.elapsed() < Duration::from_secs(5));
            for error in [read, write] {
                assert_eq!(error.kind(), ErrorKind::Backend, "{error:?}");
                assert!(error.message().contains("server"), "{error}");
                let place = error.context("database").unwrap();
                assert!(place.ends_with(database.name()), "{error}");
            }
        }
        let error = connect(&database.url(), &PostgresOptions::new()).await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Backend, "{error:?}");
        assert!(error.message().contains("reached"), "{error}");
        server.resume().unwrap();
        assert_eq!(handles(&backend).await, ["uid-before"]);
    }
    backend.apply(&insert(user("after"))).await.unwrap();
    assert_eq!(handles(&backend).await, ["uid-before", "uid-after"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_reported_saved_is_lost_in_the_middle_of_work() {
    let server = Server::start().unwrap();
    let database = Database::create_on(&server.url(), "");
    let backend = Arc::new(impatient(&database.url()).await);
    let done = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicUsize::new(0));
    let writer = |name: usize| {
        let (backend, done, count) = (backend.clone(), done.clone(), count.clone());
        tokio::spawn(async move {
            let (mut saved, mut failed) = (Vec::new(), 0);
            for number in 0.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let user = user(&format!("{name}-{number}"));
                match backend.apply(&insert(user.clone())).await {
                    Ok(_) => {
                        saved.push(user.uid);
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Backend, "{error:?}");
                        failed += 1;
                    }
                }
            }
            (saved, failed)
        })
    };
    let writers: Vec<_> = (0..4).map(writer).collect();
    // Work must go on before, between and after.
    let more = async || {
        let before = count.load(Ordering::Relaxed);
        let start = Instant::now();
        while count.load(Ordering::Relaxed) < before + 50 {
            assert!(start.elapsed() < Duration::from_secs(60), "nothing goes on");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    for crash in [false, true, false] {
        more().await;
        server.stop(crash).unwrap();
        server.resume().unwrap();
    }
    more().await;
    done.store(true, Ordering::Relaxed);
    let (mut saved, mut failed) = (Vec::new(), 0);
    for writer in writers {
        let (some, failures) = writer.await.unwrap();
        saved.extend(some);
        failed += failures;
    }
    assert!(failed > 0, "no writer noticed");
    let found = handles(&backend).await;
    let lost: Vec<_> = saved.iter().filter(|uid| !found.contains(uid)).collect();
    assert!(lost.is_empty(), "{lost:?}");
    // A commit whose answer did not come may have been made.
    assert!(found.len() <= saved.len() + failed, "{failed} failed");
}

#[tokio::test]
async fn a_session_that_was_ended_is_replaced() {
    let database = Database::create();
    let backend = impatient(&database.url()).await;
    backend.apply(&insert(user("before"))).await.unwrap();
    let ended = database.run(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE datname = current_database() AND application_name = 'anndex'",
    );
    assert_ne!(ended.trim(), "0");
    backend.apply(&insert(user("after"))).await.unwrap();
    assert_eq!(handles(&backend).await, ["uid-before", "uid-after"]);
}
