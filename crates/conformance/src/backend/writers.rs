//! Many writers: tasks, and backends that were opened one by one on the same database.

use std::sync::Arc;
use std::time::Duration;

use super::samples::user;
use super::{apply, count, insert, select};
use anndex_core::backend::{Backend, ChangeSet, Filter, LinkQuery, Query};
use anndex_core::error::ErrorKind;
use anndex_core::record::{Field, Kind, LinkKind, ULabel};

/// Makes a label with a name that no label has, as the domain takes the next version: nothing but
/// the precondition keeps two from having it.
fn claim(name: &str, by: &str) -> ChangeSet {
    let mut changes = ChangeSet::new();
    changes.require_none(Kind::ULabel, Filter::eq(Field::Name, name));
    changes.insert(ULabel {
        uid: format!("{name}-{by}"),
        name: name.to_owned(),
        ..ULabel::default()
    });
    changes
}

/// Claims the names `contested 0` to `contested <count - 1>`; the number of those that it got.
///
/// # Panics
/// If the backend fails.
pub async fn claim_all(backend: &dyn Backend, count: usize, by: &str) -> usize {
    let mut won = 0;
    for number in 0..count {
        let claim = claim(&format!("contested {number}"), by);
        match backend.apply(&claim).await {
            Ok(_) => won += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}"),
        }
    }
    won
}

/// Inserts users of whom nobody else knows.
///
/// # Panics
/// If one of them is refused.
pub async fn insert_all(backend: &dyn Backend, count: usize, by: &str) {
    for number in 0..count {
        insert(backend, user(&format!("{by} {number}"))).await;
    }
}

async fn users(backend: &dyn Backend) -> usize {
    let users = count(backend, &Query::new(Kind::User)).await;
    usize::try_from(users).unwrap_or(usize::MAX)
}

pub(super) async fn of_conflicting_changes_exactly_one_wins(backends: Vec<Arc<dyn Backend>>) {
    let mut tasks = Vec::new();
    for (number, backend) in backends.iter().cloned().enumerate() {
        tasks.push(tokio::spawn(async move {
            claim_all(backend.as_ref(), 25, &number.to_string()).await
        }));
    }
    let mut won = 0;
    for task in tasks {
        won += task.await.unwrap_or_else(|e| panic!("a writer: {e}"));
    }
    assert_eq!(won, 25);
    let labels = count(backends[0].as_ref(), &Query::new(Kind::ULabel)).await;
    assert_eq!(labels, 25);
}

/// Two tasks on each backend: they also queue for what one backend has once only.
pub(super) async fn no_write_of_many_tasks_is_lost(backends: Vec<Arc<dyn Backend>>) {
    let mut tasks = Vec::new();
    for number in 0..4 {
        let backend = Arc::clone(&backends[number % backends.len()]);
        tasks.push(tokio::spawn(async move {
            insert_all(backend.as_ref(), 50, &format!("task {number}")).await;
        }));
    }
    for task in tasks {
        task.await.unwrap_or_else(|e| panic!("a writer: {e}"));
    }
    for backend in &backends {
        assert_eq!(users(backend.as_ref()).await, 200);
    }
}

/// Changes without preconditions have nothing to conflict about: each is made, one after another.
pub(super) async fn of_changes_to_one_record_all_are_made(backends: Vec<Arc<dyn Backend>>) {
    const EACH: usize = 40;
    let label = ULabel {
        uid: "label".to_owned(),
        ..ULabel::default()
    };
    let label = insert(backends[0].as_ref(), label).await;
    let mut tasks = Vec::new();
    for (number, backend) in backends.iter().cloned().enumerate() {
        tasks.push(tokio::spawn(async move {
            for round in 0..EACH {
                let name = format!("{number}-{round}");
                let mut changes = ChangeSet::new();
                changes.insert(user(&name));
                changes.update(Kind::ULabel, label, vec![(Field::Name, name.into())]);
                apply(backend.as_ref(), &changes).await;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap_or_else(|e| panic!("a writer: {e}"));
    }
    let backend = backends[0].as_ref();
    assert_eq!(users(backend).await, backends.len() * EACH);
    let last = select(backend, &Query::new(Kind::ULabel)).await;
    let last = last[0].get(Field::Name);
    let ends: Vec<_> = (0..backends.len())
        .map(|number| Some(format!("{number}-{}", EACH - 1).into()))
        .collect();
    assert!(ends.contains(&last), "{last:?}");
}

pub(super) async fn a_dropped_operation_leaves_all_or_nothing(backend: &dyn Backend) {
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
        // Both outcomes are fine; half of one is not.
        let _ = tokio::time::timeout(Duration::from_micros(number * 50), apply).await;
    }
    // Comes after a commit that was on its way when its operation was dropped.
    insert(backend, user("after")).await;
    let labels = count(backend, &Query::new(Kind::ULabel)).await;
    let links = LinkQuery {
        kind: LinkKind::ULabelParent,
        sources: None,
        targets: None,
    };
    let links = backend.links(&links).await;
    let links = links.unwrap_or_else(|e| panic!("links: {e:#}")).len();
    assert_eq!(labels, 2 * links as u64);
}
