//! Queries: every operator, relations, order, limits.

use super::samples::{World, artifact, collection, run, time};
use super::{apply, count, insert, select};
use anndex_core::backend::{Backend, ChangeSet, Filter, LinkQuery, OrderBy, Query, Relation};
use anndex_core::error::ErrorKind;
use anndex_core::record::{Artifact, Field, Kind, LinkKind, Record, Value, Visibility};

/// What stands in the uid of each record that a query finds, in its order.
async fn uids(backend: &dyn Backend, query: &Query) -> Vec<String> {
    let found = select(backend, query).await;
    found.iter().map(|record| record.uid().to_owned()).collect()
}

async fn check(backend: &dyn Backend, filter: Filter, expected: &str) {
    let query = Query::new(Kind::Artifact)
        .filter(filter.clone())
        .filter(Filter::ne(Field::Uid, "artifact"));
    let expected: Vec<_> = expected.split_whitespace().collect();
    assert_eq!(uids(backend, &query).await, expected, "{filter:?}");
    assert_eq!(
        count(backend, &query).await,
        expected.len() as u64,
        "count of {filter:?}"
    );
}

/// Five artifacts, `a` to `e`, of which `e` has no optional field.
async fn five(backend: &dyn Backend) -> World {
    let world = World::new(backend).await;
    for (uid, key, size, microseconds, done) in [
        ("a", Some("scrna/größe_1.h5ad"), Some(1), 500_000, true),
        ("b", Some("scrna/GRÖSSE%1.h5ad"), Some(-5), 50_000, false),
        ("c", Some("bulk/x.zarr"), Some(10), 0, true),
        ("d", Some(""), Some(10), 1_000_000, false),
        ("e", None, None, 2_000_000, false),
    ] {
        let record = Artifact {
            key: key.map(str::to_owned),
            size,
            created_at: time(microseconds),
            storage_completed: done,
            visibility: if uid == "d" {
                Visibility::Trash
            } else {
                Visibility::Default
            },
            ..artifact(uid, world.storage)
        };
        insert(backend, record).await;
    }
    world
}

pub(super) async fn every_operator(backend: &dyn Backend) {
    five(backend).await;
    let (key, size, at) = (Field::Key, Field::Size, Field::CreatedAt);
    for (filter, expected) in [
        (Filter::everything(), "a b c d e"),
        (Filter::Any(vec![]), ""),
        (Filter::eq(key, ""), "d"),
        (Filter::eq(key, "SCRNA/größe_1.h5ad"), ""),
        (Filter::ne(key, "bulk/x.zarr"), "a b d e"),
        (Filter::eq(key, None::<String>), "e"),
        (Filter::ne(key, None::<String>), "a b c d"),
        (Filter::is_null(key), "e"),
        (Filter::is_null(key).negate(), "a b c d"),
        (Filter::is_null(Field::Uid), ""),
        (Filter::eq(size, 10), "c d"),
        (Filter::ne(size, 10), "a b e"),
        (Filter::lt(size, 1), "b"),
        (Filter::le(size, 1), "a b"),
        (Filter::gt(size, 1), "c d"),
        (Filter::ge(size, 1), "a c d"),
        (Filter::lt(size, 1).negate(), "a c d e"),
        (Filter::gt(key, "scrna"), "a b"),
        (Filter::lt(key, "scrna/a"), "b c d"),
        (Filter::eq(at, time(50_000)), "b"),
        (Filter::lt(at, time(500_000)), "b c"),
        (Filter::ge(at, time(500_000)), "a d e"),
        (Filter::eq(Field::StorageCompleted, true), "a c"),
        (Filter::ne(Field::StorageCompleted, true), "b d e"),
        (Filter::eq(Field::Visibility, Visibility::Trash), "d"),
        (Filter::is_in(size, [10, -5, 99]), "b c d"),
        (Filter::is_in(size, [10, -5]).negate(), "a e"),
        (Filter::is_in(size, [0i64; 0]), ""),
        (Filter::is_in(size, [0i64; 0]).negate(), "a b c d e"),
        (Filter::is_in(Field::Uid, ["e", "a"]), "a e"),
        (Filter::is_in(at, [time(0), time(1)]), "c"),
        (Filter::contains(key, "größe"), "a"),
        (Filter::contains(key, "GRÖSSE"), "b"),
        (Filter::contains(key, "RNA"), ""),
        (Filter::contains(key, "%"), "b"),
        (Filter::contains(key, "_"), "a"),
        (Filter::contains(key, "*"), ""),
        (Filter::contains(key, ""), "a b c d"),
        (Filter::contains(key, "'"), ""),
        (Filter::contains(key, "h5").negate(), "c d e"),
        (Filter::starts_with(key, "scrna/"), "a b"),
        (Filter::starts_with(key, "Scrna/"), ""),
        (Filter::starts_with(key, "%"), ""),
        (Filter::starts_with(key, ""), "a b c d"),
        (Filter::starts_with(key, "x.zarr"), ""),
        (Filter::eq(size, 10).and(Filter::eq(key, "")), "d"),
        (Filter::eq(size, 1).or(Filter::is_null(key)), "a e"),
        (
            Filter::eq(size, 1).or(Filter::is_null(key)).negate(),
            "b c d",
        ),
        (Filter::gt(size, 1).and(Filter::gt(size, 1).negate()), ""),
        (
            Filter::gt(size, 1).or(Filter::gt(size, 1).negate()),
            "a b c d e",
        ),
        (
            Filter::All(vec![
                Filter::Any(vec![Filter::eq(size, 1), Filter::eq(size, 10)]),
                Filter::Not(Box::new(Filter::All(vec![
                    Filter::eq(size, 10),
                    Filter::starts_with(key, "bulk"),
                ]))),
            ]),
            "a d",
        ),
    ] {
        check(backend, filter, expected).await;
    }
}

