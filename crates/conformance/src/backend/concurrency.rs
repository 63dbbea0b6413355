//! Several writers and readers at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::samples::{World, artifact, collection};
use super::{apply, count, insert, select};
use anndex_core::backend::{Backend, ChangeSet, Filter, LinkQuery, OrderBy, Query, Relation};
use anndex_core::error::ErrorKind;
use anndex_core::record::{Field, Kind, LinkKind, Record};

const WRITERS: usize = 4;

/// Each writer takes the next free number again and again, and starts over when another one was
/// faster. In the end every number was taken once.
pub(super) async fn writers_take_turns(backend: Arc<dyn Backend>) {
    const EACH: usize = 25;
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let backend = backend.clone();
            tokio::spawn(async move {
                for _ in 0..EACH {
                    while !take_next(backend.as_ref()).await {
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap_or_else(|e| panic!("a writer: {e}"));
    }
    let query = Query::new(Kind::Collection).order(OrderBy::Field(Field::Uid), false);
    let found = select(backend.as_ref(), &query).await;
    let uids: Vec<_> = found.iter().map(|record| record.uid().to_owned()).collect();
    let expected: Vec<_> = (0..WRITERS * EACH).map(number).collect();
    assert_eq!(uids, expected, "numbers taken by {WRITERS} writers");
}

fn number(number: usize) -> String {
    format!("{number:05}")
}

async fn take_next(backend: &dyn Backend) -> bool {
    let taken = count(backend, &Query::new(Kind::Collection)).await;
    let next = number(usize::try_from(taken).unwrap_or(usize::MAX));
    let mut changes = ChangeSet::new();
    changes.require_none(Kind::Collection, Filter::ge(Field::Uid, next.as_str()));
    changes.insert(collection(&next));
    match backend.apply(&changes).await {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::Conflict => false,
        Err(error) => panic!("apply: {error:#}"),
    }
}

/// A writer makes and deletes collections together with their links while readers look.
pub(super) async fn readers_see_whole_change_sets(backend: Arc<dyn Backend>) {
    const ARTIFACTS: usize = 20;
    let world = World::new(backend.as_ref()).await;
    let mut artifacts = Vec::new();
    for number in 0..ARTIFACTS {
        let record = artifact(&format!("a{number}"), world.storage);
        artifacts.push(insert(backend.as_ref(), record).await);
    }
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (backend, done) = (backend.clone(), done.clone());
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    look(backend.as_ref(), ARTIFACTS).await;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for round in 0..40 {
        let mut changes = ChangeSet::new();
        let new = changes.insert(collection(&format!("c{round}")));
        for (position, artifact) in (0..).zip(&artifacts) {
            changes.link_at(LinkKind::CollectionArtifact, new, *artifact, position);
        }
        let id = apply(backend.as_ref(), &changes).await.inserted[0];
        if round % 2 == 0 {
            let mut changes = ChangeSet::new();
            changes.delete(Kind::Collection, id);
            apply(backend.as_ref(), &changes).await;
        }
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.unwrap_or_else(|e| panic!("a reader: {e}"));
    }
}

async fn look(backend: &dyn Backend, artifacts: usize) {
    let all = LinkQuery {
        kind: LinkKind::CollectionArtifact,
        sources: None,
        targets: None,
    };
    let links = backend
        .links(&all)
        .await
        .unwrap_or_else(|e| panic!("links: {e:#}"));
    let mut by_source = BTreeMap::new();
    for link in links {
        *by_source.entry(link.source).or_insert(0) += 1;
    }
    for (source, found) in by_source {
        assert_eq!(
            found, artifacts,
            "a reader saw a part of collection {source}"
        );
    }
    // No collection but the first is ever seen without artifacts.
    let members = Relation::Targets(LinkKind::CollectionArtifact);
    let empty = Query::new(Kind::Collection)
        .filter(Filter::related(members, Filter::everything()).negate())
        .filter(Filter::ne(Field::Uid, "collection"));
    let found = select(backend, &empty).await;
    let found: Vec<_> = found.iter().map(Record::uid).collect();
    assert!(
        found.is_empty(),
        "a reader saw collections without artifacts: {found:?}"
    );
}
