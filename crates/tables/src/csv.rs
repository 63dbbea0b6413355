//! Text tables, with the types and missing values that `pandas.read_csv` finds in them.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use anndex_core::storage::LocalFile;
use anndex_core::{Error, Result};
use arrow_csv::ReaderBuilder;
use arrow_csv::reader::Format;
use arrow_schema::{DataType, Field, Schema};
use regex::Regex;

use crate::Table;
use crate::error::arrow;

/// The texts that pandas takes for missing values.
const MISSING: &str = r"^(|-1\.#IND|1\.#QNAN|1\.#IND|-1\.#QNAN|#N/A N/A|#N/A|N/A|n/a|NA|<NA>|#NA|NULL|null|NaN|-NaN|nan|-nan|None)$";

/// Rows that are parsed at once.
const BATCH_ROWS: usize = 1 << 16;

pub(crate) fn read(path: &Path, delimiter: u8) -> Result<Table> {
    // Refuses what is no file.
    LocalFile::open(path)?;
    let open = || {
        let file = File::open(path).map_err(|error| Error::io(path.display(), error))?;
        without_mark(BufReader::new(file)).map_err(|error| Error::io(path.display(), error))
    };
    let missing = Regex::new(MISSING)
        .map_err(|source| Error::corrupt("the pattern of missing values").source_error(source))?;
    let format = Format::default()
        .with_header(true)
        .with_delimiter(delimiter)
        .with_null_regex(missing.clone());
    let (inferred, rows) = format.infer_schema(open()?, None).map_err(arrow)?;
    let mut names = std::collections::HashSet::new();
    if let Some(twice) = inferred
        .fields()
        .iter()
        .find(|field| !names.insert(field.name()))
    {
        return Err(
            Error::invalid_input("the table has two columns of one name; rename one")
                .with("column", twice.name()),
        );
    }
    let fields = inferred.fields().iter().map(|field| {
        let data_type = match rows {
            // Without rows there is nothing that a type could fit.
            0 => DataType::Null,
            _ => data_type(field.data_type()),
        };
        Field::new(field.name(), data_type, true)
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let reader = ReaderBuilder::new(schema.clone())
        .with_format(format)
        .with_batch_size(BATCH_ROWS)
        .with_null_regex(missing)
        .build(open()?)
        .map_err(arrow)?;
    let batches = reader
        .collect::<std::result::Result<_, _>>()
        .map_err(arrow)?;
    Table::new(schema, batches)
}

/// The type that pandas gives a column: dates stay text, and a column without any value is float.
fn data_type(inferred: &DataType) -> DataType {
    match inferred {
        DataType::Boolean | DataType::Int64 | DataType::Float64 => inferred.clone(),
        DataType::Null => DataType::Float64,
        _ => DataType::Utf8,
    }
}

/// Leaves out the mark that some programs put before UTF-8.
fn without_mark<R: Read>(mut reader: R) -> std::io::Result<impl Read> {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    let mut first = Vec::new();
    (&mut reader)
        .take(MARK.len() as u64)
        .read_to_end(&mut first)?;
    if first == MARK {
        first.clear();
    }
    Ok(std::io::Cursor::new(first).chain(reader))
}
