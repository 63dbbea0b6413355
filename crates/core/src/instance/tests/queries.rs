//! Finding records, labels and features.

use super::*;
use crate::backend::Relation;
use crate::record::{Feature, LinkKind, Visibility};

#[tokio::test]
async fn records_are_found_by_id_uid_and_name() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    let mut a = fixture.artifact("a").await;
    let b = fixture.artifact("b").await;
    assert_eq!(db.artifacts().get(a.id()).await.unwrap(), a);
    assert_eq!(db.artifacts().get(&b.uid).await.unwrap(), b);
    assert_eq!(db.artifacts().get(&b.uid[..12]).await.unwrap(), b);
    assert_eq!(db.artifacts().get_by_name("b.txt").await.unwrap(), b);
    a.delete(None).await.unwrap();
    assert_eq!(db.artifacts().get(&a.uid).await.unwrap(), a);
    assert_eq!(db.artifacts().get(&a.uid[..12]).await.unwrap(), a);
    failure(
        db.artifacts().get_by_name("a.txt").await,
        ErrorKind::NotFound,
    );
    failure(db.artifacts().get("").await, ErrorKind::InvalidInput);
    failure(db.artifacts().get("-").await, ErrorKind::NotFound);
    assert_eq!(db.artifacts().get(&b.uid[..4]).await.unwrap(), b);
    for length in 1..4 {
        let short = db.artifacts().get(&b.uid[..length]).await;
        let error = failure(short, ErrorKind::NotFound);
        assert!(error.message().contains("4 characters"), "{error}");
    }
    failure(db.artifacts().get(99).await, ErrorKind::NotFound);
    failure(db.collections().one().await, ErrorKind::NotFound);
}

/// Inserts a label with a uid of our own.
async fn label(db: &Instance, uid: &str) -> ULabel {
    let label = ULabel {
        uid: uid.to_owned(),
        name: format!("label {uid}"),
        created_by_id: db.user().id,
        ..ULabel::default()
    };
    let mut changes = ChangeSet::new();
    changes.insert(label.clone());
    db.backend().apply(&changes).await.unwrap();
    label
}

#[tokio::test]
async fn an_ambiguous_uid_lists_the_candidates() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    for uid in ["abcd0001", "abcd0002", "abce0003"] {
        label(db, uid).await;
    }
    let error = failure(db.ulabels().get("abcd").await, ErrorKind::InvalidInput);
    assert_eq!(
        error.message().matches("(\"label abcd").count(),
        2,
        "{error}"
    );
    assert_eq!(db.ulabels().get("abce").await.unwrap().uid, "abce0003");
}

/// A uid that is the beginning of another one, as a record of another program may have.
#[tokio::test]
async fn a_whole_uid_comes_before_the_beginning_of_another_one() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    for uid in ["ab", "abcd", "abcd0001"] {
        label(db, uid).await;
    }
    for uid in ["ab", "abcd", "abcd0001"] {
        assert_eq!(db.ulabels().get(uid).await.unwrap().uid, uid);
    }
    assert_eq!(db.ulabels().get("abcd0").await.unwrap().uid, "abcd0001");
}

#[tokio::test]
async fn what_is_in_the_trash_is_meant_where_only_that_is_asked_for() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    let (a, b) = (fixture.artifact("a").await, fixture.artifact("b").await);
    let first = db.collection([&a]).name("n").save().await.unwrap();
    let second = db.collection([&b]).is_new_version_of(&first);
    let mut second = second.save().await.unwrap();
    second.delete(None).await.unwrap();
    let family = &first.uid[..16];
    assert_eq!(db.collections().get(family).await.unwrap().uid, first.uid);
    let trashed = db.collections().only_trash().get(family).await.unwrap();
    assert_eq!(trashed.uid, second.uid);
}

