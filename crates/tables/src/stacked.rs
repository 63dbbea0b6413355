//! Tables of the same columns, whose values are decoded straight to where they stand one below the
//! other: nothing is held beside the result, and nothing is copied.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anndex_store::Result;
use anndex_store::{DataType as Number, NumericArray};
use arrow_array::types::{Float64Type, Int64Type, UInt64Type};
use arrow_array::{ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray, RecordBatch};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow_schema::{Field, Schema, SchemaRef};

use crate::error::arrow;
use crate::table::{Format, format};
use crate::{Table, csv, parquet};

/// Tables of the same columns, one below the other.
#[derive(Debug)]
pub struct Stacked {
    /// The names of the columns.
    pub names: Vec<String>,
    /// How many rows each table has.
    pub rows: Vec<usize>,
    /// Columns of numbers and booleans.
    pub blocks: Vec<Block>,
    /// Which columns are none of those.
    pub others: Vec<usize>,
    /// These other columns, in any number of batches.
    pub rest: Table,
}

/// Columns of one type, in memory column after column. A missing number is NaN.
#[derive(Debug)]
pub struct Block {
    /// The position of each among the columns of the tables; `None` for one that is not used.
    pub columns: Vec<Option<usize>>,
    /// The values: as many columns times all rows.
    pub values: NumericArray,
}

/// Tables that were looked at, and can be read one below the other unless their values say otherwise.
#[derive(Debug)]
pub struct StackedReader(Source);

#[derive(Debug)]
enum Source {
    Parquet(Vec<parquet::Opened>),
    /// Paths and delimiters.
    Text(Vec<PathBuf>, Vec<u8>),
}

impl StackedReader {
    /// Looks at tables, on rayon's threads; `None` if they are not all CSV or all Parquet, or if
    /// they are Parquet and have not the same columns.
    ///
    /// # Errors
    /// As [`read`](crate::read), for one of those that can't be read.
    pub fn open<P: AsRef<Path> + Sync>(paths: &[P]) -> Result<Option<Self>> {
        let formats = paths.iter().map(|path| format(path.as_ref()));
        let formats: Vec<Format> = formats.collect::<Result<_>>()?;
        if formats.is_empty() {
            return Ok(None);
        }
        if formats.iter().all(|one| *one == Format::Parquet) {
            return Ok(parquet::open_alike(paths)?.map(|files| Self(Source::Parquet(files))));
        }
        let delimiters = formats.iter().map(|format| match format {
            Format::Text(delimiter) => Some(*delimiter),
            _ => None,
        });
        let Some(delimiters) = delimiters.collect() else {
            return Ok(None);
        };
        let paths = paths.iter().map(|path| path.as_ref().to_owned()).collect();
        Ok(Some(Self(Source::Text(paths, delimiters))))
    }

    /// For each table the columns that it says it has, and what else was stored with them; none for
    /// text, whose columns are known once they are read.
    pub fn schemas(&self) -> Vec<&SchemaRef> {
        match &self.0 {
            Source::Parquet(files) => files.iter().map(parquet::Opened::schema).collect(),
            Source::Text(..) => Vec::new(),
        }
    }

    /// Reads the tables, on rayon's threads; `None` if they are text and have not the same columns.
    /// Types are those of `pandas.concat`: integers become float64 where one of the tables lacks a
    /// value.
    ///
    /// # Errors
    /// As [`read`](crate::read), for one of those that can't be read.
    pub fn read(&self) -> Result<Option<Stacked>> {
        match &self.0 {
            Source::Parquet(files) => parquet::read_stacked(files).map(Some),
            Source::Text(paths, delimiters) => csv::read_stacked(paths, delimiters),
        }
    }
}

