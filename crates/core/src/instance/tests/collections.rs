//! Collections: order, versions, known content, trash.

use super::*;
use crate::record::Visibility;

fn versions(family: &[Handle<Collection>]) -> Vec<&str> {
    family
        .iter()
        .map(|c| c.version.as_deref().unwrap_or("-"))
        .collect()
}

#[tokio::test]
async fn a_collection_has_its_fields_and_order() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    let (a, b) = (fixture.artifact("a").await, fixture.artifact("b").await);
    let meta = fixture.artifact("meta").await;
    let c = db
        .collection([b.clone(), a.clone()])
        .name("Sammlung 🧬")
        .version("1")
        .description("d")
        .reference("https://example.org")
        .reference_type("url")
        .meta(&meta)
        .save()
        .await
        .unwrap();
    let c = db.collections().get(&c.uid).await.unwrap();
    assert_eq!(
        (c.name.as_str(), c.version.as_deref()),
        ("Sammlung 🧬", Some("1"))
    );
    assert_eq!(c.reference.as_deref(), Some("https://example.org"));
    assert_eq!(c.visibility, Visibility::Default);
    assert_eq!(c.artifacts().await.unwrap(), [b.clone(), a.clone()]);
    assert_eq!(c.unordered_artifacts().count().await.unwrap(), 2);
    let paths = [b.path().await.unwrap(), a.path().await.unwrap()];
    assert_eq!(c.paths().await.unwrap(), paths);
    assert_eq!(c.artifact().await.unwrap(), Some(meta.clone()));
    assert_eq!(b.collections().await.unwrap(), std::slice::from_ref(&c));
    let page = c.describe().await.unwrap();
    assert!(page.contains("Sammlung") && page.contains("ada"), "{page}");
    let taken = db.collection([&b]).name("x").meta(&meta).save().await;
    failure(taken, ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn what_can_not_be_a_collection() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    let mut a = fixture.artifact("a").await;
    let none: [Handle<Artifact>; 0] = [];
    failure(
        db.collection(none).name("x").save().await,
        ErrorKind::InvalidInput,
    );
    failure(db.collection([&a]).save().await, ErrorKind::InvalidInput);
    let error = failure(
        db.collection([&a, &a]).name("x").save().await,
        ErrorKind::InvalidInput,
    );
    assert!(error.message().contains(&a.uid), "{error}");
    for name in ["x".repeat(10_000), "a\0b".to_owned()] {
        failure(
            db.collection([&a]).name(name).save().await,
            ErrorKind::InvalidInput,
        );
    }
    let other = Fixture::new().await;
    failure(
        other.db.collection([&a]).name("x").save().await,
        ErrorKind::InvalidInput,
    );
    a.delete(None).await.unwrap();
    failure(
        db.collection([&a]).name("x").save().await,
        ErrorKind::InvalidInput,
    );
    a.delete(Some(true)).await.unwrap();
    failure(
        db.collection([&a]).name("x").save().await,
        ErrorKind::NotFound,
    );
    assert_eq!(db.collections().with_trash().count().await.unwrap(), 0);
}

