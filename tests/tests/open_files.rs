//! Collections of more files than a process may have open: all of them are read, in any order,
//! whatever else is open, and a file that was changed meanwhile is an error.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anndex_core::ErrorKind;
use anndex_core::anndata::{
    AnnData, BackedAnnData, ConcatOptions, CsrMatrix, DataFrame, InMemoryMatrix, Join, concat,
};
use anndex_core::mapped::{
    BatchFormat, MappedCollection, MappedOptions, Preparation, PrepareOptions, Shuffle,
};
use anndex_core::store::{Compression, NumericArray};
use anndex_tests::{formats, write_file};

/// Where a child finds the files.
const DIRECTORY: &str = "ANNDEX_TEST_OPEN_FILES";
/// Whether the limit is the lowest.
const LOWEST: &str = "ANNDEX_TEST_LOWEST_LIMIT";
const H5AD_FILES: usize = 1_000;
/// Sharded, so that files inside them are kept.
const ZARR_FILES: usize = 300;
/// Files of each format that differ; the others are copies of them.
const DISTINCT: usize = 40;
const CELLS: usize = 2;
const GENES: usize = 3;

/// The values of a cell of those that differ.
fn distinct_row(cell: usize) -> [f32; GENES] {
    [0, 1, 2].map(|gene| (cell * GENES + gene + 1) as f32)
}

/// The values of a cell, by its number over all files.
fn row(cell: usize) -> [f32; GENES] {
    distinct_row(match cell.checked_sub(H5AD_FILES * CELLS) {
        None => cell % (DISTINCT * CELLS),
        Some(cell) => DISTINCT * CELLS + cell % DISTINCT,
    })
}

fn cells(first: usize, count: usize, sparse: bool) -> AnnData {
    let values: Vec<f32> = (first..first + count).flat_map(distinct_row).collect();
    let columns = (0..count).flat_map(|_| 0..GENES as i32).collect();
    let pointers = (0..=count).map(|cell| (cell * GENES) as i64).collect();
    let stored = |shape: &[usize]| NumericArray::from_values(shape.to_vec(), &values).unwrap();
    let names = |prefix: &str, range: std::ops::Range<usize>| {
        DataFrame::new(range.map(|number| format!("{prefix}{number}")).collect())
    };
    AnnData {
        x: Some(match sparse {
            true => InMemoryMatrix::Csr(
                CsrMatrix::new(GENES, stored(&[values.len()]), columns, pointers).unwrap(),
            ),
            false => InMemoryMatrix::Dense(stored(&[count, GENES])),
        }),
        obs: names("cell", first..first + count),
        var: names("gene", 0..GENES),
        ..AnnData::default()
    }
}

/// Writes the files, whose cells are numbered in their order.
fn write_files(directory: &Path) {
    for number in 0..DISTINCT {
        let data = cells(number * CELLS, CELLS, number % 3 > 0);
        let compression = [Compression::None, Compression::Gzip(1)][number % 2];
        write_file(&h5ad(directory, number), &data, compression, 64);
    }
    for number in DISTINCT..H5AD_FILES {
        let distinct = h5ad(directory, number % DISTINCT);
        fs::copy(distinct, h5ad(directory, number)).unwrap();
    }
    let rest = directory.join("rest.h5ad");
    let data = cells(DISTINCT * CELLS, DISTINCT, true);
    write_file(&rest, &data, Compression::None, 64);
    let options = PrepareOptions::default()
        .shuffle(Shuffle::None)
        .rows_per_file(1u64);
    let preparation = Preparation::open(&formats(), &[rest], &options, None).unwrap();
    let prepared = preparation.write(&directory.join("distinct"), "", &mut |_| Ok(()));
    let distinct = prepared.unwrap().files;
    for number in 0..ZARR_FILES {
        let from = &distinct[number % DISTINCT];
        for file in anndex_core::registry::hash::files_of(from).unwrap() {
            let to = zarr(directory, number).join(file.strip_prefix(from).unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(file, to).unwrap();
        }
    }
}

fn h5ad(directory: &Path, number: usize) -> PathBuf {
    directory.join(format!("{number}.h5ad"))
}

fn zarr(directory: &Path, number: usize) -> PathBuf {
    directory.join(format!("{number}.zarr"))
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let all_h5ad = (0..H5AD_FILES).map(|number| h5ad(directory, number));
    let all_zarr = (0..ZARR_FILES).map(|number| zarr(directory, number));
    all_h5ad.chain(all_zarr).collect()
}

/// All cells, in an order in which neighbours are in different files.
fn scattered(count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |position| position * 1_009 % count)
}

fn check_samples(mapped: &MappedCollection, step: usize) {
    for cell in scattered(mapped.len() as usize).step_by(step) {
        let sample = mapped.get(cell as u64).unwrap();
        assert_eq!(
            sample.matrix("X").unwrap().as_slice::<f32>().unwrap(),
            row(cell),
            "{cell}"
        );
    }
}