#[tokio::test]
async fn sets_filter_order_and_count() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    let mut names = Vec::new();
    for content in ["c", "a", "b"] {
        names.push(fixture.artifact(content).await);
    }
    let keys = |found: Vec<Handle<Artifact>>| -> Vec<String> {
        found.iter().filter_map(|a| a.key.clone()).collect()
    };
    let by_key = db.artifacts().order_by(Field::Key);
    assert_eq!(
        keys(by_key.all().await.unwrap()),
        ["a.txt", "b.txt", "c.txt"]
    );
    let last = db
        .artifacts()
        .order_by_descending(Field::Key)
        .limit(2)
        .offset(1);
    assert_eq!(keys(last.all().await.unwrap()), ["b.txt", "a.txt"]);
    assert_eq!(last.count().await.unwrap(), 3);
    assert_eq!(
        by_key.first().await.unwrap().unwrap().key.as_deref(),
        Some("a.txt")
    );
    failure(by_key.one().await, ErrorKind::InvalidInput);
    let c = db.collection(&names[..2]).name("n").save().await.unwrap();
    let in_c = Filter::related(
        Relation::Sources(LinkKind::CollectionArtifact),
        Filter::eq(Field::Uid, c.uid.as_str()),
    );
    assert_eq!(
        keys(by_key.clone().filter(in_c).all().await.unwrap()),
        ["a.txt", "c.txt"]
    );
    failure(
        db.artifacts()
            .filter(Filter::eq(Field::Handle, "x"))
            .all()
            .await,
        ErrorKind::InvalidInput,
    );

    let mut hidden = names.swap_remove(0);
    hidden.visibility = Visibility::Hidden;
    hidden.save().await.unwrap();
    assert_eq!(db.artifacts().count().await.unwrap(), 2);
    assert_eq!(db.artifacts().with_hidden().count().await.unwrap(), 3);
    let asked = Filter::eq(Field::Visibility, Visibility::Hidden);
    assert_eq!(db.artifacts().filter(asked).one().await.unwrap(), hidden);
}

#[tokio::test]
async fn labels_and_features() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    let (a, b) = (fixture.artifact("a").await, fixture.artifact("b").await);
    let mut label = db.ulabel("healthy").save().await.unwrap();
    a.add_ulabels([&label]).await.unwrap();
    a.add_ulabels([&label]).await.unwrap();
    assert_eq!(a.ulabels().await.unwrap(), std::slice::from_ref(&label));
    let error = failure(label.delete(Some(true)).await, ErrorKind::InvalidInput);
    assert!(error.message().contains("label of"), "{error}");
    a.remove_ulabels([&label]).await.unwrap();
    label.delete(Some(true)).await.unwrap();

    let feature = |name: &str, dtype: &str| Feature {
        name: name.to_owned(),
        dtype: Some(dtype.to_owned()),
    };
    let genes = vec![feature("CD8A", "float"), feature("CD4", "float")];
    let obs = vec![feature("cell_type", "cat"), feature("n", "int")];
    a.set_features("var", genes.clone()).await.unwrap();
    a.set_features("obs", obs.clone()).await.unwrap();
    b.set_features("var", genes.iter().rev().cloned().collect())
        .await
        .unwrap();
    let (of_a, of_b) = (
        a.feature_sets().await.unwrap(),
        b.feature_sets().await.unwrap(),
    );
    assert_eq!(of_a.keys().collect::<Vec<_>>(), ["obs", "var"]);
    assert_eq!(of_a["var"], of_b["var"]);
    assert_eq!(
        (of_a["var"].n, of_a["var"].dtype.as_deref()),
        (2, Some("float"))
    );
    assert_eq!(of_a["obs"].dtype, None);
    assert_eq!(of_a["var"].members[0].name, "CD4");
    a.set_features("var", obs.clone()).await.unwrap();
    a.set_features("obs", genes).await.unwrap();
    let swapped = a.feature_sets().await.unwrap();
    assert_eq!(
        (swapped["var"].id(), swapped["obs"].id()),
        (of_a["obs"].id(), of_a["var"].id())
    );
    assert_eq!(db.feature_sets().count().await.unwrap(), 2);
    // Several slots at once: swapped back, then one set for both, then one of them another.
    let before = (of_a["obs"].id(), of_a["var"].id());
    let genes = vec![feature("CD8A", "float"), feature("CD4", "float")];
    let both = vec![("obs", obs.clone()), ("var", genes.clone())];
    a.set_slots(both).await.unwrap();
    let ids = async || {
        let sets = a.feature_sets().await.unwrap();
        assert_eq!(sets.len(), 2);
        (sets["obs"].id(), sets["var"].id())
    };
    assert_eq!(ids().await, before);
    let both = vec![("obs", obs.clone()), ("var", obs.clone())];
    a.set_slots(both).await.unwrap();
    assert_eq!(ids().await, (before.0, before.0));
    let new = vec![feature("new", "int")];
    let both = vec![("obs", new.clone()), ("var", new)];
    a.set_slots(both).await.unwrap();
    let (one, other) = ids().await;
    assert_eq!(one, other);
    a.set_features("var", genes).await.unwrap();
    assert_eq!(ids().await, (one, before.1));
    assert_eq!(db.feature_sets().count().await.unwrap(), 3);
    // All slots or none.
    let half = vec![("obs", obs.clone()), ("var", Vec::new())];
    failure(a.set_slots(half).await, ErrorKind::InvalidInput);
    assert_eq!(ids().await, (one, before.1));
    let twice = vec![feature("x", "int"), feature("x", "cat")];
    failure(a.set_features("var", twice).await, ErrorKind::InvalidInput);
    let page = a.describe().await.unwrap();
    assert!(
        page.contains("CD8A") && page.contains("1 int: new"),
        "{page}"
    );
}

