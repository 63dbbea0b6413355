//! Pages: together they are what one query gives, whatever its order, however large they are, and
//! while others write.

use super::samples::{World, artifact, collection};
use super::{apply, insert, select};
use anndex_core::backend::{Backend, ChangeSet, Filter, OrderBy, Pages, Query, Relation};
use anndex_core::error::ErrorKind;
use anndex_core::record::{Artifact, Collection, Field, Id, Kind, LinkKind, Record};

const MANY: i64 = 40;

/// All records, and the size of the largest page.
async fn read(backend: &dyn Backend, query: &Query, size: u64) -> (Vec<Record>, usize) {
    let pages = Pages::new(query.clone(), size);
    let mut pages = pages.unwrap_or_else(|e| panic!("pages of {query:?}: {e:#}"));
    let (mut records, mut largest) = (Vec::new(), 0);
    while let Some(page) = next(backend, &mut pages).await {
        assert!(!page.is_empty());
        largest = largest.max(page.len());
        records.extend(page);
    }
    assert!(next(backend, &mut pages).await.is_none(), "after the end");
    (records, largest)
}

async fn next(backend: &dyn Backend, pages: &mut Pages) -> Option<Vec<Record>> {
    let page = pages.next(backend).await;
    page.unwrap_or_else(|e| panic!("next page: {e:#}"))
}

/// Artifacts of which many are equal in what they can be ordered by, and have nulls in it.
async fn equal_ones(backend: &dyn Backend) -> (World, Vec<Id>) {
    let world = World::new(backend).await;
    let mut ids = Vec::new();
    for number in 0..MANY {
        let record = Artifact {
            size: (number % 4 > 0).then_some(number % 4 - 2),
            key: (number % 3 > 0).then(|| format!("Ä{}", number % 3)),
            storage_completed: number % 2 == 0,
            created_at: super::samples::time(number % 5),
            ..artifact(&format!("{number:02}"), world.storage)
        };
        ids.push(insert(backend, record).await);
    }
    (world, ids)
}

pub(super) async fn every_order(backend: &dyn Backend) {
    let (world, ids) = equal_ones(backend).await;
    let held = insert(backend, collection("held")).await;
    let mut changes = ChangeSet::new();
    // Every third one, from the last to the first.
    let linked = ids.iter().rev().step_by(3);
    for (position, id) in (0..).zip(linked) {
        changes.link_at(LinkKind::CollectionArtifact, held, *id, position);
    }
    apply(backend, &changes).await;

    let all = || Query::new(Kind::Artifact);
    let field = |field| OrderBy::Field(field);
    let position = OrderBy::Position {
        link: LinkKind::CollectionArtifact,
        source: held,
    };
    let in_it = Relation::Sources(LinkKind::CollectionArtifact);
    let in_it = Filter::related(in_it, Filter::eq(Field::Id, held));
    let queries = [
        all(),
        all().order(field(Field::Id), true),
        all().order(field(Field::Size), false),
        all().order(field(Field::Size), true),
        all()
            .order(field(Field::Key), true)
            .order(field(Field::Size), false),
        all()
            .order(field(Field::StorageCompleted), true)
            .order(field(Field::Key), false),
        all()
            .order(field(Field::CreatedAt), false)
            .order(field(Field::Uid), true),
        all()
            .filter(Filter::is_null(Field::Key))
            .order(field(Field::Size), false),
        all().filter(Filter::eq(Field::Id, -1)),
        all().order(position, false),
        all().order(position, true).order(field(Field::Size), true),
        all().filter(in_it.clone()).order(position, false),
        all()
            .filter(in_it)
            .filter(Filter::ge(Field::Size, 0))
            .order(position, true),
        all()
            .filter(Filter::eq(Field::Storage, world.storage))
            .order(position, false),
    ];
    for query in queries {
        let whole = select(backend, &query).await;
        for size in [0, 1, 3, 7, 1_000] {
            let (records, largest) = read(backend, &query, size).await;
            assert_eq!(records, whole, "{size} of {query:?}");
            assert!(largest as u64 <= size.max(1), "{size} of {query:?}");
        }
        for (limit, offset) in [
            (Some(5), 0),
            (Some(0), 2),
            (Some(9), 12),
            (None, 17),
            (None, 99),
        ] {
            let part = Query {
                limit,
                offset,
                ..query.clone()
            };
            let whole = select(backend, &part).await;
            let (records, _) = read(backend, &part, 4).await;
            assert_eq!(records, whole, "{part:?}");
        }
    }
    let unknown = all().filter(Filter::eq(Field::Handle, "x"));
    let later = all()
        .order(field(Field::Size), false)
        .order(position, false);
    for (query, kind) in [
        (unknown, ErrorKind::InvalidInput),
        (later, ErrorKind::Unsupported),
    ] {
        let error = Pages::new(query, 1).err();
        assert_eq!(error.map(|error| error.kind()), Some(kind));
    }
}

