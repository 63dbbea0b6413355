//! The files of large collections: those that all loaders read, and some that are small on disk.

use std::path::Path;

use crate::Result;
use crate::bench::data::Data;
use crate::bench::environments::Environments;
use crate::workspace::Workspace;

/// What the files depend on, besides their size.
const SOURCES: [&str; 4] = [
    "bench/generate_growth.py",
    "bench/generate.py",
    "bench/fingerprint.py",
    "requirements/bench-annbatch.txt",
];
/// Cells in each of the files that collections of many files have.
pub(super) const CELLS_PER_SMALL_FILE: u64 = 100;

/// All files, made.
#[derive(Debug)]
pub(super) struct Files<'a> {
    /// Those that all loaders read.
    pub(super) main: &'a Data,
    /// `index`: one file of very many nearly empty rows; `small` and `small-genes`: four files of
    /// few cells, with the same and with different genes.
    pub(super) own: &'a Data,
    /// Cells of the file of nearly empty rows.
    pub(super) cells_of_index: u64,
}

/// Makes the files of few bytes below `directory`, unless they are there.
pub(super) fn prepare(
    workspace: &Workspace,
    environments: &Environments,
    directory: &Path,
    cells_of_index: u64,
) -> Result<Data> {
    let mut script = environments.script("generate_growth");
    script
        .args(["--index-cells", &cells_of_index.to_string()])
        .args(["--small-cells", &CELLS_PER_SMALL_FILE.to_string()]);
    Data::made_once(
        workspace,
        &directory.join(format!("growth-{cells_of_index}-cells")),
        &SOURCES,
        script,
        &format!("a file of {cells_of_index} nearly empty cells, and small files"),
    )
}
