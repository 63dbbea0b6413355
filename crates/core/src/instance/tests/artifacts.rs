//! Artifacts: where they go, what is known, what can't be.

use super::*;
use crate::record::Visibility;

#[tokio::test]
async fn a_file_outside_is_copied() {
    let fixture = Fixture::new().await;
    let path = fixture.file("donor 1.h5ad", "cells");
    let a = fixture
        .db
        .artifact(&path)
        .description("donor 1")
        .save()
        .await
        .unwrap();
    assert_eq!(a.uid.len(), 20);
    assert!(a.uid.ends_with("0000"));
    assert_eq!(a.description.as_deref(), Some("donor 1"));
    assert_eq!((a.key.as_deref(), a.suffix.as_str()), (None, ".h5ad"));
    assert_eq!((a.size, a.hash_type.as_deref()), (Some(5), Some("md5")));
    assert_eq!(a.otype.as_deref(), Some("AnnData"));
    assert!(a.storage_completed);
    assert_eq!(a.created_by().await.unwrap().unwrap().handle, "ada");
    let copy = a.path().await.unwrap();
    assert!(copy.starts_with(fixture.db.storage_root().join(".anndex/artifacts")));
    assert_eq!(fs::read_to_string(&copy).unwrap(), "cells");
    // Nothing half-done stays beside it.
    assert_eq!(fs::read_dir(copy.parent().unwrap()).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(&path).unwrap(), "cells");
}

#[tokio::test]
async fn a_file_in_the_storage_stays_where_it_is() {
    let fixture = Fixture::new().await;
    let path = fixture.file("cells/scrna/größe.h5ad", "cells");
    let db = &fixture.db;
    failure(
        db.artifact(&path).key("other").save().await,
        ErrorKind::InvalidInput,
    );
    let mut a = db.artifact(&path).save().await.unwrap();
    assert_eq!(a.key.as_deref(), Some("scrna/größe.h5ad"));
    assert_eq!(a.path().await.unwrap(), path.canonicalize().unwrap());
    fs::write(&path, "changed").unwrap();
    let error = failure(db.artifact(&path).save().await, ErrorKind::AlreadyExists);
    assert!(error.message().contains(&a.uid), "{error}");
    a.delete(Some(true)).await.unwrap();
    assert!(path.exists());
    db.artifact(&path).save().await.unwrap();
}

#[tokio::test]
async fn other_storages_hold_artifacts_too() {
    let fixture = Fixture::new().await;
    let path = fixture.file("elsewhere/deep/a.txt", "a");
    let root = fixture.directory.path().join("elsewhere");
    let storage = fixture.db.add_storage(&root).await.unwrap();
    let a = fixture.db.artifact(&path).save().await.unwrap();
    assert_eq!(a.storage_id, storage.id());
    assert_eq!(a.key.as_deref(), Some("deep/a.txt"));
    failure(fixture.db.add_storage(&path).await, ErrorKind::InvalidInput);
    failure(
        fixture.db.add_storage(root.join("x")).await,
        ErrorKind::NotFound,
    );
}

#[tokio::test]
async fn a_directory_is_one_artifact() {
    let fixture = Fixture::new().await;
    fixture.file("a.zarr/.zgroup", "{}");
    fixture.file("a.zarr/X/0.0", "0");
    let path = fixture.directory.path().join("a.zarr");
    let a = fixture.db.artifact(&path).save().await.unwrap();
    assert_eq!(
        (a.hash_type.as_deref(), a.n_objects, a.size),
        (Some("md5-d"), Some(2), Some(3))
    );
    assert_eq!(a.key.as_deref(), Some("a.zarr"));
    let copy = a.path().await.unwrap();
    assert_eq!(fs::read_to_string(copy.join("X/0.0")).unwrap(), "0");
    let mut a = a;
    a.delete(Some(true)).await.unwrap();
    assert!(!copy.exists() && path.exists());
}

#[tokio::test]
async fn what_can_not_be_registered() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    let path = fixture.file("a.txt", "a");
    for key in ["../a", "/a", "a/../../b", "a\0b", "", "a//b"] {
        failure(
            db.artifact(&path).key(key).save().await,
            ErrorKind::InvalidInput,
        );
    }
    let error = failure(db.artifact("missing").save().await, ErrorKind::NotFound);
    assert_eq!(error.context("path"), Some("missing"));
    failure(
        db.artifact(db.storage_root()).save().await,
        ErrorKind::InvalidInput,
    );
    let own = fixture.file("cells/.anndex/config", "own");
    failure(db.artifact(own).save().await, ErrorKind::InvalidInput);
    let long = "x".repeat(31);
    failure(
        db.artifact(&path).version(long).save().await,
        ErrorKind::InvalidInput,
    );
    assert_eq!(db.artifacts().with_trash().count().await.unwrap(), 0);
    // All of this is noticed before anything is copied.
    assert!(!db.storage_root().join(".anndex/artifacts").exists());
}

#[cfg(unix)]
#[tokio::test]
async fn no_path_leaves_its_storage() {
    let fixture = Fixture::new().await;
    let a = fixture.artifact("a").await;
    let copy = a.path().await.unwrap();
    let secret = fixture.file("secret", "secret");
    fs::remove_file(&copy).unwrap();
    std::os::unix::fs::symlink(&secret, &copy).unwrap();
    failure(a.path().await, ErrorKind::InvalidInput);
    // A link inside the storage is followed first: its target is outside and so is copied.
    let link = fixture.db.storage_root().join("link");
    std::os::unix::fs::symlink(&secret, &link).unwrap();
    let b = fixture.db.artifact(&link).save().await.unwrap();
    assert!(b.storage_key.starts_with(".anndex/"));
}

