//! Servers that lie: keys that would lead out of the cache, sizes that nobody has.

use std::ops::Range;
use std::sync::Arc;

use anndex_core::backend::memory::MemoryBackend;
use anndex_core::instance::Instance;
use anndex_core::registry::hash::files_of;
use anndex_core::storage::{
    ObjectInfo, ObjectStorage, ReadAt, StorageCapabilities, StorageDriver, StorageDrivers,
    StorageUrl, check_range,
};
use anndex_core::{Error, ErrorKind, Result};
use anndex_tests::registry::instance_with;
use async_trait::async_trait;
use bytes::Bytes;

/// A server that says that these objects are there, of zeros.
#[derive(Debug, Clone)]
struct Liar(Vec<(String, u64)>);

impl StorageDriver for Liar {
    fn schemes(&self) -> &'static [&'static str] {
        &["s3"]
    }

    fn open(&self, _: &StorageUrl) -> Result<Arc<dyn ObjectStorage>> {
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
impl ObjectStorage for Liar {
    fn location(&self) -> &str {
        "s3://cells"
    }

    fn capabilities(&self) -> StorageCapabilities {
        StorageCapabilities {
            list: true,
            write: false,
        }
    }

    async fn head(&self, _: &str) -> Result<ObjectInfo> {
        Err(Error::not_found("there is no such object"))
    }

    async fn read(&self, object: &ObjectInfo, range: Range<u64>) -> Result<Bytes> {
        check_range(object, &range)?;
        Ok(vec![0; (range.end - range.start) as usize].into())
    }

    async fn list(&self, _: &str) -> Result<Vec<ObjectInfo>> {
        let objects = self.0.iter().map(|(key, size)| ObjectInfo {
            key: key.clone(),
            size: *size,
            etag: Some("tag".to_owned()),
            modified: None,
        });
        Ok(objects.collect())
    }

    async fn write(&self, _: &str, _: Arc<dyn ReadAt>) -> Result<ObjectInfo> {
        Err(Error::unsupported("this is read only"))
    }

    async fn delete(&self, _: &str) -> Result<()> {
        Err(Error::unsupported("this is read only"))
    }
}

async fn instance(directory: &std::path::Path, objects: &[(&str, u64)]) -> Instance {
    let objects = objects.iter().map(|(key, size)| ((*key).to_owned(), *size));
    let mut drivers = StorageDrivers::new();
    drivers.register(Arc::new(Liar(objects.collect())));
    let backend = Arc::new(MemoryBackend::new());
    let opened = instance_with(backend, &directory.join("storage"), drivers).await;
    opened.unwrap()
}

#[tokio::test]
async fn keys_that_lead_elsewhere_are_refused() {
    for key in [
        "images/../../evil",
        "images/..",
        "images//evil",
        "images/./evil",
        "images/a\\..\\evil",
        "images/a\0b",
        "images/",
        "elsewhere/evil",
        "/etc/evil",
        "images-2/evil",
    ] {
        let directory = tempfile::tempdir().unwrap();
        let db = instance(directory.path(), &[("images/a.tif", 10), (key, 10)]).await;
        let saved = db.artifact("s3://cells/images").save().await;
        let error = saved.expect_err(key);
        let expected = [ErrorKind::InvalidInput, ErrorKind::Corrupt];
        assert!(expected.contains(&error.kind()), "{key:?}: {error:#}");
        assert_eq!(db.artifacts().count().await.unwrap(), 0, "{key:?}");
    }
}

/// What was fit when it was registered may not be when it is brought here.
#[tokio::test]
async fn nothing_is_written_outside_the_cache() {
    let directory = tempfile::tempdir().unwrap();
    let good = instance(
        directory.path(),
        &[("images/a.tif", 10), ("images/b.tif", 10)],
    )
    .await;
    let artifact = good.artifact("s3://cells/images").save().await.unwrap();
    let record = artifact.record().clone();
    let before = files_of(directory.path()).unwrap();
    for key in [
        "images/../../evil",
        "images/..",
        "/etc/evil",
        "elsewhere/evil",
    ] {
        let mut drivers = StorageDrivers::new();
        let objects = [("images/a.tif", 10), (key, 10)];
        let objects = objects.map(|(key, size)| (key.to_owned(), size));
        drivers.register(Arc::new(Liar(objects.to_vec())));
        let backend = good.backend().clone();
        let storage = directory.path().join("storage");
        let bad = instance_with(backend, &storage, drivers).await.unwrap();
        let artifact = bad.attach(record.clone()).unwrap();
        let error = artifact.cache().path().await.expect_err(key);
        let expected = [ErrorKind::InvalidInput, ErrorKind::Corrupt];
        assert!(expected.contains(&error.kind()), "{key:?}: {error:#}");
        assert_eq!(files_of(directory.path()).unwrap(), before, "{key:?}");
    }
}

#[tokio::test]
async fn sizes_that_nobody_has_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let objects = [("images/a.tif", u64::MAX), ("images/b.tif", u64::MAX - 1)];
    let db = instance(directory.path(), &objects).await;
    let error = db.artifact("s3://cells/images").save().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:#}");
    assert_eq!(db.artifacts().count().await.unwrap(), 0);
}

/// On a disk one name can't be a file and a directory.
#[tokio::test]
async fn an_object_that_would_be_a_directory_is_said_to_be() {
    let directory = tempfile::tempdir().unwrap();
    let objects = [("images/a", 10), ("images/a/b.tif", 10)];
    let db = instance(directory.path(), &objects).await;
    let artifact = db.artifact("s3://cells/images").save().await.unwrap();
    let error = artifact.cache().path().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:#}");
    assert!(error.message().contains("name of a directory"), "{error:#}");
    assert!(
        !db.cache()
            .list()
            .unwrap()
            .iter()
            .any(|entry| entry.is_complete)
    );
}
