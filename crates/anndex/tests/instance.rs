//! Instances in directories: made, opened, moved, refused; and what mapping a collection does
//! beside reading it.

#![cfg(all(feature = "sqlite", feature = "hdf5", feature = "zarr"))]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::Path;

use anndex::anndata::{AnnData, DataFrame, InMemoryMatrix, WriteOptions, write};
use anndex::store::NumericArray;
use anndex::{ErrorKind, InstanceOptions, Join};

fn options() -> InstanceOptions {
    InstanceOptions::new().user_handle("ada")
}

/// Two cells and two genes.
fn write_file(path: &Path, genes: [&str; 2], values: [f32; 4]) {
    let x = NumericArray::from_values([2, 2], &values).unwrap();
    let data = AnnData {
        x: Some(InMemoryMatrix::Dense(x)),
        obs: DataFrame::new(["c1", "c2"].iter().collect()),
        var: DataFrame::new(genes.iter().collect()),
        ..AnnData::default()
    };
    let mut writer = anndex::formats().create(path).unwrap();
    write(writer.as_mut(), &data, &WriteOptions::default()).unwrap();
    writer.finish().unwrap();
}

#[tokio::test]
async fn init_then_connect() {
    let directory = tempfile::tempdir().unwrap();
    let cells = directory.path().join("a/cells");
    let missing = anndex::connect_with(&cells, options()).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(!cells.exists(), "connect makes nothing");

    let db = anndex::init_with(&cells, options()).await.unwrap();
    assert_eq!(db.user().handle, "ada");
    let root = cells.canonicalize().unwrap();
    assert_eq!(db.storage_root(), root);
    assert!(db.cache_dir().starts_with(&cells));
    db.ulabel("kept").save().await.unwrap();
    db.close().await.unwrap();

    // Again is not an error and loses nothing.
    let again = anndex::init_with(&cells, options()).await.unwrap();
    assert_eq!(again.ulabels().count().await.unwrap(), 1);
    again.close().await.unwrap();
    let other = options().storage_root(directory.path());
    let error = anndex::init_with(&cells, other).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let nobody = InstanceOptions::new().user_handle(" ");
    let error = anndex::connect_with(&cells, nobody).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_directory_that_moved_keeps_its_artifacts() {
    let directory = tempfile::tempdir().unwrap();
    let cells = directory.path().join("cells");
    let db = anndex::init_with(&cells, options()).await.unwrap();
    write_file(&cells.join("a.h5ad"), ["g1", "g2"], [1.0; 4]);
    let a = db.artifact(cells.join("a.h5ad")).save().await.unwrap();
    db.close().await.unwrap();
    let moved = directory.path().join("moved");
    std::fs::rename(&cells, &moved).unwrap();
    let db = anndex::connect_with(&moved, options()).await.unwrap();
    let a = db.artifacts().get(a.uid.as_str()).await.unwrap();
    assert!(a.path().await.unwrap().is_file());
}

#[tokio::test]
async fn a_storage_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let cells = directory.path().join("cells");
    let options = options().storage_root("../data");
    let db = anndex::init_with(&cells, options).await.unwrap();
    let data = directory.path().join("data").canonicalize().unwrap();
    assert_eq!(db.storage_root(), data);
    db.close().await.unwrap();
    let db = anndex::connect_with(&cells, InstanceOptions::new().user_handle("ada"));
    assert_eq!(db.await.unwrap().storage_root(), data);
}

#[tokio::test]
async fn urls_of_databases_that_are_not_compiled_in() {
    let unknown = [
        "mysql://ada:secret@host/cells",
        "postgres://ada:secret@host/cells",
    ];
    let known = usize::from(cfg!(feature = "postgres"));
    for url in &unknown[..unknown.len() - known] {
        for error in [
            anndex::connect(url).await.unwrap_err(),
            anndex::init(url).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            let text = format!("{error:?}");
            assert!(text.contains("SQLite"), "{text}");
            assert!(!text.contains("secret"), "{text}");
            let names_feature = text.contains("the feature `postgres`");
            assert_eq!(names_feature, url.starts_with("postgres"), "{text}");
        }
    }
}

#[tokio::test]
async fn what_is_mapped_is_read_by_the_run() {
    let directory = tempfile::tempdir().unwrap();
    let cells = directory.path().join("cells");
    let db = anndex::init_with(&cells, options()).await.unwrap();
    write_file(&cells.join("a.h5ad"), ["g1", "g2"], [1.0, 2.0, 3.0, 4.0]);
    write_file(&cells.join("b.zarr"), ["g2", "g3"], [5.0; 4]);
    let a = db.artifact(cells.join("a.h5ad")).save().await.unwrap();
    let b = db.artifact(cells.join("b.zarr")).save().await.unwrap();
    let c = db.collection([&a, &b]).name("c").save().await.unwrap();
    let error = c.mapped().is_run_input(true).open().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);

    let transform = db.transform("train").save().await.unwrap();
    let run = db.track(&transform).await.unwrap();
    c.mapped().is_run_input(false).open().await.unwrap();
    assert!(run.input_collections().await.unwrap().is_empty());
    let mapped = c.mapped().join(Join::Outer).open().await.unwrap();
    assert_eq!(mapped.shape(), (4, Some(3)));
    let row = mapped.get(1).unwrap();
    let row = row.matrix("X").unwrap().as_slice::<f32>().unwrap();
    assert_eq!(row, [3.0, 4.0, 0.0]);
    assert_eq!(run.input_collections().await.unwrap()[0].uid, c.uid);

    // What is not an AnnData is named.
    std::fs::write(cells.join("table.csv"), "a,b\n").unwrap();
    let table = db.artifact(cells.join("table.csv")).save().await.unwrap();
    let mixed = db
        .collection([&a, &table])
        .name("mixed")
        .save()
        .await
        .unwrap();
    let error = mixed.mapped().open().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.message().contains("table.csv"), "{error}");
    assert!(!error.message().contains("a.h5ad"), "{error}");

    // So is a file that is gone.
    std::fs::remove_file(cells.join("a.h5ad")).unwrap();
    let error = c.mapped().open().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(
        error.context("path").unwrap().ends_with("a.h5ad"),
        "{error}"
    );
}
