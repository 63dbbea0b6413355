//! Text tables, with the types and missing values that `pandas.read_csv` finds in them.
//!
//! All cells are cut out as text first, then each column becomes of the first type that fits all its
//! values: reading twice to learn the types would take longer, and a type guessed from the first rows
//! may be wrong.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use anndex_core::storage::LocalFile;
use anndex_core::{Error, Result};
use arrow_array::builder::{BooleanBuilder, PrimitiveBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float64Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_csv::ReaderBuilder;
use arrow_csv::reader::Format;
use arrow_schema::{DataType, Field, Schema};
use rayon::prelude::*;

use crate::Table;
use crate::error::arrow;

/// Whether pandas takes a text for a missing value.
fn is_missing(text: &str) -> bool {
    matches!(
        text,
        "" | "-1.#IND"
            | "1.#QNAN"
            | "1.#IND"
            | "-1.#QNAN"
            | "#N/A N/A"
            | "#N/A"
            | "N/A"
            | "n/a"
            | "NA"
            | "<NA>"
            | "#NA"
            | "NULL"
            | "null"
            | "NaN"
            | "-NaN"
            | "nan"
            | "-nan"
            | "None"
    )
}

/// Rows that are parsed at once.
const BATCH_ROWS: usize = 1 << 16;

pub(crate) fn read(path: &Path, delimiter: u8) -> Result<Table> {
    // Refuses what is no file.
    LocalFile::open(path)?;
    let open = || {
        let file = File::open(path).map_err(|error| Error::io(path.display(), error))?;
        without_mark(BufReader::new(file)).map_err(|error| Error::io(path.display(), error))
    };
    let format = Format::default()
        .with_header(true)
        .with_delimiter(delimiter);
    let (header, _) = format.infer_schema(open()?, Some(0)).map_err(arrow)?;
    let names: Vec<String> = header
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    let mut seen = std::collections::HashSet::new();
    if let Some(twice) = names.iter().find(|name| !seen.insert(*name)) {
        return Err(
            Error::invalid_input("the table has two columns of one name; rename one")
                .with("column", twice),
        );
    }
    let text = |name: &String| Field::new(name, DataType::Utf8, true);
    let texts = Arc::new(Schema::new(names.iter().map(text).collect::<Vec<_>>()));
    let reader = ReaderBuilder::new(texts)
        .with_format(format)
        .with_batch_size(BATCH_ROWS)
        .build(open()?)
        .map_err(arrow)?;
    let batches: Vec<RecordBatch> = reader
        .collect::<std::result::Result<_, _>>()
        .map_err(arrow)?;
    let typed = (0..names.len()).into_par_iter().map(|column| {
        let parts = batches
            .iter()
            .map(|batch| batch.column(column).as_string::<i32>());
        typed(&parts.collect::<Vec<_>>())
    });
    let typed: Vec<(DataType, Vec<ArrayRef>)> = typed.collect();
    let fields = names.iter().zip(&typed);
    let fields = fields.map(|(name, (data_type, _))| Field::new(name, data_type.clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let batches = (0..batches.len()).map(|number| {
        let columns = typed.iter().map(|(_, parts)| parts[number].clone());
        RecordBatch::try_new(schema.clone(), columns.collect()).map_err(arrow)
    });
    let batches = batches.collect::<Result<_>>()?;
    Table::new(schema, batches)
}

/// A column with the type that fits all its values. Dates stay text, and a column without any value
/// is float.
fn typed(parts: &[&StringArray]) -> (DataType, Vec<ArrayRef>) {
    if parts.iter().all(|part| part.is_empty()) {
        // Without rows there is nothing that a type could fit.
        let part = |_: &&StringArray| arrow_array::new_null_array(&DataType::Null, 0);
        return (DataType::Null, parts.iter().map(part).collect());
    }
    let all_missing = parts
        .iter()
        .flat_map(|part| part.iter().flatten())
        .all(is_missing);
    if !all_missing {
        if let Some(parsed) = booleans(parts) {
            return (DataType::Boolean, parsed);
        }
        if let Some(parsed) = numbers::<Int64Type>(parts, |text| text.parse().ok()) {
            return (DataType::Int64, parsed);
        }
        if let Some(parsed) = numbers::<UInt64Type>(parts, |text| text.parse().ok()) {
            return (DataType::UInt64, parsed);
        }
    }
    if let Some(parsed) = numbers::<Float64Type>(parts, |text| text.parse().ok()) {
        return (DataType::Float64, parsed);
    }
    (
        DataType::Utf8,
        parts.iter().map(|part| with_missing(part)).collect(),
    )
}

/// The parts as numbers; `None` if a value is none.
fn numbers<T: ArrowPrimitiveType>(
    parts: &[&StringArray],
    parse: impl Fn(&str) -> Option<T::Native>,
) -> Option<Vec<ArrayRef>> {
    let parts = parts.iter().map(|part| {
        let mut parsed = PrimitiveBuilder::<T>::with_capacity(part.len());
        for row in 0..part.len() {
            let text = part.value(row);
            match parse(text.trim_matches(' ')) {
                Some(number) => parsed.append_value(number),
                None if is_missing(text) => parsed.append_null(),
                None => return None,
            }
        }
        Some(Arc::new(parsed.finish()) as ArrayRef)
    });
    parts.collect()
}

/// The parts as booleans; `None` if a value is none.
fn booleans(parts: &[&StringArray]) -> Option<Vec<ArrayRef>> {
    let parts = parts.iter().map(|part| {
        let mut parsed = BooleanBuilder::with_capacity(part.len());
        for row in 0..part.len() {
            match part.value(row) {
                "True" | "TRUE" | "true" => parsed.append_value(true),
                "False" | "FALSE" | "false" => parsed.append_value(false),
                text if is_missing(text) => parsed.append_null(),
                _ => return None,
            }
        }
        Some(Arc::new(parsed.finish()) as ArrayRef)
    });
    parts.collect()
}

/// The same texts, without those that stand for missing values.
fn with_missing(part: &StringArray) -> ArrayRef {
    // Empty ones are missing already.
    if !part.iter().flatten().any(is_missing) {
        return Arc::new(part.clone());
    }
    let mut texts = StringBuilder::with_capacity(part.len(), part.value_data().len());
    for text in part.iter() {
        texts.append_option(text.filter(|text| !is_missing(text)));
    }
    Arc::new(texts.finish())
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