/// Zeroed memory for columns, each in the block of its type; pages are taken when they are first
/// written.
pub(crate) fn allocate(columns: &[(usize, Number)], rows: usize) -> Result<Vec<Block>> {
    let mut types: Vec<&Number> = Vec::new();
    for (_, number) in columns {
        if !types.contains(&number) {
            types.push(number);
        }
    }
    let block = |number: &Number| {
        let own = columns.iter().filter(|(_, other)| other == number);
        let columns: Vec<_> = own.map(|(column, _)| Some(*column)).collect();
        let values = NumericArray::zeros(number.clone(), [columns.len(), rows])?;
        Ok(Block { columns, values })
    };
    types.into_iter().map(block).collect()
}

/// Divides the memory of blocks by rows: for each part, the bytes of its columns in their order.
pub(crate) fn divide(
    blocks: &mut [Block],
    parts: impl Iterator<Item = usize> + Clone,
) -> Vec<Vec<(usize, &mut [u8])>> {
    let mut divided: Vec<Vec<(usize, &mut [u8])>> = parts.clone().map(|_| Vec::new()).collect();
    for block in blocks {
        let count = block.columns.len().max(1);
        let bytes = block.values.bytes_mut();
        let rows: usize = parts.clone().sum();
        let (stride, size) = (bytes.len() / count, bytes.len() / count / rows.max(1));
        for (column, mut rest) in block.columns.iter().zip(bytes.chunks_mut(stride.max(1))) {
            for (part, rows) in divided.iter_mut().zip(parts.clone()) {
                let (own, others) = rest.split_at_mut(rows * size);
                rest = others;
                part.extend(column.map(|column| (column, own)));
            }
        }
    }
    for part in &mut divided {
        part.sort_by_key(|(column, _)| *column);
    }
    divided
}

impl Stacked {
    /// The same as Arrow data, in which missing numbers are null. Only the types that text tables
    /// have are known.
    pub(crate) fn into_table(self) -> Result<Table> {
        let mut columns: Vec<Option<ArrayRef>> = vec![None; self.names.len()];
        let rows = self.rows.iter().sum();
        for Block {
            columns: own,
            values,
        } in self.blocks
        {
            let number = values.data_type().clone();
            let buffer = Buffer::from_vec(values.into_words());
            for (place, column) in own.into_iter().enumerate() {
                let Some(column) = column else { continue };
                let start = place * rows;
                columns[column] = Some(match number {
                    Number::Int64 => primitive::<Int64Type>(&buffer, start, rows, |_| false),
                    Number::UInt64 => primitive::<UInt64Type>(&buffer, start, rows, |_| false),
                    Number::Float64 => {
                        primitive::<Float64Type>(&buffer, start, rows, |value| value.is_nan())
                    }
                    _ => {
                        let flags = buffer.as_slice()[start..start + rows].iter();
                        let flags = BooleanBuffer::from_iter(flags.map(|&flag| flag != 0));
                        Arc::new(BooleanArray::new(flags, None))
                    }
                });
            }
        }
        let rest = self.rest.into_batch()?;
        for (&column, values) in self.others.iter().zip(rest.columns()) {
            columns[column] = Some(values.clone());
        }
        let columns: Vec<ArrayRef> = columns.into_iter().flatten().collect();
        let fields = self.names.iter().zip(&columns);
        let fields =
            fields.map(|(name, column)| Field::new(name, column.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let batch = RecordBatch::try_new(schema.clone(), columns).map_err(arrow)?;
        Table::new(schema, vec![batch])
    }
}

/// A column over the memory of its block.
fn primitive<T: ArrowPrimitiveType>(
    block: &Buffer,
    start: usize,
    rows: usize,
    is_missing: impl Fn(&T::Native) -> bool,
) -> ArrayRef {
    let values = ScalarBuffer::<T::Native>::new(block.clone(), start, rows);
    let valid = values.iter().any(&is_missing).then(|| {
        let valid = values.iter().map(|value| !is_missing(value));
        NullBuffer::from_iter(valid)
    });
    Arc::new(PrimitiveArray::<T>::new(values, valid))
}
