//! A whole AnnData: every fixture is read into memory, and what is written of it, as HDF5 and as
//! Zarr, is read as the same.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeMap;
use std::path::Path;

use anndex_core::anndata::{
    AnnData, BackedAnnData, ConcatOptions, CscMatrix, CsrMatrix, DataFrame, InMemoryMatrix, Join,
    Unstructured, WriteOptions, concat, write,
};
use anndex_core::store::{Compression, DataType, NumericArray};
use anndex_tests::{formats, small_files, write_file};

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

/// SciPy has no sparse matrices of float16, and wants one type for columns and row pointers.
#[test]
fn sparse_matrices_are_such_as_scipy_has() {
    let directory = tempfile::tempdir().unwrap();
    let half = NumericArray::from_values([1], &[half::f16::from_f32(1.5)]).unwrap();
    let csr = CsrMatrix::new(2, half, vec![1], vec![0, 1, 1]).unwrap();
    let names = |names: [&str; 2]| DataFrame::new(names.iter().collect());
    let csc = InMemoryMatrix::Csc(CscMatrix::from_transposed(csr.clone()));
    let mut data = AnnData {
        x: Some(InMemoryMatrix::Csr(csr.clone())),
        obs: names(["a", "b"]),
        var: names(["g", "h"]),
        ..AnnData::default()
    };
    data.layers.insert("csc".to_owned(), csc.clone());
    data.obsm
        .insert("csr".to_owned(), InMemoryMatrix::Csr(csr).into());
    data.uns.insert("csc".to_owned(), Unstructured::Matrix(csc));
    for suffix in ["h5ad", "zarr"] {
        let path = directory.path().join("halves").with_extension(suffix);
        write_file(&path, &data, Compression::Gzip(1), 5);
        let store = formats().open(&path).unwrap();
        for matrix in ["X", "layers/csc", "obsm/csr", "uns/csc"] {
            let types = ["data", "indices", "indptr"].map(|part| {
                let array = store.array(&format!("{matrix}/{part}")).unwrap();
                array.info().data_type.clone()
            });
            let expected = [DataType::Float32, DataType::Int32, DataType::Int32];
            assert_eq!(types, expected, "{matrix} of {suffix}");
        }
        let InMemoryMatrix::Csr(x) = read(&path).x.unwrap() else {
            panic!("it is a csr_matrix");
        };
        assert_eq!(x.data().as_slice::<f32>(), Some(&[1.5][..]));
    }
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