#[tokio::test]
async fn versions_count_on() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    let a = fixture.artifact("a").await;
    let label = db.ulabel("l").save().await.unwrap();
    let first = db
        .collection([&a])
        .name("n")
        .description("d")
        .reference("r")
        .ulabels([&label]);
    let first = first.save().await.unwrap();
    assert_eq!(first.version, None);
    let b = fixture.artifact("b").await;
    let second = db
        .collection([&a, &b])
        .is_new_version_of(&first)
        .save()
        .await
        .unwrap();
    assert_eq!(versions(&second.versions().await.unwrap()), ["1", "2"]);
    assert_eq!(
        (second.name.as_str(), second.reference.as_deref()),
        ("n", Some("r"))
    );
    assert_eq!(second.description.as_deref(), Some("d"));
    assert_eq!(second.ulabels().await.unwrap().len(), 1);
    let c = fixture.artifact("c").await;
    let third = db
        .collection([&c])
        .is_new_version_of(&first)
        .name("other")
        .ulabels([]);
    let third = third.save().await.unwrap();
    assert_eq!(
        (third.version.as_deref(), third.name.as_str()),
        (Some("3"), "other")
    );
    assert_eq!(third.ulabels().await.unwrap(), []);
    assert!(third.uid.ends_with("0002"));

    let next = db
        .collection([fixture.artifact("d").await])
        .is_new_version_of(&second);
    let error = failure(
        next.clone().version("2").save().await,
        ErrorKind::AlreadyExists,
    );
    assert!(error.message().contains("\"2\""), "{error}");
    next.version("1.0-rc").save().await.unwrap();
    let next = db
        .collection([fixture.artifact("e").await])
        .is_new_version_of(&first);
    let error = failure(next.clone().save().await, ErrorKind::InvalidInput);
    assert!(error.message().contains("1.0-rc"), "{error}");
    next.version("5").save().await.unwrap();
    let family = first.versions().await.unwrap();
    assert_eq!(versions(&family), ["1", "2", "3", "1.0-rc", "5"]);
    // The stem, or the beginning of it, means the newest.
    let newest = db.collections().get(&first.uid[..10]).await.unwrap();
    assert_eq!(newest.version.as_deref(), Some("5"));
}

#[tokio::test]
async fn versions_in_the_trash_are_still_taken() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    let (a, b) = (fixture.artifact("a").await, fixture.artifact("b").await);
    let first = db.collection([&a]).name("n").save().await.unwrap();
    let mut second = db
        .collection([&b])
        .is_new_version_of(&first)
        .save()
        .await
        .unwrap();
    second.delete(None).await.unwrap();
    let third = db
        .collection([&b])
        .is_new_version_of(&first)
        .save()
        .await
        .unwrap();
    assert_eq!(third.version.as_deref(), Some("3"));
}

#[tokio::test]
async fn known_content_gives_the_existing_collection() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    let (a, b) = (fixture.artifact("a").await, fixture.artifact("b").await);
    let mut c = db.collection([&a, &b]).name("n").save().await.unwrap();
    let known = db
        .collection([&a, &b])
        .name("m")
        .description("d")
        .reference("r")
        .save()
        .await
        .unwrap();
    assert_eq!(known.uid, c.uid);
    assert!(c.is_new() && !known.is_new());
    // It keeps its name.
    assert_eq!(
        (known.name.as_str(), known.description.as_deref()),
        ("n", Some("d"))
    );
    assert_eq!(known.reference.as_deref(), Some("r"));
    // The hash does not see the order or a second artifact of equal content; we do.
    let reversed = db
        .collection([&b, &a])
        .name("reversed")
        .save()
        .await
        .unwrap();
    assert_eq!(reversed.hash, c.hash);
    assert_eq!(reversed.artifacts().await.unwrap(), [b.clone(), a.clone()]);
    let twin = db
        .artifact(fixture.file("twin", "a"))
        .skip_hash_lookup(true)
        .save()
        .await
        .unwrap();
    let twins = db
        .collection([&a, &twin, &b])
        .name("twins")
        .save()
        .await
        .unwrap();
    assert_eq!(
        (&twins.hash, twins.artifacts().await.unwrap().len()),
        (&c.hash, 3)
    );
    c.delete(None).await.unwrap();
    assert_ne!(
        db.collection([&a, &b]).name("n").save().await.unwrap().uid,
        c.uid
    );
}

