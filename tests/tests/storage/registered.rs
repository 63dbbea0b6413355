//! Artifacts at URLs: what is registered of them, and what a check finds.

use std::fs;
use std::path::Path;

use anndex_core::ErrorKind;
use anndex_core::backend::memory::MemoryBackend;
use anndex_core::instance::{Instance, Problem};
use anndex_core::registry::hash::hash_path;
use anndex_test_server::Rclone;
use anndex_tests::registry::instance_on;
use anndex_tests::servers::S3;
use std::sync::Arc;

async fn instance(directory: &Path) -> Instance {
    let backend = Arc::new(MemoryBackend::new());
    instance_on(backend, &directory.join("storage"))
        .await
        .unwrap()
}

fn write(path: &Path, length: usize) {
    let content: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

#[tokio::test]
async fn an_object_has_the_hash_that_its_file_has() {
    let directory = tempfile::tempdir().unwrap();
    for (name, bucket, server) in S3::each(directory.path()) {
        let db = instance(directory.path()).await;
        // The largest one is hashed at its ends only.
        let large = (name == "rclone").then_some((50 << 20) + 1);
        for length in [0, 1000, 9 << 20].into_iter().chain(large) {
            let key = format!("donors/{length}.bin");
            write(&bucket.join(&key), length);
            let artifact = db.artifact(server.url(&key)).save().await;
            let artifact = artifact.unwrap_or_else(|e| panic!("{name} {key}: {e:#}"));
            let hash = hash_path(&bucket.join(&key)).unwrap();
            assert_eq!(
                artifact.hash.as_deref(),
                Some(hash.hash.as_str()),
                "{name} {key}"
            );
            assert_eq!(artifact.hash_type.as_deref(), Some(hash.hash_type.as_str()));
            assert_eq!(artifact.size, Some(length as i64));
            assert_eq!(
                (artifact.key.as_deref(), &artifact.storage_key),
                (Some(key.as_str()), &key)
            );
            assert!(artifact.etag.is_some());
            let storage = artifact.storage().await.unwrap();
            assert_eq!(
                (storage.root.as_str(), storage.type_.as_str()),
                (server.url("").replace("cells/", "cells").as_str(), "s3")
            );
            assert_eq!(
                artifact.path().await.unwrap_err().kind(),
                ErrorKind::Unsupported
            );
            // Known content is given back.
            let again = db.artifact(server.url(&key)).save().await.unwrap();
            assert_eq!(again.uid, artifact.uid);
        }
        assert!(db.check().deep(true).run().await.unwrap().is_consistent());
    }
}

#[tokio::test]
async fn an_anndata_says_how_many_observations_it_has() {
    let directory = tempfile::tempdir().unwrap();
    for (name, bucket, server) in S3::each(directory.path()) {
        let db = instance(&directory.path().join(format!("{name}-db"))).await;
        crate::default::anndata(&bucket.join("cells.h5ad"));
        crate::default::anndata(&bucket.join("cells.zarr"));
        fs::write(bucket.join("cells.csv"), "a,b\n").unwrap();
        for (key, otype, n_observations) in [
            ("cells.h5ad", "AnnData", Some(3)),
            ("cells.zarr", "AnnData", Some(3)),
            ("cells.csv", "DataFrame", None),
        ] {
            let artifact = db.artifact(server.url(key)).save().await;
            let artifact = artifact.unwrap_or_else(|e| panic!("{name} {key}: {e:#}"));
            let found = (artifact.otype.as_deref(), artifact.n_observations);
            assert_eq!(found, (Some(otype), n_observations), "{name} {key}");
        }
        write(&bucket.join("damaged.h5ad"), 1000);
        let saved = db.artifact(server.url("damaged.h5ad")).save().await;
        let error = saved.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{name}: {error:#}");
        assert_eq!(db.artifacts().count().await.unwrap(), 3);
    }
}

#[tokio::test]
async fn a_prefix_is_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    for (name, bucket, server) in S3::each(directory.path()) {
        let db = instance(directory.path()).await;
        let local = bucket.join("plates/images");
        for (file, length) in [("a.tif", 1000), ("b/c.tif", 2000), ("b/d.tif", 0)] {
            write(&local.join(file), length);
        }
        write(&bucket.join("plates/images-2/e.tif"), 10);
        let artifact = db
            .artifact(server.url("plates/images"))
            .save()
            .await
            .unwrap();
        let hash = hash_path(&local).unwrap();
        assert_eq!(artifact.hash.as_deref(), Some(hash.hash.as_str()), "{name}");
        assert_eq!(artifact.hash_type.as_deref(), Some("md5-d"));
        assert_eq!((artifact.size, artifact.n_objects), (Some(3000), Some(3)));
        let slash = db
            .artifact(server.url("plates/images/"))
            .save()
            .await
            .unwrap();
        assert_eq!(slash.uid, artifact.uid);
        assert!(db.check().run().await.unwrap().is_consistent());
        write(&local.join("b/c.tif"), 2001);
        write(&local.join("f.tif"), 0);
        let report = db.check().run().await.unwrap();
        assert_eq!(report.findings.len(), 1, "{report:?}");
        assert_eq!(report.findings[0].problem, Problem::Changed, "{report:?}");
    }
}

#[tokio::test]
async fn a_check_finds_what_is_missing_or_changed() {
    let directory = tempfile::tempdir().unwrap();
    for (name, bucket, server) in S3::each(directory.path()) {
        let db = instance(directory.path()).await;
        for key in ["same", "gone", "other", "again"] {
            write(
                &bucket.join(key),
                key.len() + 100 * key.as_bytes()[0] as usize,
            );
        }
        let builders = ["same", "gone", "other", "again"].map(|key| db.artifact(server.url(key)));
        for saved in db.save_artifacts(builders).await {
            saved.unwrap();
        }
        let report = db.check().run().await.unwrap();
        assert!(
            report.is_consistent() && report.artifacts == 4,
            "{name}: {report:?}"
        );
        fs::remove_file(bucket.join("gone")).unwrap();
        let content = fs::read(bucket.join("other")).unwrap();
        fs::write(
            bucket.join("other"),
            content.iter().rev().copied().collect::<Vec<_>>(),
        )
        .unwrap();
        let content = fs::read(bucket.join("again")).unwrap();
        fs::write(bucket.join("again"), content).unwrap();
        let report = db.check().run().await.unwrap();
        let found: Vec<_> = report
            .findings
            .iter()
            .map(|f| (f.problem, f.key.as_deref()))
            .collect();
        let expected = [
            (Problem::Missing, Some("gone")),
            (Problem::Changed, Some("other")),
        ];
        assert_eq!(found, expected, "{name}: {report:?}");
        assert!(
            report.findings[0].path.starts_with("s3://cells/gone?"),
            "{report:?}"
        );
    }
}

#[tokio::test]
async fn a_file_on_the_web_is_registered_where_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let files = directory.path().join("web");
    write(&files.join("sub/größe 1.bin"), 3000);
    let server = Rclone::http(&files).unwrap();
    let db = instance(directory.path()).await;
    let url = format!("{}/sub/gr%C3%B6%C3%9Fe%201.bin", server.url());
    let artifact = db.artifact(url).save().await.unwrap();
    assert_eq!(artifact.key.as_deref(), Some("sub/größe 1.bin"));
    assert_eq!(
        artifact.hash.as_deref(),
        Some(
            hash_path(&files.join("sub/größe 1.bin"))
                .unwrap()
                .hash
                .as_str()
        )
    );
    assert!(db.check().deep(true).run().await.unwrap().is_consistent());
    let missing = db
        .artifact(format!("{}/sub", server.url()))
        .save()
        .await
        .unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound, "{missing:#}");
}

