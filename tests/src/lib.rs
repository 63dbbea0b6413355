//! What the tests across backends and stores have in common: random AnnData, a naive
//! concatenation to hold results against, and the goldens that Python anndata wrote.

pub mod concatenation;
pub mod generate;

use std::path::PathBuf;
use std::sync::Arc;

use anndex_core::store::StoreFormats;

/// All formats, as the facade registers them.
pub fn formats() -> StoreFormats {
    let mut formats = StoreFormats::new();
    formats.register(Arc::new(anndex_store_hdf5::Hdf5Format));
    formats.register(Arc::new(anndex_store_zarr::ZarrFormat::default()));
    formats
}

/// The real AnnData files in the directory that `ANNDEX_FIXTURES` names, sorted.
///
/// # Panics
/// If the variable is not set or the directory holds none, since a test that needs them must not
/// pass without.
pub fn fixtures() -> Vec<PathBuf> {
    let directory = std::env::var_os("ANNDEX_FIXTURES")
        .expect("set ANNDEX_FIXTURES to the directory of real AnnData files");
    let entries = std::fs::read_dir(&directory).expect("ANNDEX_FIXTURES must be a directory");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the directory can be listed").path())
        .filter(|path| formats().for_path(path).is_ok())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "ANNDEX_FIXTURES holds no AnnData files");
    paths
}