pub(super) async fn across_relations(backend: &dyn Backend) {
    let world = five(backend).await;
    let by_uid = |uid: &str| Query::new(Kind::Artifact).filter(Filter::eq(Field::Uid, uid));
    let mut ids = Vec::new();
    for uid in ["a", "b", "c", "d"] {
        ids.extend(
            select(backend, &by_uid(uid))
                .await
                .first()
                .and_then(Record::id),
        );
    }
    let x = insert(backend, collection("x")).await;
    let y = insert(backend, collection("y")).await;
    let other_run = insert(backend, run("other", world.transform)).await;
    let mut changes = ChangeSet::new();
    for (position, artifact) in [(0, ids[2]), (1, ids[0])] {
        changes.link_at(LinkKind::CollectionArtifact, x, artifact, position);
    }
    changes.link_at(LinkKind::CollectionArtifact, y, ids[0], 0);
    changes.link(LinkKind::RunInputArtifact, world.run, ids[1]);
    changes.link(LinkKind::TransformParent, world.transform, world.transform);
    changes.update(Kind::Artifact, ids[3], vec![(Field::Run, other_run.into())]);
    changes.update(Kind::Collection, y, vec![(Field::Artifact, ids[1].into())]);
    apply(backend, &changes).await;

    let id = |id: i64| Filter::eq(Field::Id, id);
    let in_collection = Relation::Sources(LinkKind::CollectionArtifact);
    let members = Relation::Targets(LinkKind::CollectionArtifact);
    let created = Relation::Reference(Field::Run);
    let key = |text: &str| Filter::starts_with(Field::Key, text);
    for (filter, expected) in [
        (Filter::related(in_collection, id(x)), "a c"),
        (Filter::related(in_collection, id(y)), "a"),
        (Filter::related(in_collection, Filter::everything()), "a c"),
        (
            Filter::related(in_collection, Filter::everything()).negate(),
            "b d e",
        ),
        (Filter::related(in_collection, id(y).negate()), "a c"),
        (Filter::related(in_collection, id(y)).negate(), "b c d e"),
        (
            Filter::related(Relation::Sources(LinkKind::RunInputArtifact), id(world.run)),
            "b",
        ),
        (Filter::related(created, id(other_run)), "d"),
        (Filter::related(created, id(other_run)).negate(), "a b c e"),
        (
            Filter::related(created, Filter::eq(Field::Transform, world.transform)),
            "d",
        ),
        (
            Filter::related(
                created,
                Filter::related(Relation::Reference(Field::Transform), Filter::everything()),
            ),
            "d",
        ),
        (
            Filter::related(
                Relation::ReferencedBy(Kind::Collection, Field::Artifact),
                Filter::eq(Field::Name, "y"),
            ),
            "b",
        ),
        (
            // In a collection that also has a key of this beginning.
            Filter::related(in_collection, Filter::related(members, key("bulk"))),
            "a c",
        ),
    ] {
        check(backend, filter, expected).await;
    }
    let collections = |filter| Query::new(Kind::Collection).filter(filter);
    let with_key = collections(Filter::related(members, key("bulk/")));
    assert_eq!(
        uids(backend, &with_key).await,
        ["x"],
        "collections with an artifact by key"
    );
    let with_a = collections(Filter::related(members, id(ids[0])));
    assert_eq!(
        uids(backend, &with_a).await,
        ["x", "y"],
        "collections with an artifact"
    );
    let runs = Relation::ReferencedBy(Kind::Artifact, Field::Run);
    let runs = Query::new(Kind::Run).filter(Filter::related(runs, Filter::everything()));
    assert_eq!(
        uids(backend, &runs).await,
        ["other"],
        "runs that made an artifact"
    );
    let own = Relation::Targets(LinkKind::TransformParent);
    let own = Query::new(Kind::Transform).filter(Filter::related(own, Filter::everything()));
    assert_eq!(
        uids(backend, &own).await,
        ["transform"],
        "a relation of a kind with itself"
    );

    let position = |source| OrderBy::Position {
        link: LinkKind::CollectionArtifact,
        source,
    };
    let of_x = Query::new(Kind::Artifact).filter(Filter::related(in_collection, id(x)));
    let ordered = of_x.clone().order(position(x), false);
    assert_eq!(
        uids(backend, &ordered).await,
        ["c", "a"],
        "artifacts of a collection in order"
    );
    let reversed = of_x.order(position(x), true);
    assert_eq!(
        uids(backend, &reversed).await,
        ["a", "c"],
        "and from the last"
    );
}

