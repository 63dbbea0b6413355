//! A prepared collection holds what the collection held, in the promised order, whatever the files
//! were, and whoever was stopped in between.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anndex_core::anndata::{AnnData, BackedAnnData, Column, DataFrame, InMemoryMatrix, Label};
use anndex_core::mapped::{
    BatchColumn, EncodeLabels, Join, MappedCollection, MappedOptions, Preparation, PrepareOptions,
    Shuffle,
};
use anndex_core::store::{Compression, DataType, NumericArray, promote};
use anndex_core::{Error, ErrorKind, Result};
use anndex_tests::concatenation::Concatenation;
use anndex_tests::{formats, generate, write_file};
use proptest::prelude::*;
use tempfile::TempDir;

/// A column that numbers all observations of a collection.
const NUMBER: &str = "number";

#[derive(Debug, Clone)]
struct Case {
    parts: Vec<AnnData>,
    compression: Compression,
    shuffle: Shuffle,
    join: Join,
    dtype: Option<DataType>,
    rows_per_file: u64,
    chunk_elements: u64,
    chunks_per_shard: u64,
}

fn case() -> impl Strategy<Value = Case> {
    let shuffle = prop_oneof![
        Just(Shuffle::None),
        any::<u64>().prop_map(|seed| Shuffle::Exact { seed }),
        (any::<u64>(), 1u64..4, 1u64..9).prop_map(|(seed, rows, window)| Shuffle::Block {
            seed,
            rows,
            window
        }),
    ];
    let join = prop_oneof![Just(Join::Inner), Just(Join::Outer)];
    let dtype = prop_oneof![
        3 => Just(None),
        1 => Just(Some(DataType::Float32)),
        1 => Just(Some(DataType::Float64)),
    ];
    (
        proptest::collection::vec(generate::anndata(), 1..4),
        generate::compression(),
        shuffle,
        join,
        dtype,
        (1u64..8, 1u64..20, 1u64..4),
    )
        .prop_map(
            |(mut parts, compression, shuffle, join, dtype, (rows, elements, chunks))| {
                let mut first = 0;
                for part in &mut parts {
                    let numbers: Vec<i64> = (first..).take(part.obs.len()).collect();
                    first += part.obs.len() as i64;
                    let numbers = NumericArray::from_values([numbers.len()], &numbers);
                    let column = numbers.and_then(Column::numeric).expect("a column");
                    let obs = std::mem::take(&mut part.obs);
                    part.obs = obs.with_column(NUMBER, column).expect("a new column");
                }
                Case {
                    parts,
                    compression,
                    shuffle,
                    join,
                    dtype,
                    rows_per_file: rows,
                    chunk_elements: elements,
                    chunks_per_shard: chunks,
                }
            },
        )
}

impl Case {
    /// Writes the files, in both formats.
    fn write(&self, directory: &Path) -> Vec<PathBuf> {
        let write = |(index, part): (usize, &AnnData)| {
            let suffix = ["h5ad", "zarr"][index % 2];
            let path = directory.join(format!("source{index}.{suffix}"));
            write_file(&path, part, self.compression, 5);
            path
        };
        self.parts.iter().enumerate().map(write).collect()
    }

    fn has_obsm(&self) -> bool {
        self.parts
            .iter()
            .all(|part| part.obsm.contains_key("X_pca"))
    }

    fn options(&self) -> PrepareOptions {
        let mut options = PrepareOptions::default()
            .layers_keys(["X", "counts"])
            .shuffle(self.shuffle)
            .join(self.join)
            .dtype(self.dtype.clone())
            .rows_per_file(self.rows_per_file)
            .chunk_elements(self.chunk_elements)
            .chunks_per_shard(self.chunks_per_shard)
            .threads(2usize);
        if self.has_obsm() {
            options = options.obsm_keys(["X_pca"]);
        }
        options
    }

    /// The stored type of a matrix in all files.
    fn data_type(&self, matrix: impl Fn(&AnnData) -> Option<&InMemoryMatrix>) -> DataType {
        let own = |matrix: &InMemoryMatrix| matrix.data_type().clone();
        if let Some(dtype) = &self.dtype {
            return dtype.clone();
        }
        let types = self.parts.iter().filter_map(matrix).map(own);
        types
            .reduce(|a, b| promote(&a, &b).expect("numbers"))
            .expect("a matrix")
    }
}

/// Everything below a directory.
fn contents(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = anndex_core::registry::hash::files_of(directory).expect("list the files");
    let read = |path: PathBuf| {
        let name = path
            .strip_prefix(directory)
            .expect("inside")
            .to_string_lossy();
        (name.into_owned(), fs::read(&path).expect("read a file"))
    };
    files.into_iter().map(read).collect()
}

fn prepare(paths: &[PathBuf], out: &Path, options: &PrepareOptions) -> Result<Vec<PathBuf>> {
    let preparation = Preparation::open(&formats(), paths, options, None)?;
    Ok(preparation.write(out, "inputs", &mut |_| Ok(()))?.files)
}

