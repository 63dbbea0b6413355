//! Zarr v2 and v3 against the suite that every store runs.

use anndex_conformance::store::{Capabilities, run};
use anndex_store_zarr::{ZarrFormat, ZarrVersion};

#[test]
fn version_3_conforms() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let format = ZarrFormat::new();
    run(&format, directory.path(), &Capabilities::all());
}

#[test]
fn version_2_conforms() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let format = ZarrFormat::new().writing(ZarrVersion::V2);
    let capabilities = Capabilities {
        shards: false,
        ..Capabilities::all()
    };
    run(&format, directory.path(), &capabilities);
}
