//! anndex-store-hdf5