#[tokio::test]
async fn lookups_find_records_across_relations() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    let (b, a) = (fixture.artifact("b").await, fixture.artifact("a").await);
    let label = db.ulabel("blood").save().await.unwrap();
    let c = db.collection([&b, &a]).name("C").ulabels([&label]).save();
    let c = c.await.unwrap();
    let lookup = |kind, name, value: &str| Filter::lookup(kind, name, value).unwrap();
    let by_label = lookup(Kind::Collection, "ulabels__name__startswith", "blo");
    assert_eq!(db.collections().filter(by_label).one().await.unwrap(), c);
    let held = lookup(Kind::Artifact, "collections__name", "C");
    let held = db.artifacts().filter(held);
    let in_order = held.order_by_position(LinkKind::CollectionArtifact, c.id());
    assert_eq!(in_order.all().await.unwrap(), [b, a]);
}

#[tokio::test]
async fn a_set_is_streamed() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    for number in 0..2_500 {
        db.ulabel(format!("{number:04}")).save().await.unwrap();
    }
    let set = db.ulabels().order_by_descending(Field::Name);
    let mut names = Vec::new();
    let mut stream = set.stream().unwrap();
    while let Some(label) = stream.next().await {
        names.push(label.unwrap().name.clone());
    }
    assert!(stream.next().await.is_none());
    let expected: Vec<String> = (0..2_500).rev().map(|n| format!("{n:04}")).collect();
    assert_eq!(names, expected);
    let mut few = set.limit(2).offset(1).stream().unwrap();
    assert_eq!(few.next().await.unwrap().unwrap().name, "2498");
    assert_eq!(few.next().await.unwrap().unwrap().name, "2497");
    assert!(few.next().await.is_none());

    // Hidden records are left out here, too, and an error is no end.
    let mut artifact = fixture.artifact("a").await;
    artifact.delete(None).await.unwrap();
    assert!(db.artifacts().stream().unwrap().next().await.is_none());
    let mut stream = db.ulabels().stream().unwrap();
    stream.next().await.unwrap().unwrap();
    db.close().await.unwrap();
    let mut read = 1;
    let error = loop {
        match stream.next().await.unwrap() {
            Ok(_) => read += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((read, error.kind()), (2_000, ErrorKind::Backend));
    assert!(stream.next().await.unwrap().is_err());
    let wrong = db.ulabels().order_by(Field::Handle).stream();
    failure(wrong, ErrorKind::InvalidInput);
}
