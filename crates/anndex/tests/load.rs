//! Loading artifacts and collections: what is read, which run has it as input, and what is refused.

#![cfg(all(
    feature = "sqlite",
    feature = "hdf5",
    feature = "zarr",
    feature = "tables"
))]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::path::Path;

use anndex::anndata::{AnnData, DataFrame, InMemoryMatrix, MatrixKey, WriteOptions, write};
use anndex::store::NumericArray;
use anndex::tables::LoadTable;
use anndex::tables::arrow_array::cast::AsArray;
use anndex::tables::arrow_array::types::{Float64Type, Int64Type};
use anndex::{ErrorKind, Instance, InstanceOptions, Join};

async fn instance(directory: &Path) -> Instance {
    let options = InstanceOptions::new().user_handle("ada");
    anndex::init_with(directory.join("cells"), options)
        .await
        .unwrap()
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
async fn anndata_are_loaded_and_become_inputs() {
    let directory = tempfile::tempdir().unwrap();
    let db = instance(directory.path()).await;
    let (a, b) = (
        directory.path().join("a.h5ad"),
        directory.path().join("b.zarr"),
    );
    write_file(&a, ["x", "y"], [1., 2., 3., 4.]);
    write_file(&b, ["y", "z"], [5., 6., 7., 8.]);
    let a = db.artifact(a).save().await.unwrap();
    let b = db.artifact(b).save().await.unwrap();
    let collection = db.collection([&a, &b]).name("C").save().await.unwrap();

    let inner = collection.load().join(Join::Inner).read().await.unwrap();
    let Some(InMemoryMatrix::Dense(x)) = &inner.x else {
        panic!("dense")
    };
    assert_eq!(x.as_slice::<f32>().unwrap(), [2., 4., 5., 7.]);
    let from: Vec<String> = inner
        .obs
        .column("artifact_uid")
        .unwrap()
        .labels()
        .map(|label| label.to_string())
        .collect();
    assert_eq!(from, [&a.uid, &a.uid, &b.uid, &b.uid].map(Clone::clone));
    let outer = collection.load().read().await.unwrap();
    assert_eq!(outer.var.len(), 3, "outer, unless told otherwise");

    let whole = a.load().read().await.unwrap();
    assert_eq!(whole.obs.len(), 2);
    let backed = b.open(false).await.unwrap();
    assert_eq!(backed.n_vars(), 2);
    assert!(backed.matrix(&MatrixKey::X).unwrap().is_some());

    let refused = collection
        .load()
        .is_run_input(true)
        .read()
        .await
        .unwrap_err();
    assert_eq!(
        refused.kind(),
        ErrorKind::InvalidInput,
        "no run is going on"
    );
    let run = db
        .track(&db.transform("train").save().await.unwrap())
        .await
        .unwrap();
    collection.load().is_run_input(false).read().await.unwrap();
    assert!(collection.input_of().await.unwrap().is_empty());
    collection.load().read().await.unwrap();
    a.load().read().await.unwrap();
    for inputs in [
        collection.input_of().await.unwrap(),
        a.input_of().await.unwrap(),
    ] {
        let uids: Vec<&str> = inputs.iter().map(|input| input.uid.as_str()).collect();
        assert_eq!(uids, [run.uid.as_str()]);
    }
    db.close().await.unwrap();
}

#[tokio::test]
async fn tables_are_loaded_and_joined() {
    let directory = tempfile::tempdir().unwrap();
    let db = instance(directory.path()).await;
    let file = |name: &str, content: &str| {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let a = db
        .artifact(file("a.csv", "n,t\n1,x\n2,NA\n"))
        .save()
        .await
        .unwrap();
    let b = db
        .artifact(file("b.tsv", "n\tother\n0.5\t7\n"))
        .save()
        .await
        .unwrap();
    let collection = db.collection([&a, &b]).name("tables").save().await.unwrap();

    let one = a.load_table().read().await.unwrap().into_batch().unwrap();
    assert_eq!(one.column(0).as_primitive::<Int64Type>().values(), &[1, 2]);
    assert_eq!(one.column(1).null_count(), 1);
    let outer = collection.load_table().read().await.unwrap();
    let names: Vec<_> = outer
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    assert_eq!(
        (names, outer.n_rows()),
        (["n", "t", "other"].map(str::to_owned).to_vec(), 3)
    );
    let outer = outer.into_batch().unwrap();
    assert_eq!(
        outer.column(0).as_primitive::<Float64Type>().values(),
        &[1., 2., 0.5]
    );
    assert_eq!(outer.column(2).null_count(), 2);
    let inner = collection
        .load_table()
        .join(Join::Inner)
        .read()
        .await
        .unwrap();
    assert_eq!(inner.schema().fields().len(), 1);

    let text = db
        .artifact(file("text.csv", "n\nmany\n"))
        .save()
        .await
        .unwrap();
    let mixed = db
        .collection([&a, &text])
        .name("mixed types")
        .save()
        .await
        .unwrap();
    let error = mixed.load_table().read().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.context("column")),
        (ErrorKind::InvalidInput, Some("n"))
    );

    let cells = directory.path().join("c.h5ad");
    write_file(&cells, ["x", "y"], [1., 2., 3., 4.]);
    let cells = db.artifact(cells).save().await.unwrap();
    let mixed = db
        .collection([&a, &cells])
        .name("mixed kinds")
        .save()
        .await
        .unwrap();
    for error in [
        mixed.load_table().read().await.map(|_| ()).unwrap_err(),
        mixed.load().read().await.map(|_| ()).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let message = error.to_string();
        assert!(
            message.contains(".csv") && message.contains(".h5ad"),
            "{message}"
        );
    }
    db.close().await.unwrap();
}
