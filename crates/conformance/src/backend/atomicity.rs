//! Change sets happen as a whole or not at all, and only if their preconditions hold.

use super::samples::{World, artifact, collection, run, time};
use super::{apply, insert, refused, select};
use anndex_core::backend::{Backend, ChangeSet, Filter, NewRecord, Query, Relation};
use anndex_core::error::ErrorKind;
use anndex_core::record::{Collection, Field, Kind, LinkKind, Record, User, Value};

pub(super) async fn conflicts_change_nothing(backend: &dyn Backend) {
    let world = World::new(backend).await;
    // What comes before the conflict, and must be undone with it.
    let begun = || {
        let mut changes = ChangeSet::new();
        let new = changes.insert(collection("new"));
        changes.link_at(LinkKind::CollectionArtifact, new, world.artifact, 0);
        changes.link(LinkKind::CollectionULabel, world.collection, world.ulabel);
        changes.unlink(LinkKind::CollectionULabel, world.collection, world.ulabel);
        let renamed = vec![(Field::Name, "renamed".into())];
        changes.update(Kind::Collection, world.collection, renamed);
        changes.delete(Kind::FeatureSet, world.feature_set);
        changes
    };
    let mut taken = begun();
    taken.insert(collection("collection"));
    refused(backend, &taken, ErrorKind::Conflict, "a uid that is taken").await;
    let mut twice = begun();
    twice.insert(collection("new"));
    refused(
        backend,
        &twice,
        ErrorKind::Conflict,
        "a uid twice in one set",
    )
    .await;
    let mut handle = begun();
    handle.insert(User {
        uid: "other".to_owned(),
        handle: "ada".to_owned(),
        ..User::default()
    });
    refused(
        backend,
        &handle,
        ErrorKind::Conflict,
        "a unique text that is taken",
    )
    .await;
    let mut meta = begun();
    for uid in ["one", "two"] {
        meta.insert(Collection {
            artifact_id: Some(world.artifact),
            ..collection(uid)
        });
    }
    refused(
        backend,
        &meta,
        ErrorKind::Conflict,
        "a unique reference that is taken",
    )
    .await;
    let mut missing = begun();
    missing.insert(run("lost", 1_000_000));
    refused(
        backend,
        &missing,
        ErrorKind::Conflict,
        "a reference to nothing",
    )
    .await;
    let mut missing = begun();
    missing.update(
        Kind::Artifact,
        world.artifact,
        vec![(Field::Run, 1_000_000.into())],
    );
    refused(
        backend,
        &missing,
        ErrorKind::Conflict,
        "an update that refers to nothing",
    )
    .await;
    let mut missing = begun();
    missing.link(LinkKind::ArtifactULabel, world.artifact, 1_000_000);
    refused(backend, &missing, ErrorKind::Conflict, "a link to nothing").await;
    let mut referred = begun();
    referred.delete(Kind::Transform, world.transform);
    refused(
        backend,
        &referred,
        ErrorKind::Conflict,
        "deleting what is referred to",
    )
    .await;

    let mut wrong = begun();
    let fields = vec![(Field::Handle, Value::from("x"))];
    wrong.update(Kind::Collection, world.collection, fields);
    refused(
        backend,
        &wrong,
        ErrorKind::InvalidInput,
        "a field that does not exist",
    )
    .await;
    let mut wrong = begun();
    wrong.update(
        Kind::Collection,
        world.collection,
        vec![(Field::Name, Value::Null)],
    );
    refused(
        backend,
        &wrong,
        ErrorKind::InvalidInput,
        "a null where none may be",
    )
    .await;
    let mut wrong = begun();
    wrong.update(
        Kind::Collection,
        world.collection,
        vec![(Field::Uid, "x".into())],
    );
    refused(backend, &wrong, ErrorKind::InvalidInput, "another uid").await;
    let mut wrong = begun();
    wrong.insert(Collection {
        name: "a\0b".to_owned(),
        ..collection("nul")
    });
    refused(backend, &wrong, ErrorKind::InvalidInput, "a NUL character").await;
    let mut wrong = begun();
    wrong.insert(Collection {
        version: Some("x".repeat(31)),
        ..collection("long")
    });
    refused(
        backend,
        &wrong,
        ErrorKind::InvalidInput,
        "a version that is too long",
    )
    .await;

    // What was refused with something wrong in it works without.
    apply(backend, &begun()).await;
    let nothing = apply(backend, &ChangeSet::new()).await;
    assert!(nothing.inserted.is_empty(), "an empty set");
}

