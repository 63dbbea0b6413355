//! A whole AnnData: every fixture is read into memory, and what is written of it, as HDF5 and as
//! Zarr, is read as the same.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeMap;
use std::path::Path;

use anndex_core::anndata::{
    AnnData, BackedAnnData, ConcatOptions, InMemoryMatrix, Join, Unstructured, WriteOptions,
    concat, write,
};
use anndex_core::store::Compression;
use anndex_tests::{formats, small_files};

fn read(path: &Path) -> AnnData {
    let shown = path.display();
    let opened = formats().open(path).and_then(BackedAnnData::open);
    let opened = opened.unwrap_or_else(|error| panic!("{shown}: {error:#}"));
    opened
        .read()
        .unwrap_or_else(|error| panic!("{shown}: {error:#}"))
}

/// Without what can't be written: records, wherever they are.
fn writable(values: BTreeMap<String, Unstructured>) -> BTreeMap<String, Unstructured> {
    let kept = values.into_iter().filter_map(|(name, value)| match value {
        Unstructured::Records { .. } => None,
        Unstructured::Dict(inner) => Some((name, Unstructured::Dict(writable(inner)))),
        other => Some((name, other)),
    });
    kept.collect()
}

#[test]
fn what_is_read_is_written_and_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut sparse = 0;
    for (number, file) in small_files().iter().enumerate() {
        let mut data = read(file);
        sparse += usize::from(matches!(
            data.x,
            Some(InMemoryMatrix::Csr(_) | InMemoryMatrix::Csc(_))
        ));
        data.uns = writable(data.uns);
        for suffix in ["h5ad", "zarr"] {
            let copy = directory.path().join(format!("{number}.{suffix}"));
            let options = WriteOptions {
                compression: Compression::Zstd(1),
                ..WriteOptions::default()
            };
            let mut writer = formats().create(&copy).unwrap();
            write(writer.as_mut(), &data, &options)
                .unwrap_or_else(|error| panic!("{}: {error:#}", file.display()));
            writer.finish().unwrap();
            assert!(read(&copy) == data, "{} as {suffix}", file.display());
        }
    }
    assert!(sparse > 5, "only {sparse} fixtures are sparse");
}

/// What is concatenated from files is what is concatenated from their copies in another format.
#[test]
fn formats_are_concatenated_alike() {
    let directory = tempfile::tempdir().unwrap();
    let files = small_files();
    let mut copies = Vec::new();
    for (number, file) in files.iter().take(4).enumerate() {
        let mut data = read(file);
        data.uns.clear();
        let copy = directory.path().join(format!("{number}.zarr"));
        let mut writer = formats().create(&copy).unwrap();
        write(writer.as_mut(), &data, &WriteOptions::default()).unwrap();
        writer.finish().unwrap();
        copies.push(copy);
    }
    let open = |paths: &[std::path::PathBuf]| {
        let opened = paths
            .iter()
            .map(|path| BackedAnnData::open(formats().open(path).unwrap()));
        opened.collect::<anndex_core::Result<Vec<_>>>().unwrap()
    };
    for join in [Join::Inner, Join::Outer] {
        let options = ConcatOptions::new(join).label("from");
        let ours = concat(&open(&files[..4]), &options);
        let theirs = concat(&open(&copies), &options);
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => assert!(format!("{ours:?}") == format!("{theirs:?}")),
            (Err(ours), Err(theirs)) => assert_eq!(ours.message(), theirs.message()),
            (ours, theirs) => panic!("{:?} and {:?}", ours.err(), theirs.err()),
        }
    }
}
