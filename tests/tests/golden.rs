//! Every fixture, and every real file, holds what Python anndata reads from it: matrices, every
//! column of obs, the names. The goldens' format is described in `fixtures/README.md`.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::path::Path;

use anndex_core::anndata::{
    BackedAnnData, BackedDataFrame, Column, Element, InMemoryMatrix, Label, Matrix, MatrixKey,
};
use anndex_core::mapped::{BatchFormat, MappedCollection, MappedOptions};
use anndex_core::store::{DataType, NumericArray};
use anndex_tests::{fixtures, formats, real_files, small_files};
use md5::{Digest, Md5};
use serde_json::Value;

fn golden(directory: &Path, file: &Path) -> Value {
    let name = file.file_name().unwrap().to_string_lossy();
    let path = directory.join(format!("{name}.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; make it with `cargo xtask fixtures`",
            path.display()
        )
    });
    let golden: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(golden["format"], 1, "{}", path.display());
    golden
}

#[test]
fn small_files_hold_what_python_reads() {
    let files = small_files();
    assert!(files.len() > 40, "only {} fixtures are there", files.len());
    for file in files {
        check(&file, &golden(&fixtures().join("golden"), &file));
    }
}

#[test]
fn real_files_hold_what_python_reads() {
    for file in real_files().unwrap_or_default() {
        check(&file, &golden(&fixtures().join("real"), &file));
    }
}

#[test]
fn damaged_files_are_refused_where_they_are_damaged() {
    let directory = fixtures().join("damaged");
    let text = fs::read_to_string(directory.join("expected.json")).unwrap();
    let expected: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(expected.len() > 10);
    for case in expected {
        let path = directory.join(case["file"].as_str().unwrap());
        let error = read_all(&path).expect_err(case["why"].as_str().unwrap());
        assert_eq!(error.kind().as_str(), case["kind"], "{error:?}");
        let node = error
            .context("node")
            .unwrap_or_else(|| panic!("no node in {error}"));
        let fault = format!(
            "/{}",
            case["node"].as_str().unwrap().trim_start_matches('/')
        );
        assert!(
            node.starts_with(&fault) || fault.starts_with(node),
            "{fault} in {error}"
        );
        assert_eq!(
            error.context("path"),
            Some(path.to_str().unwrap()),
            "{error}"
        );
    }
}

/// Reads all matrices and columns of a file.
fn read_all(path: &Path) -> anndex_core::Result<()> {
    let cache = tempfile::tempdir().unwrap();
    let data = BackedAnnData::open(formats().open(path)?)?;
    data.obs().read()?;
    let options = MappedOptions::default()
        .layers_keys([vec!["X".to_owned()], data.layers_keys()?].concat())
        .cache_dir(cache.path());
    let mapped = MappedCollection::open_paths(&formats(), &[path], &options)?;
    let all: Vec<u64> = (0..mapped.n_obs()).collect();
    mapped.batch(&all, BatchFormat::Dense)?;
    Ok(())
}

fn check(path: &Path, golden: &Value) {
    let shown = path.display();
    let data = BackedAnnData::open(formats().open(path).unwrap())
        .unwrap_or_else(|error| panic!("{shown}: {error:#}"));
    assert_eq!(
        golden["shape"],
        serde_json::json!([data.n_obs(), data.n_vars()]),
        "{shown}"
    );
    check_names(data.obs(), &golden["obs_names"]);
    check_names(data.var(), &golden["var_names"]);
    check_frame(data.obs(), &golden["obs"]);
    check_matrix(path, &data, &MatrixKey::X, &golden["X"]);
    let layers = golden["layers"].as_object().unwrap();
    assert_eq!(
        data.layers_keys().unwrap(),
        layers.keys().cloned().collect::<Vec<_>>(),
        "{shown}"
    );
    for (name, golden) in layers {
        check_matrix(path, &data, &MatrixKey::Layer(name.clone()), golden);
    }
    check_matrix(path, &data, &MatrixKey::RawX, &golden["raw"]["X"]);
    if golden["raw"].is_object() {
        check_names(
            &data.raw_var().unwrap().unwrap(),
            &golden["raw"]["var_names"],
        );
    }
    let obsm = golden["obsm"].as_object().unwrap();
    assert_eq!(
        data.obsm_keys().unwrap(),
        obsm.keys().cloned().collect::<Vec<_>>(),
        "{shown}"
    );
    for (name, golden) in obsm {
        check_matrix(path, &data, &MatrixKey::Obsm(name.clone()), golden);
    }
}

fn check_names(frame: &BackedDataFrame, golden: &Value) {
    let names: Vec<String> = frame.index().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(serde_json::json!(names), *golden, "{frame:?}");
}

