//! A bucket as the default storage: what is saved goes there, one by one and many at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anndex_core::anndata::{
    AnnData, DataFrame, InMemoryMatrix, WriteOptions, write as write_anndata,
};
use anndex_core::backend::Backend;
use anndex_core::backend::memory::MemoryBackend;
use anndex_core::instance::{Instance, Settings};
use anndex_core::registry::hash::{files_of, hash_path};
use anndex_core::store::NumericArray;
use anndex_core::{ErrorKind, Result};
use anndex_tests::formats;
use anndex_tests::servers::{S3, drivers};

async fn instance(backend: Arc<dyn Backend>, root: &str, cache: &Path) -> Result<Instance> {
    let settings = Settings {
        storage_root: root.into(),
        storage_uid: None,
        former_registry_ids: Vec::new(),
        cache_dir: cache.to_owned(),
        user_handle: "ada".to_owned(),
        user_name: None,
        formats: formats(),
        drivers: drivers(),
    };
    Instance::new(backend, settings).await
}

/// An AnnData of three observations.
pub(crate) fn anndata(path: &Path) {
    let values = NumericArray::from_values([3, 2], &[1f32, 0., 0., 2., 3., 0.]).unwrap();
    let data = AnnData {
        x: Some(InMemoryMatrix::Dense(values)),
        obs: DataFrame::new(["a", "b", "c"].iter().collect()),
        var: DataFrame::new(["CD3E", "NKG7"].iter().collect()),
        ..AnnData::default()
    };
    let mut writer = formats().create(path).unwrap();
    write_anndata(writer.as_mut(), &data, &WriteOptions::default()).unwrap();
    writer.finish().unwrap();
}

/// Files and directories of all sorts.
fn sources(directory: &Path) -> Vec<PathBuf> {
    fs::create_dir_all(directory.join("images/deep")).unwrap();
    fs::write(directory.join("images/a.tif"), [1; 1000]).unwrap();
    fs::write(directory.join("images/deep/b.tif"), [2; 3000]).unwrap();
    fs::write(directory.join("large.bin"), vec![3; 17 << 20]).unwrap();
    fs::write(directory.join("a.csv"), "donor\n1\n").unwrap();
    anndata(&directory.join("cells.h5ad"));
    anndata(&directory.join("cells.zarr"));
    let names = ["images", "large.bin", "a.csv", "cells.h5ad", "cells.zarr"];
    names.iter().map(|name| directory.join(name)).collect()
}

#[tokio::test]
async fn what_is_saved_goes_into_the_bucket() {
    let directory = tempfile::tempdir().unwrap();
    let sources = sources(&directory.path().join("files"));
    let cache = directory.path().join("cache");
    for (name, bucket, server) in S3::each_that_is_written(directory.path()) {
        for at_once in [false, true] {
            let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
            let root = server.url("lab/cells");
            let db = instance(backend.clone(), &root, &cache).await.unwrap();
            let builders: Vec<_> = sources.iter().map(|source| db.artifact(source)).collect();
            let mut saved = Vec::new();
            match at_once {
                true => saved.extend(db.save_artifacts(builders).await),
                false => {
                    for builder in builders {
                        saved.push(builder.save().await);
                    }
                }
            }
            let inside = bucket.join("lab/cells");
            for (saved, source) in saved.into_iter().zip(&sources) {
                let artifact = saved.unwrap_or_else(|e| panic!("{name}: {e:#}"));
                let hash = hash_path(source).unwrap();
                let there = inside.join(&artifact.storage_key);
                assert_eq!(hash_path(&there).unwrap(), hash, "{name}");
                assert_eq!(artifact.storage_id, db.storage().id.unwrap());
                assert!(artifact.etag.is_some(), "{name}");
                let is_anndata = source.file_stem().unwrap() == "cells";
                let expected = is_anndata.then_some(3);
                assert_eq!(artifact.n_observations, expected, "{}", source.display());
                let path = artifact.cache().path().await.unwrap();
                assert_eq!(hash_path(&path).unwrap(), hash, "{name}");
            }
            // Another user opens it, knows the content, and finds nothing wrong.
            let again = instance(backend, &root, &cache).await.unwrap();
            assert_eq!(again.storage(), db.storage());
            let known = again.artifact(&sources[2]).save().await.unwrap();
            assert_eq!(again.artifacts().count().await.unwrap(), 5);
            assert!(
                again
                    .check()
                    .deep(true)
                    .run()
                    .await
                    .unwrap()
                    .is_consistent()
            );
            assert!(
                again
                    .check()
                    .repair(true)
                    .run()
                    .await
                    .unwrap()
                    .is_consistent()
            );
            drop(known);
            for mut artifact in again.artifacts().all().await.unwrap() {
                artifact.delete(Some(true)).await.unwrap();
            }
            assert_eq!(files_of(&bucket).unwrap(), Vec::<PathBuf>::new(), "{name}");
        }
    }
}

#[tokio::test]
async fn what_can_not_be_written_is_no_default_storage() {
    let directory = tempfile::tempdir().unwrap();
    for (root, kind) in [
        ("https://example.org/cells", ErrorKind::InvalidInput),
        ("ftp://host/cells", ErrorKind::Unsupported),
        ("s3://me:SECRET@cells", ErrorKind::InvalidInput),
        ("s3://cells/../other", ErrorKind::InvalidInput),
    ] {
        let backend = Arc::new(MemoryBackend::new());
        let opened = instance(backend, root, directory.path()).await;
        let error = opened.expect_err(root);
        assert_eq!(error.kind(), kind, "{root}: {error:#}");
        assert!(!format!("{error:?}").contains("SECRET"), "{error:?}");
    }
}
