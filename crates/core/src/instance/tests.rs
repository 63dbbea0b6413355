//! The rules of the domain, on the memory backend.

mod artifacts;
mod check;
mod collections;
mod describe;
mod failures;
mod known;
mod lineage;
mod queries;
mod save_many;
mod view_lineage;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::backend::memory::MemoryBackend;
use crate::backend::{ChangeSet, Filter};
use crate::error::ErrorKind;
use crate::record::Kind;

/// An instance in a temporary directory, beside which files can be written.
struct Fixture {
    db: Instance,
    directory: TempDir,
}

impl Fixture {
    async fn new() -> Self {
        Self::with_backend(Arc::new(MemoryBackend::new())).await
    }

    async fn with_backend(backend: Arc<dyn Backend>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings {
            storage_root: directory.path().join("cells"),
            storage_uid: None,
            former_registry_ids: Vec::new(),
            cache_dir: directory.path().join("cache"),
            user_handle: "ada".to_owned(),
            user_name: Some("Ada Lovelace".to_owned()),
            formats: StoreFormats::new(),
            drivers: StorageDrivers::new(),
        };
        let db = Instance::new(backend, settings).await.unwrap();
        Self { db, directory }
    }

    /// Writes a file outside the storage.
    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Registers a file with this content.
    async fn artifact(&self, content: &str) -> Handle<Artifact> {
        let path = self.file(&format!("{content}.txt"), content);
        self.db.artifact(path).save().await.unwrap()
    }
}

/// What an operation that must fail failed with.
fn failure<T: std::fmt::Debug>(result: Result<T>, kind: ErrorKind) -> Error {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    error
}

#[tokio::test]
async fn an_instance_makes_its_user_and_storage_once() {
    let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let first = Fixture::with_backend(backend.clone()).await;
    let settings = Settings {
        storage_root: first.db.storage_root().to_owned(),
        storage_uid: None,
        former_registry_ids: Vec::new(),
        cache_dir: first.db.cache_dir().to_owned(),
        user_handle: " ada ".to_owned(),
        user_name: None,
        formats: StoreFormats::new(),
        drivers: StorageDrivers::new(),
    };
    let second = Instance::new(backend, settings).await.unwrap();
    assert_eq!(first.db.user(), second.user());
    assert_eq!(first.db.storage(), second.storage());
    assert_eq!(second.users().count().await.unwrap(), 1);
    assert_eq!(second.storages().one().await.unwrap().uid.len(), 12);
    assert_eq!(second.user().uid.len(), 8);
    second.close().await.unwrap();
    failure(first.db.users().all().await, ErrorKind::Backend);
}

#[tokio::test]
async fn a_storage_that_was_moved_is_followed() {
    let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let fixture = Fixture::with_backend(backend.clone()).await;
    let a = fixture.artifact("a").await;
    let moved = fixture.directory.path().join("moved");
    fs::rename(fixture.db.storage_root(), &moved).unwrap();
    let settings = Settings {
        storage_root: moved,
        storage_uid: Some(fixture.db.storage().uid.clone()),
        former_registry_ids: Vec::new(),
        cache_dir: fixture.db.cache_dir().to_owned(),
        user_handle: "ada".to_owned(),
        user_name: None,
        formats: StoreFormats::new(),
        drivers: StorageDrivers::new(),
    };
    let db = Instance::new(backend, settings).await.unwrap();
    assert_eq!(db.storages().count().await.unwrap(), 1);
    let a = db.artifacts().get(&a.uid).await.unwrap();
    assert_eq!(fs::read_to_string(a.path().await.unwrap()).unwrap(), "a");
}

/// Compiles only if the operations can be spawned on other threads.
#[tokio::test]
async fn operations_can_be_spawned() {
    let fixture = Fixture::new().await;
    let db = fixture.db.clone();
    let path = fixture.file("a", "a");
    let work = async move {
        let a = db.artifact(path).save().await?;
        let mut c = db.collection([&a]).name("c").save().await?;
        let transform = db.transform("t").save().await?;
        db.track(&transform).await?;
        a.track_input(false).await?;
        db.ulabel("l").save().await?;
        db.collections().get(c.id()).await?;
        c.save().await?;
        c.delete(None).await?;
        c.restore().await?;
        c.delete(Some(true)).await?;
        c.versions().await?;
        db.finish().await
    };
    tokio::spawn(work).await.unwrap().unwrap();
}
