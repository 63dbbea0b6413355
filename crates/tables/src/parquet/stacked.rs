//! Parquet files of the same columns, whose numbers are decoded to where they stand in the result.

use std::path::Path;
use std::sync::Arc;

use anndex_store::DataType as Number;
use anndex_store::operation::carried;
use anndex_store::{Error, Result};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Fields, Schema};
use bytemuck::{Pod, cast_slice_mut};
use bytes::Bytes;
use parquet::basic::Type as Physical;
use parquet::column::reader::{ColumnReaderImpl, get_column_reader, get_typed_column_reader};
use parquet::data_type as physical;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;
use rayon::prelude::*;

use super::present::{Present, is_present, required};
use super::{Opened, Positioned, read_columns, rows_of};
use crate::Table;
use crate::error::{arrow, decoding, parquet as failed};
use crate::stacked::{Stacked, allocate, divide};

/// How many values are decoded before they go to their places: they stay in a core's cache.
const VALUES: usize = 1 << 12;

/// Opens files; `None` if they have not the same columns.
pub(crate) fn open_alike<P: AsRef<Path> + Sync>(paths: &[P]) -> Result<Option<Vec<Opened>>> {
    let files = paths.par_iter().map(|path| {
        let path = path.as_ref();
        let opened = decoding(|| Opened::open(path));
        opened.map_err(|error| error.operation("read table").with("path", path.display()))
    });
    let files: Vec<Opened> = files.collect::<Result<_>>()?;
    let are_alike = files
        .iter()
        .all(|file| have_same(files[0].schema().fields(), file.schema().fields()));
    Ok(are_alike.then_some(files))
}

/// Reads files that have the same columns.
pub(crate) fn read_stacked(files: &[Opened]) -> Result<Stacked> {
    let fields = match files.first() {
        Some(first) => first.schema().fields(),
        None => &Fields::empty(),
    };
    let numbers: Vec<(usize, Number)> = (0..fields.len())
        .filter_map(|column| Some((column, number(files, column)?)))
        .collect();
    let mut types: Vec<Option<&Number>> = vec![None; fields.len()];
    for (column, number) in &numbers {
        types[*column] = Some(number);
    }
    let others: Vec<usize> = (0..fields.len())
        .filter(|&column| types[column].is_none())
        .collect();
    let groups = files.iter().flat_map(|file| {
        let groups = 0..file.metadata.metadata().num_row_groups();
        groups.map(move |group| Ok((file, group, rows_of(&file.metadata, group)?)))
    });
    let groups: Vec<(&Opened, usize, usize)> = groups.collect::<Result<_>>()?;
    let rows_of_groups = groups.iter().map(|(_, _, rows)| *rows);
    let mut blocks = allocate(&numbers, rows_of_groups.clone().sum())?;
    let places = divide(&mut blocks, rows_of_groups);
    let mut tasks = Vec::new();
    for (&(file, group, _), places) in groups.iter().zip(places) {
        let others = others.iter().map(|&column| (file, group, column, None));
        tasks.extend(others);
        let places = places.into_iter();
        tasks.extend(places.map(|(column, place)| (file, group, column, Some(place))));
    }
    let go_on = carried(|()| Ok(()));
    let read = tasks.into_par_iter().map(|(file, group, column, place)| {
        go_on(())?;
        let read = decoding(|| match (place, types[column]) {
            (Some(place), Some(number)) => {
                let decoded = file.decode(group, column, number, place);
                decoded.map(|()| Vec::new())
            }
            _ => read_columns(&file.file, &file.metadata, group, column..column + 1),
        });
        let named = |error: Error| {
            error
                .with("path", &file.path)
                .with("column", fields[column].name())
        };
        read.map_err(named)
    });
    let read: Vec<Vec<ArrayRef>> = read.collect::<Result<_>>()?;
    let mut arrays = read.into_iter().flatten();
    let schema = others.iter().map(|&column| fields[column].clone());
    let schema = Arc::new(Schema::new(schema.collect::<Vec<_>>()));
    let batches = groups.iter().map(|(_, _, rows)| {
        let own = arrays.by_ref().take(others.len()).collect();
        let rows = RecordBatchOptions::new().with_row_count(Some(*rows));
        RecordBatch::try_new_with_options(schema.clone(), own, &rows).map_err(arrow)
    });
    let batches = batches.collect::<Result<Vec<_>>>()?;
    let rows = files.iter().map(|file| {
        let own = groups
            .iter()
            .filter(|(other, _, _)| std::ptr::eq(*other, file));
        own.map(|(_, _, rows)| rows).sum()
    });
    let rows = rows.collect();
    Ok(Stacked {
        names: fields.iter().map(|field| field.name().clone()).collect(),
        rows,
        blocks,
        others,
        rest: Table::new(schema.clone(), batches)?,
    })
}