#[tokio::test]
async fn a_storage_in_a_bucket_has_what_is_below_it() {
    let directory = tempfile::tempdir().unwrap();
    let (_, bucket, server) = S3::each(directory.path()).remove(0);
    let db = instance(directory.path()).await;
    let storage = db.add_storage(server.url("lab/cells")).await.unwrap();
    write(&bucket.join("lab/cells/a/b.bin"), 10);
    write(&bucket.join("lab/cells-2/b.bin"), 20);
    let inside = db
        .artifact(server.url("lab/cells/a/b.bin"))
        .save()
        .await
        .unwrap();
    assert_eq!(
        (inside.storage_id, inside.key.as_deref()),
        (storage.id(), Some("a/b.bin"))
    );
    let outside = db
        .artifact(server.url("lab/cells-2/b.bin"))
        .save()
        .await
        .unwrap();
    assert_eq!(outside.key.as_deref(), Some("lab/cells-2/b.bin"));
    assert!(db.check().deep(true).run().await.unwrap().is_consistent());
}

#[tokio::test]
async fn what_can_not_be_registered_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (_, bucket, server) = S3::each(directory.path()).remove(0);
    write(&bucket.join("a"), 10);
    let db = instance(directory.path()).await;
    for (url, kind) in [
        (server.url("../other/a"), ErrorKind::InvalidInput),
        (server.url("missing"), ErrorKind::NotFound),
        (server.url(""), ErrorKind::InvalidInput),
        (
            server.url("a").replace("cells", "no-such-bucket"),
            ErrorKind::NotFound,
        ),
        (
            "s3://cells/a?token=SECRET".to_owned(),
            ErrorKind::InvalidInput,
        ),
        ("ftp://me:SECRET@host/a".to_owned(), ErrorKind::InvalidInput),
        ("ftp://host/a".to_owned(), ErrorKind::Unsupported),
    ] {
        let error = db.artifact(url.as_str()).save().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{url}: {error:#}");
        assert!(!format!("{error:?}").contains("SECRET"), "{error:?}");
        let together = db.save_artifacts([db.artifact(url.as_str())]).await;
        assert_eq!(together[0].as_ref().unwrap_err().kind(), kind, "{url}");
    }
    assert_eq!(db.artifacts().count().await.unwrap(), 0);
    assert_eq!(db.storages().count().await.unwrap(), 1);
}