#[tokio::test]
async fn known_content_gives_the_existing_artifact() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    let mut a = fixture.artifact("a").await;
    let again = db.artifact(fixture.file("b.txt", "a"));
    let known = again.clone().description("new").save().await.unwrap();
    assert_eq!(
        (known.uid.as_str(), known.description.as_deref()),
        (a.uid.as_str(), Some("new"))
    );
    assert!(known.updated_at > a.updated_at);
    assert!(a.is_new() && !known.is_new());
    assert_eq!(known.key.as_deref(), Some("a.txt"), "it keeps its key");
    assert_eq!(
        again.clone().save().await.unwrap().description.as_deref(),
        Some("new")
    );
    let another = again.clone().skip_hash_lookup(true).save().await.unwrap();
    assert_ne!(another.uid, a.uid);
    let mut another = another;
    another.delete(Some(true)).await.unwrap();
    // Not one in the trash.
    a.delete(None).await.unwrap();
    assert_ne!(again.save().await.unwrap().uid, a.uid);
}

#[tokio::test]
async fn known_content_is_the_version_that_is_asked_for_or_refused() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    let (a, b) = (fixture.artifact("a").await, fixture.artifact("b").await);
    let (path, other) = (fixture.file("a.txt", "a"), fixture.file("other.txt", "a"));
    for builder in [
        db.artifact(&other).version("1"),
        db.artifact(&other).is_new_version_of(&b),
    ] {
        let error = failure(builder.clone().save().await, ErrorKind::AlreadyExists);
        assert!(error.message().contains(&a.uid), "{error}");
        let error = db.save_artifacts([builder]).await.remove(0);
        failure(error, ErrorKind::AlreadyExists);
    }
    let versioned = db.artifact(&path).version("1").save().await.unwrap();
    assert_eq!(
        (versioned.uid.as_str(), versioned.version.as_deref()),
        (a.uid.as_str(), Some("1"))
    );
    let again = db.artifact(&path).version("2").save().await;
    failure(again, ErrorKind::AlreadyExists);
    let unchanged = db.artifact(&path).is_new_version_of(&a).save().await;
    assert_eq!(unchanged.unwrap().uid, a.uid);
    assert_eq!(db.artifacts().with_trash().count().await.unwrap(), 2);
}

#[tokio::test]
async fn saving_again_completes_what_is_missing() {
    let fixture = Fixture::new().await;
    let a = fixture.artifact("a").await;
    fs::remove_file(a.path().await.unwrap()).unwrap();
    failure(a.path().await, ErrorKind::NotFound);
    let again = fixture.artifact("a").await;
    assert_eq!(again.uid, a.uid);
    assert_eq!(
        fs::read_to_string(again.path().await.unwrap()).unwrap(),
        "a"
    );

    let mut changes = ChangeSet::new();
    let open = vec![(Field::StorageCompleted, false.into())];
    changes.update(Kind::Artifact, a.id(), open);
    fixture.db.backend().apply(&changes).await.unwrap();
    assert!(fixture.artifact("a").await.storage_completed);
}

#[tokio::test]
async fn versions_of_artifacts() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    let label = db.ulabel("healthy").save().await.unwrap();
    let path = fixture.file("1.txt", "1");
    let first = db
        .artifact(path)
        .key("k.txt")
        .description("d")
        .ulabels([&label]);
    let first = first.save().await.unwrap();
    let second = db
        .artifact(fixture.file("2.txt", "2"))
        .is_new_version_of(&first);
    let second = second.save().await.unwrap();
    assert_eq!(second.uid, format!("{}0001", &first.uid[..16]));
    assert_eq!(
        (second.key.as_deref(), second.description.as_deref()),
        (Some("k.txt"), Some("d"))
    );
    assert_eq!(second.ulabels().await.unwrap(), [label]);
    let versions: Vec<_> = second
        .versions()
        .await
        .unwrap()
        .iter()
        .map(|a| a.version.clone())
        .collect();
    assert_eq!(versions, [Some("1".to_owned()), Some("2".to_owned())]);
    assert_ne!(first.path().await.unwrap(), second.path().await.unwrap());
}

#[tokio::test]
async fn an_artifact_in_a_collection_is_protected() {
    let fixture = Fixture::new().await;
    let mut a = fixture.artifact("a").await;
    let mut c = fixture
        .db
        .collection([&a])
        .name("mine")
        .save()
        .await
        .unwrap();
    let error = failure(a.delete(Some(true)).await, ErrorKind::InvalidInput);
    assert!(
        error.message().contains("mine") && error.message().contains(&c.uid),
        "{error}"
    );
    assert!(a.path().await.unwrap().exists());
    a.delete(None).await.unwrap();
    assert_eq!(a.visibility, Visibility::Trash);
    let error = failure(a.delete(None).await, ErrorKind::InvalidInput);
    assert!(error.message().contains("permanent"), "{error}");
    c.delete(Some(true)).await.unwrap();
    let copy = a.path().await.unwrap();
    a.delete(Some(true)).await.unwrap();
    assert!(!copy.exists());
    failure(a.delete(Some(true)).await, ErrorKind::NotFound);
    failure(a.restore().await, ErrorKind::NotFound);
}
