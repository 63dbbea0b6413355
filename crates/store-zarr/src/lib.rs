//! anndex-store-zarr