pub(super) async fn preconditions(backend: &dyn Backend) {
    let world = World::new(backend).await;
    let stamped = vec![(Field::UpdatedAt, time(1).into())];
    let mut changes = ChangeSet::new();
    changes.update(Kind::Collection, world.collection, stamped);
    changes.link_at(
        LinkKind::CollectionArtifact,
        world.collection,
        world.artifact,
        0,
    );
    apply(backend, &changes).await;

    let unchanged = |microseconds| {
        Filter::eq(Field::Id, world.collection)
            .and(Filter::eq(Field::UpdatedAt, time(microseconds)))
    };
    let rename = |name: &str| {
        let mut changes = ChangeSet::new();
        changes.update(
            Kind::Collection,
            world.collection,
            vec![(Field::Name, name.into())],
        );
        changes
    };
    let mut stale = rename("stale");
    stale.require(Kind::Collection, unchanged(0));
    refused(
        backend,
        &stale,
        ErrorKind::Conflict,
        "a record that changed",
    )
    .await;
    let mut held = rename("held");
    let holds = Relation::Targets(LinkKind::CollectionArtifact);
    let holds = Filter::related(holds, Filter::eq(Field::Id, world.artifact));
    held.require_none(Kind::Collection, holds.clone());
    refused(
        backend,
        &held,
        ErrorKind::Conflict,
        "a link that must not be",
    )
    .await;
    let mut taken = rename("taken");
    taken.require(Kind::Collection, holds.clone());
    taken.require_none(Kind::Collection, Filter::starts_with(Field::Uid, "coll"));
    refused(
        backend,
        &taken,
        ErrorKind::Conflict,
        "the second of two preconditions",
    )
    .await;

    let mut good = rename("good");
    good.require(Kind::Collection, unchanged(1));
    good.require(Kind::Collection, holds);
    good.require_none(Kind::Collection, Filter::eq(Field::Name, "good"));
    apply(backend, &good).await;
    // Looked at before the changes, not after them.
    refused(
        backend,
        &good,
        ErrorKind::Conflict,
        "a name that is taken now",
    )
    .await;
    let mut wrong = rename("wrong");
    wrong.require(Kind::Collection, Filter::eq(Field::Handle, "x"));
    refused(
        backend,
        &wrong,
        ErrorKind::InvalidInput,
        "a precondition that does not fit",
    )
    .await;
}

pub(super) async fn new_records_refer_to_each_other(backend: &dyn Backend) {
    let world = World::new(backend).await;
    let mut changes = ChangeSet::new();
    let user = changes.insert(User {
        uid: "bob".to_owned(),
        handle: "bob".to_owned(),
        ..User::default()
    });
    let made = changes.insert_with(run("made", world.transform), vec![(Field::CreatedBy, user)]);
    let a = changes.insert_with(artifact("a", world.storage), vec![(Field::Run, made)]);
    let c = changes.insert_with(
        collection("c"),
        vec![
            (Field::Run, made),
            (Field::Artifact, a),
            (Field::CreatedBy, user),
        ],
    );
    changes.link_at(LinkKind::CollectionArtifact, c, a, 0);
    changes.link(LinkKind::CollectionULabel, c, world.ulabel);
    changes.update(Kind::Collection, c, vec![(Field::Description, "d".into())]);
    let applied = apply(backend, &changes).await;
    assert_eq!(applied.inserted.len(), 4, "ids of inserted records");
    let id = |new: NewRecord| applied.id(new).unwrap_or_else(|e| panic!("id: {e:#}"));
    let expected = Collection {
        id: Some(id(c)),
        run_id: Some(id(made)),
        artifact_id: Some(id(a)),
        created_by_id: Some(id(user)),
        description: Some("d".to_owned()),
        ..collection("c")
    };
    let holds = Relation::Targets(LinkKind::CollectionArtifact);
    let of_bob = Relation::Reference(Field::CreatedBy);
    let found = Query::new(Kind::Collection)
        .filter(Filter::related(holds, Filter::eq(Field::Uid, "a")))
        .filter(Filter::related(of_bob, Filter::eq(Field::Handle, "bob")));
    assert_eq!(select(backend, &found).await, [Record::from(expected)]);

    let mut wrong = ChangeSet::new();
    let new = wrong.insert(collection("x"));
    wrong.insert_with(artifact("y", world.storage), vec![(Field::Run, new)]);
    refused(
        backend,
        &wrong,
        ErrorKind::InvalidInput,
        "a reference to another kind",
    )
    .await;
    let mut wrong = ChangeSet::new();
    wrong.link_at(
        LinkKind::CollectionArtifact,
        world.collection,
        NewRecord(0),
        0,
    );
    wrong.insert(artifact("z", world.storage));
    refused(
        backend,
        &wrong,
        ErrorKind::InvalidInput,
        "a link to a later insert",
    )
    .await;
    let id = insert(backend, artifact("v", world.storage)).await;
    let mut wrong = ChangeSet::new();
    let mut again = artifact("w", world.storage);
    again.id = Some(id);
    wrong.insert(again);
    refused(
        backend,
        &wrong,
        ErrorKind::InvalidInput,
        "an insert with an id",
    )
    .await;
}
