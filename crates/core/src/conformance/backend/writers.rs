//! Many writers: tasks, connections and processes.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anndex_backend_sqlite::SqliteBackend;
use anndex_core::ErrorKind;
use anndex_core::backend::{Backend, ChangeSet, Filter, Query};
use anndex_core::record::{Field, Kind, LinkKind, ULabel};

use crate::{create, insert, user};

/// Takes a handle if nobody has it, as the domain takes the next version.
fn claim(handle: &str, by: &str) -> ChangeSet {
    let mut changes = ChangeSet::new();
    changes.require_none(Kind::User, Filter::eq(Field::Handle, handle));
    let mut claimed = user(handle);
    claimed.uid = format!("{handle}-{by}");
    changes.insert(claimed);
    changes
}

/// Claims handles; the number of those that it got.
async fn claim_all(backend: &SqliteBackend, count: usize, by: &str) -> usize {
    let mut won = 0;
    for number in 0..count {
        match backend
            .apply(&claim(&format!("contested {number}"), by))
            .await
        {
            Ok(_) => won += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}"),
        }
    }
    won
}

async fn insert_all(backend: &SqliteBackend, count: usize, by: &str) {
    for number in 0..count {
        let changes = insert(user(&format!("{by} {number}")));
        backend.apply(&changes).await.unwrap();
    }
}

async fn users(backend: &SqliteBackend) -> usize {
    let count = backend.count(&Query::new(Kind::User)).await.unwrap();
    usize::try_from(count).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_conflicting_changes_exactly_one_wins() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sqlite");
    let mut tasks = Vec::new();
    for number in 0..4 {
        let backend = create(&path).await;
        tasks.push(tokio::spawn(async move {
            claim_all(&backend, 25, &number.to_string()).await
        }));
    }
    let mut won = 0;
    for task in tasks {
        won += task.await.unwrap();
    }
    assert_eq!(won, 25);
    assert_eq!(users(&create(&path).await).await, 25);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_write_of_many_tasks_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sqlite");
    // Two tasks on each of two backends: they queue in the process, and lock the file.
    let backends = [Arc::new(create(&path).await), Arc::new(create(&path).await)];
    let mut tasks = Vec::new();
    for number in 0..4 {
        let backend = Arc::clone(&backends[number % 2]);
        tasks.push(tokio::spawn(async move {
            insert_all(&backend, 50, &format!("task {number}")).await;
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    for backend in &backends {
        assert_eq!(users(backend).await, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_dropped_operation_leaves_all_or_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let backend = create(&directory.path().join("a.sqlite")).await;
    for number in 0..60 {
        let mut changes = ChangeSet::new();
        let label = |end: &str| ULabel {
            uid: format!("{number}{end}"),
            ..ULabel::default()
        };
        let (child, parent) = (
            changes.insert(label("child")),
            changes.insert(label("parent")),
        );
        changes.link(LinkKind::ULabelParent, child, parent);
        let apply = backend.apply(&changes);
        let _ = tokio::time::timeout(Duration::from_micros(number * 20), apply).await;
    }
    // Comes after a commit that was on its way when its operation was dropped.
    backend.apply(&insert(user("after"))).await.unwrap();
    let labels = backend.select(&Query::new(Kind::ULabel)).await.unwrap();
    let links = anndex_core::backend::LinkQuery {
        kind: LinkKind::ULabelParent,
        sources: None,
        targets: None,
    };
    assert_eq!(labels.len(), 2 * backend.links(&links).await.unwrap().len());
}

/// Names the database to the processes that [`processes_write_at_once`] starts.
const CHILD: &str = "ANNDEX_TEST_DATABASE";

#[tokio::test]
async fn processes_write_at_once() {
    if let Ok(path) = std::env::var(CHILD) {
        return child(Path::new(&path)).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sqlite");
    // They also make the file, and its schema, at once.
    let start = |_| {
        Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "concurrency::processes_write_at_once",
                "--nocapture",
            ])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = (0..3).map(start).collect();
    let mut won = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        let output_text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{output_text}");
        let words: Vec<_> = output_text.split_whitespace().collect();
        let after = words.iter().position(|word| *word == "won").unwrap() + 1;
        won += words[after].parse::<usize>().unwrap();
    }
    assert_eq!(won, 25);
    let backend = create(&path).await;
    assert_eq!(users(&backend).await, 3 * 50 + 25);
}

async fn child(path: &Path) {
    let backend = create(path).await;
    let name = std::process::id().to_string();
    let won = claim_all(&backend, 25, &name).await;
    insert_all(&backend, 50, &name).await;
    println!(" won {won} ");
}
