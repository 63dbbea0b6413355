//! Calling the command in a temporary directory, and files for it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anndex::anndata::{
    AnnData, Categorical, Column, CsrMatrix, DataFrame, InMemoryMatrix, Values, WriteOptions, write,
};
use anndex::store::NumericArray;
use serde_json::Value;
use tempfile::TempDir;

/// A temporary directory in which the command is called.
pub(crate) struct Workplace(TempDir);

impl Workplace {
    /// An empty directory.
    pub(crate) fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A directory that is an instance.
    pub(crate) fn new() -> Self {
        let workplace = Self::empty();
        workplace.ok(&["init"]);
        workplace
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Calls the command, without a terminal.
    pub(crate) fn call(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_anndex"))
            .args(arguments)
            .current_dir(self.0.path())
            .env_remove("ANNDEX_DB")
            .env("ANNDEX_USER", "ada")
            .output()
            .unwrap()
    }

    /// Calls it, and gives its output.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.call(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Calls it with `--json`, and gives the document.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// Calls it with `--json`, and gives the exit code and the error.
    pub(crate) fn fails(&self, arguments: &[&str]) -> (i32, Value) {
        let output = self.call(&[arguments, &["--json"]].concat());
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let mut document: Value = serde_json::from_str(&errors).expect(&errors);
        (output.status.code().unwrap(), document["error"].take())
    }

    /// Registers files and gives their uids.
    pub(crate) fn add(&self, files: &[&str]) -> Vec<String> {
        let records = self.json(&[&["artifact", "add"], files].concat());
        let records = records.as_array().unwrap();
        records
            .iter()
            .map(|r| r["uid"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Writes three files that differ in genes, types and format, and registers them. Only the
    /// first two have cell types.
    pub(crate) fn add_files(&self) -> Vec<String> {
        write_anndata(
            &self.path("a.h5ad"),
            &["g1", "g2", "g3"],
            dense(&[1., 0., 2., 0., 3., 0.]),
            Some(&["T", "B"]),
        );
        write_anndata(
            &self.path("b.zarr"),
            &["g3", "g4", "g1"],
            sparse(),
            Some(&["NK", "T"]),
        );
        write_anndata(
            &self.path("c.h5ad"),
            &["g5", "g1", "g3"],
            dense(&[0.5; 6]),
            None,
        );
        self.add(&["a.h5ad", "b.zarr", "c.h5ad"])
    }
}

/// Two cells and three genes.
pub(crate) fn dense(values: &[f32]) -> InMemoryMatrix {
    InMemoryMatrix::Dense(NumericArray::from_values([2, 3], values).unwrap())
}

/// [[4, 0, 0], [0, -1.5, 7]]
pub(crate) fn sparse() -> InMemoryMatrix {
    let data = NumericArray::from_values([3], &[4.0f64, -1.5, 7.0]).unwrap();
    let csr = CsrMatrix::new(3, data, vec![0, 1, 2], vec![0, 1, 3]).unwrap();
    InMemoryMatrix::Csr(csr)
}

pub(crate) fn write_anndata(
    path: &Path,
    genes: &[&str],
    x: InMemoryMatrix,
    cell_types: Option<&[&str; 2]>,
) {
    let mut obs = DataFrame::new(["c1", "c2"].iter().collect());
    if let Some(types) = cell_types {
        let mut sorted = *types;
        sorted.sort_unstable();
        let code = |label| i32::from(sorted[0] != label);
        let codes = types.map(code).to_vec();
        let categories = Values::Strings(sorted.iter().collect());
        let column = Categorical::new(codes, categories, false).unwrap();
        obs = obs
            .with_column("cell_type", Column::Categorical(column))
            .unwrap();
    }
    write_parts(path, genes, Some(x), obs);
}

/// As many cells as the matrix has rows, without columns.
pub(crate) fn write_cells(path: &Path, genes: &[&str], x: InMemoryMatrix) {
    let names = (0..x.shape()[0]).map(|number| format!("cell {number}"));
    let obs = DataFrame::new(names.collect());
    write_parts(path, genes, Some(x), obs);
}

/// Two cells.
pub(crate) fn write_without_matrix(path: &Path, genes: &[&str]) {
    let obs = DataFrame::new(["c1", "c2"].iter().collect());
    write_parts(path, genes, None, obs);
}

fn write_parts(path: &Path, genes: &[&str], x: Option<InMemoryMatrix>, obs: DataFrame) {
    let data = AnnData {
        x,
        obs,
        var: DataFrame::new(genes.iter().collect()),
        ..AnnData::default()
    };
    let mut writer = anndex::formats().create(path).unwrap();
    write(writer.as_mut(), &data, &WriteOptions::default()).unwrap();
    writer.finish().unwrap();
}
