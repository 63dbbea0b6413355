//! Register two files, make a collection of them, and read cells from it.
//!
//! `cargo run -p anndex --example quick_start`

use std::path::Path;

use anndex::anndata::{AnnData, Column, DataFrame, InMemoryMatrix, WriteOptions, write};
use anndex::store::NumericArray;
use anndex::{BatchFormat, Join, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let directory = tempfile::tempdir().map_err(|e| anndex::Error::io("temporary directory", e))?;
    let cells = directory.path().join("cells");

    // An instance is a directory; files in it are registered where they are.
    let db = anndex::init(&cells).await?;
    write_file(&cells.join("donor_1.h5ad"), ["T cell", "B cell"])?;
    write_file(&cells.join("donor_2.h5ad"), ["NK cell", "T cell"])?;
    let a = db
        .artifact(cells.join("donor_1.h5ad"))
        .description("donor 1")
        .save()
        .await?;
    let b = db
        .artifact(cells.join("donor_2.h5ad"))
        .description("donor 2")
        .save()
        .await?;

    let collection = db.collection([a, b]).name("My collection").save().await?;
    println!("{}", collection.describe().await?);

    // The files as one dataset: nothing is concatenated, cells are read when they are asked for.
    let mapped = collection
        .mapped()
        .obs_keys(["cell_type"])
        .join(Join::Inner)
        .open()
        .await?;
    for (label, code) in mapped
        .encoder("cell_type")
        .into_iter()
        .flat_map(|e| e.entries())
    {
        println!("{label} is {code}");
    }
    for index in 0..mapped.len() {
        let sample = mapped.get(index)?;
        println!("cell {index}: {:?}", sample.obs("cell_type"));
    }

    // Many cells at once, in any order.
    let batch = mapped.batch(&[3, 0], BatchFormat::Dense)?;
    println!("{:?}", batch.matrix("X").map(InMemoryMatrix::shape));
    db.close().await
}

/// Writes two cells and three genes.
fn write_file(path: &Path, cell_types: [&str; 2]) -> Result<()> {
    let x = NumericArray::from_values([2, 3], &[1.0f32, 0.0, 2.0, 0.0, 3.0, 1.0])?;
    let data = AnnData {
        x: Some(InMemoryMatrix::Dense(x)),
        obs: DataFrame::new(["cell 1", "cell 2"].iter().collect())
            .with_column("cell_type", Column::strings(cell_types))?,
        var: DataFrame::new(["CD3E", "MS4A1", "NKG7"].iter().collect()),
        ..AnnData::default()
    };
    let mut writer = anndex::formats().create(path)?;
    write(writer.as_mut(), &data, &WriteOptions::default())?;
    writer.finish()
}
