//! One table in memory, and which format a suffix means.

use std::path::Path;

use anndex_store::operation::carried;
use anndex_store::{Error, Limits, Result};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use rayon::prelude::*;

use crate::{csv, error, ipc, parquet};

/// The suffixes of tables, lowercase with the dot.
pub const SUFFIXES: [&str; 5] = [".parquet", ".csv", ".tsv", ".ipc", ".feather"];

/// Arrow data: batches of rows of one schema, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl Table {
    /// A table of batches that have this schema.
    ///
    /// # Errors
    /// `InvalidInput` if the columns of a batch have other names or types.
    pub fn new(schema: SchemaRef, batches: Vec<RecordBatch>) -> Result<Self> {
        let same = |batch: &RecordBatch| {
            let (own, other) = (schema.fields().iter(), batch.schema_ref().fields().iter());
            own.len() == other.len()
                && own
                    .zip(other)
                    .all(|(a, b)| a.name() == b.name() && a.data_type() == b.data_type())
        };
        if !batches.iter().all(same) {
            return Err(Error::invalid_input(
                "the batches do not have the columns of the table",
            ));
        }
        Ok(Self { schema, batches })
    }

    /// Names and types of the columns, and what else was stored with them.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The rows.
    pub fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }

    /// The rows, without a copy.
    pub fn into_batches(self) -> Vec<RecordBatch> {
        self.batches
    }

    /// The number of rows.
    pub fn n_rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// All rows in one batch, for which those of several are copied.
    ///
    /// # Errors
    /// `InvalidInput` if they do not fit into one.
    pub fn into_batch(self) -> Result<RecordBatch> {
        match <[RecordBatch; 1]>::try_from(self.batches) {
            Ok([only]) => Ok(only),
            Err(batches) => arrow_select::concat::concat_batches(&self.schema, &batches)
                .map_err(|source| Error::invalid_input("too many rows").source_error(source)),
        }
    }
}

/// Reads several tables, on rayon's threads.
///
/// # Errors
/// As [`read`], for one of those that can't be read.
pub fn read_all<P: AsRef<Path> + Sync>(paths: &[P]) -> Result<Vec<Table>> {
    let read = carried(|path: &P| read(path.as_ref()));
    paths.par_iter().map(read).collect()
}

/// Whether a path has the suffix of a table, in any case.
pub fn is_table(path: &Path) -> bool {
    suffix(path).is_some()
}

fn suffix(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    SUFFIXES.into_iter().find(|suffix| name.ends_with(suffix))
}

/// What a suffix means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Parquet,
    /// Text with this delimiter.
    Text(u8),
    /// Arrow's own file format.
    Ipc,
}

pub(crate) fn format(path: &Path) -> Result<Format> {
    match suffix(path) {
        Some(".parquet") => Ok(Format::Parquet),
        Some(".csv") => Ok(Format::Text(b',')),
        Some(".tsv") => Ok(Format::Text(b'\t')),
        Some(_) => Ok(Format::Ipc),
        None => Err(Error::unsupported(format!(
            "not a table that can be read: those are {}",
            SUFFIXES.join(", ")
        ))),
    }
}

/// Reads a table by its suffix: `.parquet`; `.csv` and `.tsv`, whose types are those that fit all
/// values; `.ipc` and `.feather`, which are Arrow's file format.
///
/// # Errors
/// `Unsupported` for another suffix, or a codec or type that can't be decoded; `Corrupt` if the
/// content is damaged; `NotFound`, `PermissionDenied` or `Storage` if it can't be read.
pub fn read(path: &Path) -> Result<Table> {
    read_within(path, &Limits::DEFAULT)
}

/// As [`read`], with limits of one's own.
///
/// # Errors
/// As [`read`].
pub fn read_within(path: &Path, limits: &Limits) -> Result<Table> {
    let read = error::decoding(|| match format(path)? {
        Format::Parquet => parquet::read(path),
        Format::Text(delimiter) => csv::read(path, delimiter),
        Format::Ipc => ipc::read(path, limits),
    });
    read.map_err(|error| error.operation("read table").with("path", path.display()))
}