/// Opens files as they are.
fn opened(paths: &[PathBuf], options: MappedOptions) -> MappedCollection {
    let options = options.encode_labels(EncodeLabels::None).obs_keys([NUMBER]);
    MappedCollection::open_paths(&formats(), paths, &options).expect("open the collection")
}

/// The numbers of all observations in the order of an epoch.
fn numbers(mapped: &MappedCollection, shuffle: Shuffle) -> Vec<usize> {
    let loader = mapped.loader().batch_size(3).shuffle(shuffle).build();
    let loader = loader.expect("a loader");
    let mut numbers = Vec::new();
    for batch in &loader {
        let batch = batch.expect("a batch");
        let Some(BatchColumn::Values(column)) = batch.obs(NUMBER) else {
            panic!("the column is not encoded");
        };
        numbers.extend(column.labels().map(|label| match label {
            Label::Int(number) => number as usize,
            other => panic!("{other} is not a number"),
        }));
    }
    numbers
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn it_holds_what_the_collection_held(case in case()) {
        let directory = TempDir::new().expect("a temporary directory");
        let paths = case.write(directory.path());
        let truth = Concatenation::new(&case.parts, Some(case.join), &[]);
        let n_obs = truth.rows().len();
        let out = directory.path().join("prepared.zarr");
        let prepared = prepare(&paths, &out, &case.options());
        let variables = truth.variables().expect("a join");
        if n_obs == 0 || variables.is_err() {
            let error = prepared.expect_err("nothing to prepare");
            prop_assert_eq!(error.kind(), ErrorKind::InvalidInput);
            prop_assert!(!out.exists());
            return Ok(());
        }
        let files = prepared.map_err(|e| TestCaseError::fail(format!("{e:#}")))?;
        let n_files = (n_obs as u64).div_ceil(case.rows_per_file);
        prop_assert_eq!(files.len() as u64, n_files);

        // The order is that of a loader with the same seed.
        let mut keys = vec!["X", "counts"];
        let mut options = MappedOptions::default().layers_keys(keys.clone()).join(None);
        if case.has_obsm() {
            options = options.obsm_keys(["X_pca"]);
            keys.push("obsm_X_pca");
        }
        let result = opened(&files, options);
        let order = numbers(&result, Shuffle::None);
        let source = opened(&paths, MappedOptions::default().join(case.join));
        prop_assert_eq!(&order, &numbers(&source, case.shuffle));
        prop_assert_eq!(order.iter().copied().collect::<BTreeSet<_>>().len(), n_obs);

        // Variables, matrices and their types.
        for names in result.var_list().expect("variables") {
            let names: Vec<String> = names.iter().map(str::to_owned).collect();
            prop_assert_eq!(Ok(&names), variables.as_ref());
        }
        for (position, &number) in order.iter().enumerate() {
            let sample = result.get(position as u64).expect("a sample");
            for key in &keys {
                let row = sample.matrix(key).expect("a row");
                let mut data_type = case.data_type(|part| match *key {
                    "X" => part.x.as_ref(),
                    "counts" => part.layers.get("counts"),
                    _ => part.obsm.get("X_pca").and_then(|pca| pca.matrix()),
                });
                if *key != "obsm_X_pca" && data_type == DataType::Float16 {
                    data_type = DataType::Float32;
                }
                prop_assert_eq!(row.data_type(), &data_type);
                let values: Vec<f64> = (0..row.len()).filter_map(|at| row.get_f64(at)).collect();
                let (_, expected) = truth.row(number, key, Some(&data_type)).expect("the row");
                prop_assert_eq!(values, expected, "{} of {}", key, number);
            }
        }

        // All columns of obs, and the names.
        let columns: BTreeSet<&str> = case
            .parts
            .iter()
            .flat_map(|part| part.obs.columns().map(|(name, _)| name))
            .collect();
        let mut position = 0;
        for file in &files {
            let store = formats().open(file).expect("open a file");
            let data = BackedAnnData::open(store).expect("an AnnData");
            let obs = data.obs().read().expect("read obs");
            let names: BTreeSet<&str> = obs.columns().map(|(name, _)| name).collect();
            prop_assert_eq!(&names, &columns);
            for row in 0..obs.len() {
                let number = order[position + row];
                let (part, at) = truth.rows()[number];
                prop_assert_eq!(obs.index().get(row), case.parts[part].obs.index().get(at));
                for &name in &columns {
                    let label = obs.column(name).expect("a column").label(row);
                    let expected = truth.label(number, name).unwrap_or(Label::Missing);
                    prop_assert_eq!(&label, &expected, "{} of {}", name, number);
                }
            }
            if let Some(column) = obs.column("cell_type") {
                let Column::Categorical(categorical) = column else {
                    panic!("cell types are categorical");
                };
                let categories = categorical.categories();
                let mut labels: Vec<Label> =
                    (0..categories.len()).map(|at| categories.label(at)).collect();
                Label::sort(&mut labels).expect("text");
                prop_assert_eq!(labels, truth.categories("cell_type"));
            }
            position += obs.len();
        }
    }

    #[test]
    fn stopped_and_continued_it_is_the_same(case in case(), stop in 0usize..12) {
        let directory = TempDir::new().expect("a temporary directory");
        let paths = case.write(directory.path());
        let (whole, parts) = (directory.path().join("whole"), directory.path().join("parts"));
        let options = case.options();
        let Ok(preparation) = Preparation::open(&formats(), &paths, &options, None) else {
            return Ok(());
        };
        preparation.write(&whole, "inputs", &mut |_| Ok(())).expect("prepare at once");

        let mut calls = 0;
        let stopped = preparation.write(&parts, "inputs", &mut |_| {
            calls += 1;
            match calls > stop {
                true => Err(Error::new(ErrorKind::Cancelled, "stopped")),
                false => Ok(()),
            }
        });
        if let Err(error) = stopped {
            prop_assert_eq!(error.kind(), ErrorKind::Cancelled);
            prop_assert!(contents(&parts) != contents(&whole));
        }
        // Neither memory nor threads have a part in it.
        let other = options.clone().memory(1u64).threads(1usize);
        let again = Preparation::open(&formats(), &paths, &other, None).expect("open again");
        let mut last = None;
        again
            .write(&parts, "inputs", &mut |progress| {
                last = Some(progress);
                Ok(())
            })
            .expect("continue");
        let last = last.expect("progress");
        prop_assert_eq!(last.done, last.total);
        prop_assert_eq!(last.total, again.n_obs());
        prop_assert_eq!(contents(&parts), contents(&whole));

        // Nothing is left to do, and what was taken away is made again.
        let before = contents(&whole);
        let done = again.write(&whole, "inputs", &mut |_| Ok(())).expect("find it complete");
        prop_assert_eq!(done.n_found, done.files.len() as u64);
        let lost = &done.files[stop % done.files.len()];
        fs::remove_dir_all(lost).expect("remove a file");
        let made = again.write(&whole, "inputs", &mut |_| Ok(())).expect("make it again");
        prop_assert_eq!(made.n_found, done.n_found - 1);
        prop_assert_eq!(contents(&whole), before);
    }
}

