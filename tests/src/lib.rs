//! What the tests across backends and stores have in common: random AnnData, a naive
//! concatenation to hold results against, and the goldens that Python anndata wrote.

pub mod concatenation;
pub mod generate;

use std::sync::Arc;

use anndex_core::store::StoreFormats;

/// All formats, as the facade registers them.
pub fn formats() -> StoreFormats {
    let mut formats = StoreFormats::new();
    formats.register(Arc::new(anndex_store_hdf5::Hdf5Format::default()));
    formats.register(Arc::new(anndex_store_zarr::ZarrFormat::default()));
    formats
}
