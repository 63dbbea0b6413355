//! What the tests across backends and stores have in common: random AnnData, a naive
//! concatenation to hold results against, the goldens that Python anndata wrote, instances on
//! each database, and servers of object storage.

pub mod concatenation;
pub mod generate;
pub mod proxy;
pub mod registry;
pub mod servers;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anndex_core::anndata::{AnnData, WriteOptions, write};
use anndex_core::store::{Compression, StoreFormats};

/// All formats, as the facade registers them.
pub fn formats() -> StoreFormats {
    let mut formats = StoreFormats::new();
    formats.register(Arc::new(anndex_store_hdf5::Hdf5Format));
    formats.register(Arc::new(anndex_store_zarr::ZarrFormat::default()));
    formats
}

/// The directory of the small fixtures, their goldens and the damaged files.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The small AnnData files that are part of the repository, sorted.
pub fn small_files() -> Vec<PathBuf> {
    anndata_files(&fixtures().join("files"))
}

/// The real AnnData files in the directory that `ANNDEX_FIXTURES` names, sorted; `None`, with a
/// note, where it is not set.
///
/// # Panics
/// If it is not set in continuous integration, where a test that needs them must not pass
/// without.
pub fn real_files() -> Option<Vec<PathBuf>> {
    let Some(directory) = std::env::var_os("ANNDEX_FIXTURES") else {
        assert!(
            std::env::var_os("CI").is_none(),
            "set ANNDEX_FIXTURES to the directory of real AnnData files"
        );
        eprintln!("ANNDEX_FIXTURES is not set: no real files were read");
        return None;
    };
    Some(anndata_files(Path::new(&directory)))
}

fn anndata_files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("the fixtures must be a directory");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the directory can be listed").path())
        .filter(|path| formats().for_path(path).is_ok())
        .collect();
    paths.sort();
    assert!(
        !paths.is_empty(),
        "{} holds no AnnData",
        directory.display()
    );
    paths
}

/// Writes an AnnData file in the format of its suffix.
///
/// # Panics
/// If it can't be written.
pub fn write_file(path: &Path, data: &AnnData, compression: Compression, chunk_elements: u64) {
    let options = WriteOptions {
        compression,
        chunk_elements: Some(chunk_elements),
    };
    let mut writer = formats().create(path).expect("the file can be created");
    write(&mut *writer, data, &options).expect("the file can be written");
    writer.finish().expect("the file can be finished");
}