/// What is done with a limit: everything with the lowest.
fn read_all(directory: &Path, is_lowest: bool) {
    let paths = files(directory);
    let mapped =
        MappedCollection::open_paths(&formats(), &paths, &MappedOptions::default()).unwrap();
    assert_eq!(mapped.len() as usize, H5AD_FILES * CELLS + ZARR_FILES);
    check_samples(&mapped, 1);
    if !is_lowest {
        return;
    }
    let cells: Vec<u64> = scattered(mapped.len() as usize)
        .map(|cell| cell as u64)
        .collect();
    let batch = mapped.batch(&cells, BatchFormat::Dense).unwrap();
    let expected: Vec<f32> = cells.iter().flat_map(|&cell| row(cell as usize)).collect();
    let InMemoryMatrix::Dense(found) = &batch.matrices[0].1 else {
        panic!("a batch that is not dense");
    };
    assert_eq!(found.as_slice::<f32>().unwrap(), expected);

    let loader = mapped
        .loader()
        .batch_size(64)
        .shuffle(Shuffle::Exact { seed: 3 });
    let mut sum = 0.0;
    for batch in loader.build().unwrap().epoch().unwrap() {
        sum += batch.unwrap().matrices[0].1.stored().sum_and_nonzero().0;
    }
    let total = |values: &[f32]| values.iter().map(|&value| f64::from(value)).sum::<f64>();
    assert_eq!(sum, total(&expected));

    let open = |path: &PathBuf| BackedAnnData::open(formats().open(path).unwrap()).unwrap();
    // Fewer of them, which are still too many.
    let paths: Vec<PathBuf> = paths.into_iter().skip(H5AD_FILES - 100).collect();
    let first = (H5AD_FILES - 100) * CELLS;
    let expected: Vec<f32> = (first..mapped.len() as usize).flat_map(row).collect();
    let opened: Vec<_> = paths.iter().map(open).collect();
    let whole = concat(&opened, &ConcatOptions::new(Join::Inner)).unwrap();
    let whole = whole.x.unwrap();
    assert_eq!(whole.stored().as_slice::<f32>().unwrap(), expected);

    let out = directory.join(format!("prepared{}", std::process::id()));
    let preparation = Preparation::open(&formats(), &paths, &PrepareOptions::default(), None);
    let prepared = preparation
        .unwrap()
        .write(&out, "", &mut |_| Ok(()))
        .unwrap();
    let again =
        MappedCollection::open_paths(&formats(), &prepared.files, &MappedOptions::default());
    let again = again.unwrap();
    let all: Vec<u64> = (0..again.len()).collect();
    let batch = again.batch(&all, BatchFormat::Dense).unwrap();
    let sum = batch.matrices[0].1.stored().sum_and_nonzero().0;
    assert_eq!(sum, total(&expected));

    // Others take what is left.
    let mut others = Vec::new();
    while let Ok(file) = fs::File::open(&paths[0]) {
        others.push(file);
    }
    assert!(others.len() > 8, "{}", others.len());
    check_samples(&mapped, 8);
    // Nothing at all can be opened any more but by closing what is held open here.
    while let Ok(file) = fs::File::open(&paths[0]) {
        others.push(file);
    }
    check_samples(&mapped, 8);
}

#[test]
fn any_number_of_files_is_read_with_few_descriptors() {
    const TEST: &str = "any_number_of_files_is_read_with_few_descriptors";
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        return read_all(Path::new(&directory), std::env::var_os(LOWEST).is_some());
    }
    let directory = tempfile::tempdir().unwrap();
    write_files(directory.path());
    for limit in [64, 256] {
        let script = format!("ulimit -n {limit}; exec \"$0\" --exact \"$1\" --nocapture");
        let mut command = Command::new("sh");
        command.args(["-c", &script]);
        command.arg(std::env::current_exe().unwrap()).arg(TEST);
        command.env(DIRECTORY, directory.path());
        if limit == 64 {
            command.env(LOWEST, "");
        }
        let status = command.status().unwrap();
        assert!(status.success(), "with {limit} descriptors");
    }
}

#[test]
fn a_file_that_changed_while_it_was_closed_is_an_error() {
    const TEST: &str = "a_file_that_changed_while_it_was_closed_is_an_error";
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        let directory = tempfile::tempdir().unwrap();
        let script = "ulimit -n 64; exec \"$0\" --exact \"$1\" --nocapture";
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command.arg(std::env::current_exe().unwrap()).arg(TEST);
        let status = command.env(DIRECTORY, directory.path()).status().unwrap();
        assert!(status.success());
        return;
    };
    let directory = PathBuf::from(directory);
    let path = |number: usize| h5ad(&directory, number);
    for number in 0..80 {
        write_file(
            &path(number),
            &cells(number % DISTINCT * CELLS, CELLS, true),
            Compression::None,
            64,
        );
    }
    let paths: Vec<_> = (0..80).map(path).collect();
    let options = MappedOptions::default().chunk_cache(0);
    let mapped = MappedCollection::open_paths(&formats(), &paths, &options).unwrap();
    check_samples(&mapped, 1);
    // Others than the first two are read last.
    for cell in 4..mapped.len() {
        mapped.get(cell).unwrap();
    }
    // The same shape and length, other values.
    let new = directory.join("new.h5ad");
    write_file(&new, &cells(5, CELLS, true), Compression::None, 64);
    fs::rename(new, path(0)).unwrap();
    fs::remove_file(path(1)).unwrap();
    for (cell, file) in [(0, 0), (2, 1)] {
        let error = mapped.get(cell).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage, "{error:#}");
        assert!(
            error.message().contains("changed, or was removed"),
            "{error:#}"
        );
        let named = path(file).display().to_string();
        assert_eq!(error.context("path"), Some(named.as_str()));
    }
    assert!(mapped.get(4).is_ok());
}
