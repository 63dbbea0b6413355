//! Map an HDF5 file and a Zarr directory with different genes as one dataset.
//!
//! `cargo run -p anndex --example mapped_with_join`

use std::path::Path;

use anndex::anndata::{AnnData, Column, CsrMatrix, DataFrame, InMemoryMatrix, WriteOptions, write};
use anndex::store::{DataType, NumericArray};
use anndex::{BatchFormat, Join, MappedCollection, MappedOptions, Result, UnknownLabel};

fn main() -> Result<()> {
    let directory = tempfile::tempdir().map_err(|e| anndex::Error::io("temporary directory", e))?;
    let paths = ["a.h5ad", "b.zarr"].map(|name| directory.path().join(name));
    write_file(&paths[0], ["CD3E", "MS4A1", "NKG7"], ["T cell", "unknown"])?;
    write_file(&paths[1], ["NKG7", "CD3E", "LYZ"], ["monocyte", "T cell"])?;

    // Files can be mapped without an instance, too. The inner join has the genes that all files
    // have, in the order of the first one.
    let formats = anndex::formats();
    let inner = MappedCollection::open_paths(&formats, &paths, &MappedOptions::default())?;
    println!("inner: {:?} {:?}", inner.shape(), genes(&inner));

    // The outer join has the genes that any file has, sorted; absent ones are 0.
    let options = MappedOptions::default()
        .obs_keys(["cell_type"])
        .unknown_label(UnknownLabel::All("unknown".into()))
        .join(Join::Outer)
        .dtype(DataType::Float32);
    let outer = MappedCollection::open_paths(&formats, &paths, &options)?;
    println!("outer: {:?} {:?}", outer.shape(), genes(&outer));

    // Labels are integers, the same ones in all files; the unknown one is -1.
    for (label, code) in outer
        .encoder("cell_type")
        .into_iter()
        .flat_map(|e| e.entries())
    {
        println!("{label} is {code}");
    }
    let weights = outer.get_label_weights(&["cell_type"], None)?;
    println!("weights that balance the cell types: {weights:?}");

    // Sparse batches hold the same values as dense ones.
    if let Some(InMemoryMatrix::Csr(x)) = outer.batch(&[2, 0], BatchFormat::Csr)?.matrix("X") {
        println!(
            "columns {:?} of rows that start at {:?}",
            x.indices(),
            x.indptr()
        );
    }

    // Only the T cells.
    let options = MappedOptions::default().obs_filter("cell_type", ["T cell"]);
    let t_cells = MappedCollection::open_paths(&formats, &paths, &options)?;
    println!("T cells: {} of {}", t_cells.len(), outer.len());
    Ok(())
}

fn genes(mapped: &MappedCollection) -> Vec<&str> {
    mapped
        .var_joint()
        .into_iter()
        .flat_map(|names| names.iter())
        .collect()
}

/// Writes two cells: [[1, 0, 2], [0, 3, 0]], sparse.
fn write_file(path: &Path, genes: [&str; 3], cell_types: [&str; 2]) -> Result<()> {
    let values = NumericArray::from_values([3], &[1.0f32, 2.0, 3.0])?;
    let x = CsrMatrix::new(3, values, vec![0, 2, 1], vec![0, 2, 3])?;
    let data = AnnData {
        x: Some(InMemoryMatrix::Csr(x)),
        obs: DataFrame::new(["cell 1", "cell 2"].iter().collect())
            .with_column("cell_type", Column::strings(cell_types))?,
        var: DataFrame::new(genes.iter().collect()),
        ..AnnData::default()
    };
    let mut writer = anndex::formats().create(path)?;
    write(writer.as_mut(), &data, &WriteOptions::default())?;
    writer.finish()
}