pub(super) async fn order_limit_and_count(backend: &dyn Backend) {
    five(backend).await;
    let five = Query::new(Kind::Artifact).filter(Filter::ne(Field::Uid, "artifact"));
    let by = |field, descending| five.clone().order(OrderBy::Field(field), descending);
    for (query, expected) in [
        (by(Field::Size, false), "e b a c d"),
        (by(Field::Size, true), "c d a b e"),
        (
            by(Field::Size, true).order(OrderBy::Field(Field::Uid), true),
            "d c a b e",
        ),
        // By code point: upper case before lower case before umlauts.
        (by(Field::Key, false), "e d c b a"),
        (by(Field::Key, true), "a b c d e"),
        (by(Field::CreatedAt, false), "c b a d e"),
        (by(Field::StorageCompleted, false), "b d e a c"),
        (by(Field::Uid, true).limit(2), "e d"),
        (by(Field::Uid, true).limit(2).offset(1), "d c"),
        (by(Field::Uid, false).offset(3), "d e"),
        (by(Field::Uid, false).offset(5), ""),
        (by(Field::Uid, false).limit(0), ""),
        (by(Field::Uid, false).limit(u64::MAX).offset(4), "e"),
        (by(Field::Uid, false).offset(u64::MAX), ""),
    ] {
        let expected: Vec<_> = expected.split_whitespace().collect();
        assert_eq!(uids(backend, &query).await, expected, "{query:?}");
        assert_eq!(count(backend, &query).await, 5, "count of {query:?}");
    }
    let names = ["Z", "a", "z", "ä", "日", "\u{fffd}", "🧬"];
    for name in names.iter().rev() {
        insert(backend, collection(name)).await;
    }
    let by_name = Query::new(Kind::Collection)
        .filter(Filter::ne(Field::Name, "collection"))
        .order(OrderBy::Field(Field::Name), false);
    assert_eq!(
        uids(backend, &by_name).await,
        names,
        "text in the order of code points"
    );
}