#[tokio::test]
async fn trash_and_restore_take_the_meta_artifact_along() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    let (a, mut meta) = (fixture.artifact("a").await, fixture.artifact("meta").await);
    let mut c = db
        .collection([&a])
        .name("n")
        .meta(&meta)
        .save()
        .await
        .unwrap();
    c.delete(None).await.unwrap();
    assert_eq!(db.collections().count().await.unwrap(), 0);
    assert_eq!(db.collections().only_trash().one().await.unwrap(), c);
    assert_eq!(
        db.artifacts().all().await.unwrap(),
        std::slice::from_ref(&a)
    );
    failure(c.delete(None).await, ErrorKind::InvalidInput);
    c.restore().await.unwrap();
    assert_eq!(db.collections().one().await.unwrap(), c);
    assert_eq!(db.artifacts().count().await.unwrap(), 2);
    meta.refresh().await.unwrap();
    let error = failure(meta.delete(Some(true)).await, ErrorKind::InvalidInput);
    assert!(error.message().contains("meta artifact"), "{error}");
    c.delete(Some(true)).await.unwrap();
    assert_eq!(db.artifacts().count().await.unwrap(), 2);
    meta.delete(Some(true)).await.unwrap();
}

#[tokio::test]
async fn fields_are_edited_and_saved() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    let (a, b) = (fixture.artifact("a").await, fixture.artifact("b").await);
    let mut c = db.collection([&a]).name("n").save().await.unwrap();
    let mut stale = c.clone();
    c.name = "m".to_owned();
    c.save().await.unwrap();
    assert_eq!(db.collections().one().await.unwrap(), c);
    stale.description = Some("d".to_owned());
    failure(stale.save().await, ErrorKind::Conflict);
    stale.refresh().await.unwrap();
    stale.description = Some("d".to_owned());
    stale.save().await.unwrap();
    c.refresh().await.unwrap();
    assert_eq!(
        (c.name.as_str(), c.description.as_deref()),
        ("m", Some("d"))
    );

    db.collection([&b])
        .is_new_version_of(&c)
        .save()
        .await
        .unwrap();
    c.refresh().await.unwrap();
    c.version = Some("2".to_owned());
    failure(c.save().await, ErrorKind::AlreadyExists);
    c.version = Some("0.9".to_owned());
    c.save().await.unwrap();
    c.hash = None;
    failure(c.save().await, ErrorKind::InvalidInput);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_versions_are_consecutive() {
    let fixture = Fixture::new().await;
    let a = fixture.artifact("a").await;
    let first = fixture.db.collection([&a]).name("n").save().await.unwrap();
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let (db, a, first) = (fixture.db.clone(), a.clone(), first.clone());
            tokio::spawn(async move {
                for _ in 0..25 {
                    let next = db.collection([&a]).is_new_version_of(&first);
                    next.skip_hash_lookup(true).save().await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let family = first.versions().await.unwrap();
    let expected: Vec<String> = (1..=201).map(|n| n.to_string()).collect();
    assert_eq!(versions(&family), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_saves_of_one_content_make_one_artifact() {
    let fixture = Fixture::new().await;
    let path = fixture.file("a", "a");
    let writers: Vec<_> = (0..8)
        .map(|_| tokio::spawn(fixture.db.artifact(&path).save()))
        .collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    let a = fixture.db.artifacts().with_trash().one().await.unwrap();
    let managed = a.path().await.unwrap();
    assert_eq!(fs::read_dir(managed.parent().unwrap()).unwrap().count(), 1);
}

#[tokio::test]
async fn the_next_version_is_known_before_it_is_made() {
    let fixture = Fixture::new().await;
    let first = fixture.db.collection([fixture.artifact("a").await]);
    let first = first.name("C").save().await.unwrap();
    let next = first.next_version(None).await.unwrap();
    assert_eq!(
        (next.version.as_str(), next.newest.as_deref()),
        ("2", Some("1"))
    );
    let given = first.next_version(Some("2024-01")).await.unwrap();
    assert_eq!(given.version, "2024-01");
    failure(
        first.next_version(Some("1")).await,
        ErrorKind::AlreadyExists,
    );
    assert_eq!(first.versions().await.unwrap()[0].version, None);
}
