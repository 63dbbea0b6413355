//! What is read at which size, and why its figures have the slopes that they have.

use serde_json::{Value, json};

use super::files::{CELLS_PER_SMALL_FILE, Files};
use crate::bench::cases::Reading;

/// One collection, read once.
#[derive(Debug)]
pub(super) struct Case {
    /// `series/size`: what opening takes is compared with the case before it of the same series.
    pub(super) name: String,
    pub(super) reading: Reading,
    /// Below which directory its files are.
    pub(super) directory: Value,
    /// How many paths the collection has; there are few files, which come again and again.
    pub(super) paths: u64,
    pub(super) cells: u64,
    pub(super) genes: u64,
    /// Whether the collection is too large for its budget, so that the peak says if it is kept.
    pub(super) overflows: bool,
    pub(super) reason: &'static str,
}

impl Case {
    /// The name without the size.
    pub(super) fn series(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }

    /// What the runner is told.
    pub(super) fn specification(&self, seconds: f64, at_most: f64) -> Value {
        let mut specification = self.reading.specification();
        specification["data"] = self.directory.clone();
        specification["paths"] = json!(self.paths);
        specification["obs_keys"] = json!(["cell_type"]);
        specification["seconds"] = json!(seconds);
        specification["at_most"] = json!(at_most);
        specification["check_seconds"] = json!(0);
        specification
    }
}

const PLAIN: &str = "opening: 8 bytes a cell for its row pointer and 4 for its label, read once; \
    speed: no chunk is decoded, so a cell costs the same wherever it lies";
const GZIP: &str = "speed: what fits into the budget is decoded once; of more, each window of a \
    permutation touches most chunks again, so decoding grows with cells / window";
const INDEX: &str = "opening: reading and checking the row pointers; per cell they and the label \
    are all that is kept, the order takes no memory; speed: rows are nearly empty, so this is \
    finding and clearing them";
const FILES: &str = "opening: per file its metadata and the names of its genes, of which equal \
    lists are kept once; speed: as with few files, since a window is grouped by file";
const PANELS: &str = "as before, and each distinct list of genes is joined once";
const MEMORY: &str = "five times the budget: two windows of half of it are held, besides the \
    batches, what opening keeps and the buffers of threads";

/// All cases, in the order of the table.
pub(super) fn all(files: &Files<'_>) -> Vec<Case> {
    let ours = Reading::OURS.into("dense-numpy");
    let mut cases = Vec::new();
    let main = &files.main.summary;
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let (n_files, genes) = (number(&main["files"]), number(&main["genes"]));
    let per_file = number(&main["cells"]) / n_files.max(1);
    for (format, reason) in [("h5ad", PLAIN), ("h5ad-gzip", GZIP)] {
        for paths in [1, 10, 100] {
            cases.push(Case {
                name: format!("{format}/{}-cells", paths * per_file),
                reading: ours.of(format),
                directory: json!(files.main.directory),
                paths,
                cells: paths * per_file,
                genes,
                overflows: false,
                reason,
            });
        }
    }
    for paths in [1, 10] {
        cases.push(Case {
            name: format!("index/{}-cells", paths * files.cells_of_index),
            reading: ours.of("index"),
            directory: json!(files.own.directory),
            paths,
            cells: paths * files.cells_of_index,
            genes: number(&files.own.summary["genes_of_index"]),
            overflows: false,
            reason: INDEX,
        });
    }
    for (format, join, reason) in [("small", "none", FILES), ("small-genes", "outer", PANELS)] {
        for paths in [100, 1_000, 10_000] {
            cases.push(Case {
                name: format!("{format}/{paths}-files"),
                reading: Reading {
                    join,
                    ..ours.of(format)
                },
                directory: json!(files.own.directory),
                paths,
                cells: paths * CELLS_PER_SMALL_FILE,
                genes,
                overflows: false,
                reason,
            });
        }
    }
    // Most counts are held in one byte, columns in two.
    let packed = main["nonzeros"].as_f64().unwrap_or_default() * 3.0;
    let budget = (packed / 5.0 / f64::from(1 << 20)) as u32;
    for format in ["h5ad", "h5ad-gzip", "zarr-v3-sharded"] {
        cases.push(Case {
            name: format!("memory/{format}"),
            reading: ours.of(format).within(budget.max(1)),
            directory: json!(files.main.directory),
            paths: n_files,
            cells: n_files * per_file,
            genes,
            overflows: true,
            reason: MEMORY,
        });
    }
    cases
}
