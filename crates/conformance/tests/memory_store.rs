//! The memory store against the suite that every store runs.

use anndex_conformance::store::{Capabilities, run};
use anndex_core::store::memory::MemoryFormat;

#[test]
fn conforms() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    run(
        &MemoryFormat::default(),
        directory.path(),
        &Capabilities {
            groups_of_stores: false,
            ..Capabilities::all()
        },
    );
}
