//! The contract of stores, tried on HDF5.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use anndex_conformance::store::{Capabilities, run};
use anndex_store::Compression;
use anndex_store_hdf5::Hdf5Format;

#[test]
fn hdf5_is_a_store() {
    let directory = tempfile::tempdir().unwrap();
    let capabilities = Capabilities {
        compressions: vec![
            Compression::None,
            Compression::Gzip(1),
            Compression::Gzip(6),
            Compression::Zstd(3),
        ],
        shards: false,
        growing_arrays: false,
        groups_of_stores: false,
        nested_attributes: false,
        ..Capabilities::all()
    };
    run(&Hdf5Format, directory.path(), &capabilities);
}