pub(super) async fn long_lists(backend: &dyn Backend) {
    const MANY: i64 = 40_000;
    let world = World::new(backend).await;
    let mut changes = ChangeSet::new();
    let collection = changes.insert(collection("many"));
    for position in 0..MANY {
        let artifact = changes.insert(artifact(&format!("a{position}"), world.storage));
        changes.link_at(
            LinkKind::CollectionArtifact,
            collection,
            artifact,
            MANY - position,
        );
    }
    let inserted = apply(backend, &changes).await.inserted;
    assert_eq!(inserted.len() as i64, MANY + 1, "ids of inserted records");
    let (collection, artifacts) = (inserted[0], &inserted[1..]);
    let query = Query::new(Kind::Artifact).filter(Filter::is_in(Field::Id, artifacts.to_vec()));
    assert_eq!(
        count(backend, &query).await as i64,
        MANY,
        "a long list in a filter"
    );
    let unknown: Vec<String> = (0..MANY).map(|n| format!("unknown {n}")).collect();
    let none = Query::new(Kind::Artifact).filter(Filter::is_in(Field::Uid, unknown).negate());
    assert_eq!(
        count(backend, &none).await as i64,
        MANY + 1,
        "a long list that nothing is in"
    );
    let links = LinkQuery {
        kind: LinkKind::CollectionArtifact,
        sources: None,
        targets: Some(artifacts.to_vec()),
    };
    let links = backend
        .links(&links)
        .await
        .unwrap_or_else(|e| panic!("links: {e:#}"));
    assert_eq!(
        links.len() as i64,
        MANY,
        "a long list in a question for links"
    );
    let position = OrderBy::Position {
        link: LinkKind::CollectionArtifact,
        source: collection,
    };
    let held = Relation::Sources(LinkKind::CollectionArtifact);
    let ordered = Query::new(Kind::Artifact)
        .filter(Filter::related(held, Filter::eq(Field::Id, collection)))
        .order(position, false);
    let found: Vec<_> = select(backend, &ordered)
        .await
        .iter()
        .filter_map(Record::id)
        .collect();
    let reversed: Vec<_> = artifacts.iter().rev().copied().collect();
    assert!(found == reversed, "the order of a large collection");
}

pub(super) async fn what_does_not_fit(backend: &dyn Backend) {
    World::new(backend).await;
    let by = |kind, by| Query::new(kind).order(by, false);
    let artifact = |filter| Query::new(Kind::Artifact).filter(filter);
    for query in [
        artifact(Filter::eq(Field::Handle, "x")),
        artifact(Filter::eq(Field::Size, "x")),
        artifact(Filter::Compare(
            Field::Key,
            anndex_core::backend::Comparison::Lt,
            Value::Null,
        )),
        artifact(Filter::In(Field::Key, vec![Value::Null])),
        artifact(Filter::contains(Field::Size, "1")),
        artifact(Filter::contains(Field::Key, "a\0b")),
        artifact(Filter::eq(Field::Key, "a\0b")),
        artifact(Filter::related(
            Relation::Reference(Field::Key),
            Filter::everything(),
        )),
        artifact(Filter::related(
            Relation::Targets(LinkKind::CollectionArtifact),
            Filter::everything(),
        )),
        Query::new(Kind::FeatureSet).filter(Filter::Compare(
            Field::Members,
            anndex_core::backend::Comparison::Eq,
            Value::Json(serde_json::json!([])),
        )),
        by(Kind::Artifact, OrderBy::Field(Field::Handle)),
        by(Kind::FeatureSet, OrderBy::Field(Field::Members)),
        by(
            Kind::Artifact,
            OrderBy::Position {
                link: LinkKind::ArtifactULabel,
                source: 1,
            },
        ),
    ] {
        for error in [
            backend.select(&query).await.err(),
            backend.count(&query).await.err(),
        ] {
            let kind = error.map(|error| error.kind());
            assert_eq!(kind, Some(ErrorKind::InvalidInput), "{query:?}");
        }
    }
}