fn check_frame(frame: &BackedDataFrame, golden: &Value) {
    let golden = golden.as_array().unwrap();
    let names: Vec<&str> = golden
        .iter()
        .map(|column| column["name"].as_str().unwrap())
        .collect();
    assert_eq!(frame.columns(), names);
    for expected in golden {
        let name = expected["name"].as_str().unwrap();
        let column = frame
            .read_column(name)
            .unwrap_or_else(|error| panic!("{frame:?} {name}: {error:#}"));
        let values = |labels: &mut dyn Iterator<Item = Label>| -> Vec<Value> {
            labels.map(|label| json(&label)).collect()
        };
        match &column {
            Column::Categorical(categorical) => {
                assert_eq!(expected["kind"], "categorical", "{name}");
                assert_eq!(expected["ordered"], categorical.ordered(), "{name}");
                assert_eq!(
                    expected["codes"],
                    serde_json::json!(categorical.codes()),
                    "{name}"
                );
                let categories = categorical.categories();
                let labels = values(&mut (0..categories.len()).map(|row| categories.label(row)));
                assert_eq!(expected["categories"], Value::from(labels), "{name}");
            }
            Column::Values { .. } => {
                assert_ne!(expected["kind"], "categorical", "{name}");
                assert_eq!(
                    expected["values"],
                    Value::from(values(&mut column.labels())),
                    "{name}"
                );
                if expected["kind"] == "number" {
                    let data_type = frame.column(name).unwrap().data_type().to_string();
                    assert_eq!(expected["dtype"], data_type, "{name}");
                }
            }
        }
    }
}

fn json(label: &Label) -> Value {
    match label {
        Label::Float(value) if value.is_infinite() => Value::from(label.to_string()),
        other => serde_json::to_value(other).unwrap(),
    }
}

fn check_matrix(path: &Path, data: &BackedAnnData, key: &MatrixKey, golden: &Value) {
    let shown = format!("{} {key}", path.display());
    let matrix = match data
        .element(key)
        .unwrap_or_else(|error| panic!("{shown}: {error:#}"))
    {
        None => {
            assert!(golden.is_null(), "{shown} is missing");
            return;
        }
        Some(Element::DataFrame(frame)) => {
            assert_eq!(golden["kind"], "dataframe", "{shown}");
            check_frame(&frame, &golden["columns"]);
            return;
        }
        Some(Element::Matrix(matrix)) => matrix,
    };
    assert!(
        !golden.is_null(),
        "{shown} is there, but Python reads nothing"
    );
    assert_eq!(golden["kind"], matrix.encoding(), "{shown}");
    assert_eq!(golden["dtype"], matrix.data_type().to_string(), "{shown}");
    let values = read_dense(path, data, key, &matrix);
    assert_eq!(
        golden["shape"],
        serde_json::json!(values.shape()),
        "{shown}"
    );
    let wide = values.cast(&DataType::Float64).unwrap();
    let wide = wide.as_slice::<f64>().unwrap();
    assert_eq!(
        golden["nonzero"],
        wide.iter().filter(|value| **value != 0.0).count(),
        "{shown}"
    );
    assert_eq!(golden["md5"], digest(wide), "{shown}");
    let numbers = || wide.iter().filter(|value| !value.is_nan());
    let sum: f64 = numbers().sum();
    let expected = golden["sum"].as_f64().unwrap();
    // The golden is correctly rounded; adding one by one errs by what all sizes together round.
    let sizes: f64 = numbers().map(|value| value.abs()).sum();
    let error = sizes * f64::EPSILON * wide.len() as f64;
    assert!(
        (sum - expected).abs() <= error,
        "{shown}: {sum} instead of {expected}"
    );
}

/// All rows through the mapped engine.
fn read_dense(path: &Path, data: &BackedAnnData, key: &MatrixKey, matrix: &Matrix) -> NumericArray {
    let cache = tempfile::tempdir().unwrap();
    let options = MappedOptions::default().join(None).cache_dir(cache.path());
    let options = match key {
        MatrixKey::Obsm(name) => options.layers_keys([""; 0]).obsm_keys([name]),
        layer => options.layers_keys([layer.to_string()]),
    };
    let mapped = MappedCollection::open(vec![data.store().clone()], &options)
        .unwrap_or_else(|error| panic!("{} {key}: {error:#}", path.display()));
    let all: Vec<u64> = (0..data.n_obs()).collect();
    let batch = mapped
        .batch(&all, BatchFormat::Dense)
        .unwrap_or_else(|error| panic!("{} {key}: {error:#}", path.display()));
    let Some(InMemoryMatrix::Dense(values)) = batch.matrix(&key.to_string()) else {
        panic!("{matrix:?} was not read as dense")
    };
    values.clone()
}

fn digest(values: &[f64]) -> String {
    let mut hash = Md5::new();
    for &value in values {
        let canonical = match value {
            value if value.is_nan() => f64::from_bits(0x7ff8_0000_0000_0000),
            0.0 => 0.0,
            value => value,
        };
        hash.update(canonical.to_le_bytes());
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