fn have_same(a: &Fields, b: &Fields) -> bool {
    let mut pairs = a.iter().zip(b);
    let same = |(a, b): (&Arc<arrow_schema::Field>, &Arc<arrow_schema::Field>)| {
        a.name() == b.name() && a.data_type() == b.data_type()
    };
    a.len() == b.len() && pairs.all(same)
}

/// The type that the numbers or booleans of a column become; `None` if it has something else, or
/// might lack a boolean, which no block takes.
fn number(files: &[Opened], column: usize) -> Option<Number> {
    let mut may_lack = false;
    for file in files {
        may_lack |= file.may_lack(column)?;
    }
    let data_type = files.first()?.schema().field(column).data_type();
    Some(match (data_type, may_lack) {
        (DataType::Boolean, false) => Number::Bool,
        (DataType::Int8, false) => Number::Int8,
        (DataType::Int16, false) => Number::Int16,
        (DataType::Int32, false) => Number::Int32,
        (DataType::Int64, false) => Number::Int64,
        (DataType::UInt8, false) => Number::UInt8,
        (DataType::UInt16, false) => Number::UInt16,
        (DataType::UInt32, false) => Number::UInt32,
        (DataType::UInt64, false) => Number::UInt64,
        (DataType::Float32, _) => Number::Float32,
        (data_type, true) if data_type.is_integer() => Number::Float64,
        (DataType::Float64, _) => Number::Float64,
        _ => return None,
    })
}

impl Opened {
    /// Whether a flat column lacks values; `None` if it is not flat, is stored as another type than
    /// its own, or does not say.
    fn may_lack(&self, column: usize) -> Option<bool> {
        let leaf = self.leaves[column]?;
        let groups = self.metadata.metadata().row_groups();
        let descriptor = self.metadata.parquet_schema().column(leaf);
        let is_flat = descriptor.max_rep_level() == 0 && descriptor.max_def_level() <= 1;
        let stored = descriptor.physical_type();
        let fits = match self.schema().field(column).data_type() {
            DataType::Boolean => stored == Physical::BOOLEAN,
            DataType::Int64 | DataType::UInt64 => stored == Physical::INT64,
            DataType::Float32 => stored == Physical::FLOAT,
            DataType::Float64 => stored == Physical::DOUBLE,
            data_type => data_type.is_integer() && stored == Physical::INT32,
        };
        if !is_flat || !fits {
            return None;
        }
        if descriptor.max_def_level() == 0 {
            return Some(false);
        }
        let missing = groups
            .iter()
            .map(|group| group.column(leaf).statistics()?.null_count_opt());
        Some(missing.sum::<Option<u64>>()? > 0)
    }