pub(super) async fn others_write_meanwhile(backend: &dyn Backend) {
    let (world, ids) = equal_ones(backend).await;
    for order in [None, Some(Field::Key), Some(Field::Size)] {
        let mut query = Query::new(Kind::Artifact).filter(Filter::ne(Field::Uid, "artifact"));
        if let Some(field) = order {
            query = query.order(OrderBy::Field(field), false);
        }
        let stays = query
            .clone()
            .filter(Filter::eq(Field::Etag, None::<String>));
        let stays = select(backend, &stays).await;
        let pages = Pages::new(query, 3);
        let mut pages = pages.unwrap_or_else(|e| panic!("pages: {e:#}"));
        let (mut records, mut number) = (Vec::new(), 0);
        while let Some(page) = next(backend, &mut pages).await {
            records.extend(page);
            number += 1;
            assert!(number < 1_000, "there is no end");
            // One that was there, and one that comes and goes, somewhere in the order.
            let etag = format!("{order:?} {number}");
            let mut changes = ChangeSet::new();
            changes.insert(Artifact {
                key: (number % 2 == 0).then(|| format!("Ä{}", number % 3)),
                etag: Some(etag.clone()),
                ..artifact(&etag, world.storage)
            });
            let guest = apply(backend, &changes).await.inserted[0];
            if number % 3 == 0 {
                let mut changes = ChangeSet::new();
                changes.delete(Kind::Artifact, guest);
                apply(backend, &changes).await;
            }
            if number >= 60 {
                break;
            }
        }
        let kept = records
            .iter()
            .filter(|one| one.get(Field::Etag) == Some(None::<String>.into()));
        let kept: Vec<&str> = kept.map(Record::uid).collect();
        let stays: Vec<&str> = stays.iter().map(Record::uid).collect();
        assert_eq!(kept, stays, "{order:?}");
    }
    // What was read may be deleted, which shifts nothing.
    let query = Query::new(Kind::Artifact).filter(Filter::is_in(Field::Id, ids));
    let pages = Pages::new(query.clone(), 3);
    let mut pages = pages.unwrap_or_else(|e| panic!("pages: {e:#}"));
    let mut deleted = 0;
    while let Some(page) = next(backend, &mut pages).await {
        let mut changes = ChangeSet::new();
        for record in &page {
            changes.delete(Kind::Artifact, record.id().unwrap_or_default());
        }
        apply(backend, &changes).await;
        deleted += page.len();
    }
    assert_eq!(deleted as i64, MANY);
    assert!(select(backend, &query).await.is_empty());
}

pub(super) async fn many(backend: &dyn Backend) {
    const MANY: usize = 20_000;
    let mut changes = ChangeSet::new();
    for number in 0..MANY {
        changes.insert(Collection {
            name: format!("{}", number % 7),
            ..collection(&number.to_string())
        });
    }
    apply(backend, &changes).await;
    for order in [Field::Id, Field::Name] {
        let query = Query::new(Kind::Collection).order(OrderBy::Field(order), false);
        let (records, largest) = read(backend, &query, 1_500).await;
        assert_eq!((records.len(), largest), (MANY, 1_500));
        assert_eq!(records, select(backend, &query).await);
    }
}
