//! The formats of AnnData files that are compiled in.

use anndex_core::store::StoreFormats;

/// The formats that this build opens, which depends on its features.
pub fn formats() -> StoreFormats {
    #[allow(unused_mut, reason = "there may be no format")]
    let mut formats = StoreFormats::new();
    #[cfg(feature = "hdf5")]
    formats.register(std::sync::Arc::new(anndex_store_hdf5::Hdf5Format));
    #[cfg(feature = "zarr")]
    formats.register(std::sync::Arc::new(anndex_store_zarr::ZarrFormat::new()));
    formats
}