    /// Decodes a column of a row group to its place, in the type that is given.
    fn decode(&self, group: usize, column: usize, number: &Number, place: &mut [u8]) -> Result<()> {
        let rows = rows_of(&self.metadata, group)?;
        let Some(leaf) = self.leaves[column].filter(|_| rows > 0) else {
            return Ok(());
        };
        let chunk = self.metadata.metadata().row_group(group).column(leaf);
        let section = Section::read(&self.file, chunk)?;
        let pages = SerializedPageReader::new(Arc::new(section), chunk, rows, None);
        let pages = pages.map_err(failed)?;
        let descriptor = self.metadata.parquet_schema().column(leaf);
        let reader = match is_present(chunk) {
            true => get_column_reader(required(&descriptor), Box::new(Present(pages))),
            false => get_column_reader(descriptor, Box::new(pages)),
        };
        macro_rules! fill {
            ($stored:ident, $place:ty, $convert:expr, $missing:expr) => {{
                let reader = get_typed_column_reader::<physical::$stored>(reader);
                fill::<_, $place>(reader, cast_slice_mut(place), $convert, $missing)
            }};
        }
        let nan = Some(f64::NAN);
        match (self.schema().field(column).data_type(), number) {
            (DataType::Boolean, _) => fill!(BoolType, u8, u8::from, None),
            (DataType::Float32, _) => fill!(FloatType, f32, |value| value, Some(f32::NAN)),
            (DataType::Float64, _) => fill!(DoubleType, f64, |value| value, nan),
            // Unsigned integers are stored as signed ones of the same bits.
            (DataType::UInt32, Number::Float64) => {
                fill!(Int32Type, f64, |value| f64::from(value as u32), nan)
            }
            (DataType::UInt64, Number::Float64) => {
                fill!(Int64Type, f64, |value| value as u64 as f64, nan)
            }
            (DataType::Int64, Number::Float64) => fill!(Int64Type, f64, |value| value as f64, nan),
            (_, Number::Float64) => fill!(Int32Type, f64, f64::from, nan),
            (_, Number::Int64 | Number::UInt64) => fill!(Int64Type, i64, |value| value, None),
            (_, Number::Int32 | Number::UInt32) => fill!(Int32Type, i32, |value| value, None),
            (_, Number::Int16 | Number::UInt16) => {
                fill!(Int32Type, i16, |value| value as i16, None)
            }
            _ => fill!(Int32Type, i8, |value| value as i8, None),
        }
    }
}

/// Decodes all values to their places; what is missing becomes `missing`, or is an error.
fn fill<S: physical::DataType, T: Pod>(
    mut reader: ColumnReaderImpl<S>,
    mut places: &mut [T],
    convert: impl Fn(S::T) -> T,
    missing: Option<T>,
) -> Result<()>
where
    S::T: Copy,
{
    let (mut values, mut levels) = (Vec::with_capacity(VALUES), Vec::with_capacity(VALUES));
    while !places.is_empty() {
        values.clear();
        levels.clear();
        let wanted = VALUES.min(places.len());
        let read = reader.read_records(wanted, Some(&mut levels), None, &mut values);
        let (records, present, _) = read.map_err(failed)?;
        if records == 0 {
            return Err(Error::corrupt("the column has fewer values than rows"));
        }
        let (own, others) = places.split_at_mut(records);
        places = others;
        let mut values = values[..present].iter();
        if present == records {
            for (place, value) in own.iter_mut().zip(values) {
                *place = convert(*value);
            }
            continue;
        }
        let missing = missing.ok_or_else(|| {
            Error::corrupt("the column lacks values, of which its statistics know nothing")
        })?;
        for (place, level) in own.iter_mut().zip(&levels) {
            let value = if *level > 0 { values.next() } else { None };
            *place = value.map_or(missing, |value| convert(*value));
        }
    }
    Ok(())
}

/// The pages of a column in a row group, read at once.
struct Section {
    start: u64,
    bytes: Bytes,
}

impl Section {
    fn read(file: &Positioned, chunk: &ColumnChunkMetaData) -> Result<Self> {
        let (start, length) = chunk.byte_range();
        let length = usize::try_from(length)
            .map_err(|_| Error::corrupt("a column is larger than memory"))?;
        let bytes = file.get_bytes(start, length).map_err(failed)?;
        Ok(Self { start, bytes })
    }

    fn position(&self, start: u64) -> parquet::errors::Result<u64> {
        let position = start.checked_sub(self.start);
        position.ok_or_else(|| {
            parquet::errors::ParquetError::EOF("a page is outside of its column".to_owned())
        })
    }
}

impl Length for Section {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for Section {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        self.bytes.get_read(self.position(start)?)
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        self.bytes.get_bytes(self.position(start)?, length)
    }
}