/// SciPy has no sparse matrices of float16, and wants one type for columns and row pointers.
#[test]
fn sparse_matrices_are_such_as_scipy_has() {
    let directory = TempDir::new().expect("a temporary directory");
    let halves = [0.0, 1.5, 2.0, 0.25].map(|value: f32| half::f16::from_f32(value));
    let x = NumericArray::from_values([2, 2], &halves).expect("a matrix");
    let names = |names: [&str; 2]| DataFrame::new(names.iter().collect());
    let mut data = AnnData {
        x: Some(InMemoryMatrix::Dense(x.clone())),
        obs: names(["a", "b"]),
        var: names(["g", "h"]),
        ..AnnData::default()
    };
    data.obsm
        .insert("X_pca".to_owned(), InMemoryMatrix::Dense(x).into());
    let path = directory.path().join("halves.h5ad");
    write_file(&path, &data, Compression::None, 5);

    let options = PrepareOptions::default()
        .obsm_keys(["X_pca"])
        .shuffle(Shuffle::None);
    let preparation = Preparation::open(&formats(), std::slice::from_ref(&path), &options, None);
    let preparation = preparation.expect("open");
    let notices = ["`X` is float16, which sparse matrices can't be; written as float32"];
    assert_eq!(preparation.notices(), notices);
    let out = directory.path().join("prepared.zarr");
    let files = preparation
        .write(&out, "", &mut |_| Ok(()))
        .expect("prepare")
        .files;
    let store = formats().open(&files[0]).expect("open");
    let data_type = |path| {
        store
            .array(path)
            .expect("an array")
            .info()
            .data_type
            .clone()
    };
    assert_eq!(data_type("X/data"), DataType::Float32);
    assert_eq!(data_type("X/indices"), DataType::Int32);
    assert_eq!(data_type("X/indptr"), DataType::Int32);
    assert_eq!(data_type("obsm/X_pca"), DataType::Float16);
    let mapped = MappedCollection::open_paths(&formats(), &files, &MappedOptions::default());
    let mapped = mapped.expect("open");
    let row = mapped.get(0).expect("a sample");
    assert_eq!(
        row.matrix("X").and_then(|row| row.as_slice::<f32>()),
        Some(&[0.0, 1.5][..])
    );

    let asked = options.dtype(Some(DataType::Float16));
    let error = Preparation::open(&formats(), &[path], &asked, None).expect_err("float16");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.message().contains("choose float32"), "{error}");
}
