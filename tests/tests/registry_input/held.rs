//! What something needs can't be deleted for good: the error names what needs it.

use anndex_core::ErrorKind::InvalidInput;
use anndex_core::backend::Filter;
use anndex_core::instance::Handle;
use anndex_core::record::{Artifact, Collection, Feature, Kind};
use anndex_core::registry::Registry;
use anndex_tests::registry::DatabaseKind;

use crate::World;

on_each_database!();

/// The record can't be deleted, because these need it.
async fn is_held<R: Registry>(world: &World, record: &Handle<R>, by: &[&str]) {
    let mut record = record.clone();
    let what = record.label();
    let delete = record.delete(Some(true));
    let error = world.refuses(InvalidInput, &what, delete).await;
    for uid in by {
        assert!(error.message().contains(uid), "{what}: {error}");
    }
}

/// From what others refer to back to those others.
async fn relations(world: &World, a: &Handle<Artifact>, c: &Handle<Collection>) {
    let db = &world.db;
    let user = a.created_by().await.unwrap().unwrap();
    let made = user.created::<Collection>().one().await.unwrap();
    assert_eq!(made.uid, c.uid);
    assert_eq!(user.created::<Artifact>().count().await.unwrap(), 2);
    assert_eq!(c.created_by().await.unwrap().unwrap(), user);
    let storage = a.storage().await.unwrap();
    assert_eq!(storage.artifacts().count().await.unwrap(), 2);
    assert_eq!(storage.created_by().await.unwrap().unwrap(), user);
    assert_eq!(user.created_by().await.unwrap(), None);
    let label = &a.ulabels().await.unwrap()[0];
    assert_eq!(label.artifacts().one().await.unwrap().uid, a.uid);
    assert_eq!(label.collections().one().await.unwrap().uid, c.uid);
    let features = &a.feature_sets().await.unwrap()["var"];
    assert_eq!(features.artifacts().one().await.unwrap().uid, a.uid);
    assert_eq!(features.collections().count().await.unwrap(), 0);
    let meta = c.artifact().await.unwrap().unwrap();
    let described = meta.described_collection().await.unwrap().unwrap();
    assert_eq!(described.uid, c.uid);
    assert_eq!(a.described_collection().await.unwrap(), None);
    let previous = &a.previous_runs().await.unwrap()[0];
    let updated = previous.updated_artifacts().one().await.unwrap();
    assert_eq!(updated.uid, a.uid);
    assert_eq!(previous.updated_collections().count().await.unwrap(), 0);
    let transform = previous.transform().await.unwrap();
    assert_eq!(transform.children().count().await.unwrap(), 0);
    for (lookup, uid) in [
        ("described_collection__uid", &c.uid),
        ("created_by__created_collections__uid", &c.uid),
    ] {
        let filter = Filter::lookup(Kind::Artifact, lookup, uid.as_str()).unwrap();
        assert!(db.artifacts().filter(filter).count().await.unwrap() > 0);
    }
}

async fn check(kind: DatabaseKind) {
    let world = World::new(kind).await;
    let db = &world.db;
    let storage = db.storages().one().await.unwrap();
    let user = db.users().one().await.unwrap();
    let transform = db.transform("t").save().await.unwrap();
    let first = db.run_of(&transform).save().await.unwrap();
    let second = db.run_of(&transform).save().await.unwrap();
    let reader = db.run_of(&transform).save().await.unwrap();
    let parent = db.ulabel("parent").save().await.unwrap();
    let label = db.ulabel("l").parent(&parent).save().await.unwrap();
    let file = world.file("a.csv", "a");
    let a = db.artifact(&file).run(&first).ulabels([&label]);
    let a = a.save().await.unwrap();
    // Made again by another run, the first is one of the previous runs.
    db.artifact(&file).run(&second).save().await.unwrap();
    let meta = db.artifact(world.file("meta.csv", "meta"));
    let meta = meta.run(false).save().await.unwrap();
    let c = db.collection([&a]).name("c").meta(&meta).run(&second);
    let mut c = c.ulabels([&label]).save().await.unwrap();
    let feature = Feature {
        name: "f".to_owned(),
        dtype: None,
    };
    a.set_features("var", vec![feature]).await.unwrap();
    let features = a.feature_sets().await.unwrap().remove("var").unwrap();
    a.track_input(&reader).await.unwrap();
    relations(&world, &a, &c).await;

    is_held(&world, &storage, &[&a.uid, &meta.uid]).await;
    is_held(&world, &user, &[&a.uid, &c.uid, &transform.uid, &label.uid]).await;
    is_held(&world, &transform, &[&first.uid, &second.uid, &reader.uid]).await;
    is_held(&world, &first, &["previous run", &a.uid]).await;
    is_held(&world, &second, &[&a.uid, &c.uid]).await;
    is_held(&world, &a, &["held by", &c.uid]).await;
    is_held(&world, &meta, &["meta artifact", &c.uid]).await;
    is_held(&world, &features, &[&a.uid]).await;
    is_held(&world, &label, &["a label of", &a.uid, &c.uid]).await;

    // In the trash it still needs them.
    c.delete(None).await.unwrap();
    is_held(&world, &a, &[&c.uid]).await;
    is_held(&world, &second, &[&c.uid]).await;
    // A run that only read something is needed by nothing, and neither is a label's parent.
    let mut reader = reader.clone();
    reader.delete(Some(true)).await.unwrap();
    assert!(a.input_of().await.unwrap().is_empty());
    let mut parent = parent;
    parent.delete(Some(true)).await.unwrap();
    assert!(label.parents().await.unwrap().is_empty());

    // One after the other, from the last, all of them go.
    let (mut a, mut meta, mut label) = (a, meta, label);
    c.delete(Some(true)).await.unwrap();
    a.delete(Some(true)).await.unwrap();
    meta.delete(Some(true)).await.unwrap();
    label.delete(Some(true)).await.unwrap();
    for mut run in [first, second] {
        run.delete(Some(true)).await.unwrap();
    }
    let mut transform = transform;
    transform.delete(Some(true)).await.unwrap();
    let report = db.check().deep(true).run().await.unwrap();
    assert_eq!(report.findings, []);
    db.close().await.unwrap();
}
