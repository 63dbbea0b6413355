//! Make a new version of a collection in a tracked run, and see what the run read and made.
//!
//! `cargo run -p anndex --example versions_and_lineage`

use std::path::Path;

use anndex::anndata::{AnnData, DataFrame, InMemoryMatrix, WriteOptions, write};
use anndex::store::NumericArray;
use anndex::{Join, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let directory = tempfile::tempdir().map_err(|e| anndex::Error::io("temporary directory", e))?;
    let cells = directory.path().join("cells");
    let db = anndex::init(&cells).await?;

    write_file(&cells.join("raw.h5ad"), &[5.0, 0.0, 1.0, 2.0])?;
    let raw = db.artifact(cells.join("raw.h5ad")).save().await?;
    let first = db.collection([&raw]).name("Blood").save().await?;
    println!("a new collection has no version: {:?}", first.version);

    // From here on a run notes what is read and what is made.
    let transform = db.transform("normalize").save().await?;
    let run = db.track(&transform).await?;
    let mapped = first.mapped().join(Join::Inner).open().await?;
    let mut normalized = Vec::new();
    for index in 0..mapped.len() {
        let sample = mapped.get(index)?;
        let row: Vec<f64> = sample
            .matrix("X")
            .map(|row| {
                (0..row.len())
                    .filter_map(|gene| row.get_f64(gene))
                    .collect()
            })
            .unwrap_or_default();
        let total: f64 = row.iter().sum();
        normalized.extend(row.iter().map(|value| (value / total) as f32));
    }
    write_file(&cells.join("normalized.h5ad"), &normalized)?;
    let new = db
        .artifact(cells.join("normalized.h5ad"))
        .is_new_version_of(&raw)
        .save()
        .await?;
    let second = db
        .collection([&new])
        .is_new_version_of(&first)
        .save()
        .await?;
    db.finish().await?;

    for version in second.versions().await? {
        println!(
            "{} is version {:?} of {}",
            version.uid, version.version, version.name
        );
    }
    println!("the run of {:?}", transform.name);
    for input in run.input_collections().await? {
        println!("  read {}", input.uid);
    }
    for output in run.output_collections().await? {
        println!("  made {}", output.uid);
    }

    // The trash is a way back, and artifacts that a collection holds can't get lost.
    let mut old = db.collections().get(first.uid.as_str()).await?;
    old.delete(None).await?;
    println!("{} collection in sight", db.collections().count().await?);
    old.restore().await?;
    let mut held = db.artifacts().get(new.uid.as_str()).await?;
    if let Err(error) = held.delete(Some(true)).await {
        println!("{}: {error}", error.kind());
    }
    db.close().await
}

/// Writes two cells and two genes.
fn write_file(path: &Path, values: &[f32]) -> Result<()> {
    let data = AnnData {
        x: Some(InMemoryMatrix::Dense(NumericArray::from_values(
            [2, 2],
            values,
        )?)),
        obs: DataFrame::new(["cell 1", "cell 2"].iter().collect()),
        var: DataFrame::new(["CD3E", "MS4A1"].iter().collect()),
        ..AnnData::default()
    };
    let mut writer = anndex::formats().create(path)?;
    write(writer.as_mut(), &data, &WriteOptions::default())?;
    writer.finish()
}
