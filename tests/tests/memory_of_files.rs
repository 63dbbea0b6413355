//! What a collection of very many files keeps in memory: little per file, however many genes they
//! name.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use anndex_core::anndata::{
    AnnData, Categorical, Column, CsrMatrix, DataFrame, InMemoryMatrix, Values,
};
use anndex_core::mapped::{BatchFormat, Join, MappedCollection, MappedOptions};
use anndex_core::store::{Compression, NumericArray};
use anndex_tests::{formats, write_file};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const CELLS: usize = 4;
const GENES: usize = 5_000;
const FILES: usize = 100;

/// Few cells with the names of many genes, the first of them `first`.
fn data(first: usize) -> AnnData {
    let values: Vec<f32> = (1..=CELLS * 10).map(|value| value as f32).collect();
    let columns = (0..values.len()).map(|at| (at % 10 * 7) as i32).collect();
    let pointers = (0..=CELLS).map(|row| row as i64 * 10).collect();
    let values = NumericArray::from_values([values.len()], &values).unwrap();
    let names = |prefix: &str, from: usize, n: usize| {
        DataFrame::new(
            (from..from + n)
                .map(|i| format!("{prefix}{i:011}"))
                .collect(),
        )
    };
    let categories = Values::Strings(["B", "T"].into_iter().collect());
    let labels = Categorical::new(vec![0, 1, 1, 0], categories, false).unwrap();
    let obs = names("cell", 0, CELLS).with_column("cell_type", Column::Categorical(labels));
    AnnData {
        x: Some(InMemoryMatrix::Csr(
            CsrMatrix::new(GENES, values, columns, pointers).unwrap(),
        )),
        obs: obs.unwrap(),
        var: names("ENSG", first, GENES),
        ..AnnData::default()
    }
}

#[test]
fn a_file_takes_little_however_many_genes_it_names() {
    let directory = tempfile::tempdir().unwrap();
    let paths = ["a.h5ad", "b.h5ad"].map(|name| directory.path().join(name));
    for (number, path) in paths.iter().enumerate() {
        write_file(path, &data(number * 100), Compression::Gzip(4), 16);
    }
    let many: Vec<_> = paths.iter().cycle().take(FILES).collect();
    let few: Vec<_> = paths.iter().collect();
    for join in [None, Some(Join::Outer)] {
        let options = MappedOptions::default().obs_keys(["cell_type"]).join(join);
        let taken = |paths: &[_]| {
            MEMORY.reset_peak_usage();
            let before = MEMORY.current_usage();
            let mapped = MappedCollection::open_paths(&formats(), paths, &options).unwrap();
            // Chunk tables are read with the first rows.
            let everything: Vec<u64> = (0..mapped.n_obs()).step_by(CELLS).collect();
            for part in everything.chunks(10) {
                mapped.batch(part, BatchFormat::Csr).unwrap();
            }
            let kept = MEMORY.current_usage() - before;
            (kept, MEMORY.peak_usage() - before)
        };
        let ((few_kept, few_peak), (many_kept, many_peak)) = (taken(&few), taken(&many));
        let per_file = |many: usize, few: usize| many.saturating_sub(few) / (FILES - paths.len());
        let (kept, peak) = (per_file(many_kept, few_kept), per_file(many_peak, few_peak));
        // The names alone are 120 kB, what is parsed of them and the blocks that were read more.
        assert!(kept < 60_000, "{join:?}: a file keeps {kept} bytes");
        assert!(
            peak < 80_000,
            "{join:?}: a file took {peak} bytes at the peak"
        );
    }
}
