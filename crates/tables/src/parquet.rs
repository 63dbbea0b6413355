//! Parquet, decoded on all cores: each thread takes some columns of a row group.

mod pages;
mod present;
mod stacked;

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use anndex_store::operation::carried;
use anndex_store::storage::{LocalFile, ReadAt};
use anndex_store::{Error, Limits, Result};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::file::reader::{ChunkReader, Length};
use rayon::prelude::*;

pub(crate) use self::stacked::{open_alike, read_stacked};
use crate::Table;
use crate::error::{arrow, decoding, parquet as failed};

/// A file that threads read at positions of their own, which those of the standard library, cloned,
/// do not.
#[derive(Debug, Clone)]
struct Positioned(Arc<LocalFile>);

/// Reads on from a position.
struct Tail {
    file: Arc<LocalFile>,
    position: u64,
}

impl Read for Tail {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let rest = self.file.len().saturating_sub(self.position);
        let count = usize::try_from(rest).map_or(out.len(), |rest| rest.min(out.len()));
        self.file.read_exact_at(self.position, &mut out[..count])?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Length for Positioned {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl ChunkReader for Positioned {
    type T = std::io::BufReader<Tail>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(std::io::BufReader::new(Tail {
            file: self.0.clone(),
            position: start,
        }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let fits = start
            .checked_add(length as u64)
            .is_some_and(|end| end <= self.0.len());
        if !fits {
            return Err(parquet::errors::ParquetError::EOF(format!(
                "{length} bytes at {start} are past the end"
            )));
        }
        let mut bytes = vec![0; length];
        self.0.read_exact_at(start, &mut bytes)?;
        Ok(bytes.into())
    }
}

/// A file whose metadata was read.
#[derive(Debug)]
pub(crate) struct Opened {
    path: String,
    file: Positioned,
    metadata: ArrowReaderMetadata,
    /// For each column the leaf of the schema that it is, unless it has several.
    leaves: Vec<Option<usize>>,
}

impl Opened {
    fn open(path: &Path) -> Result<Self> {
        let file = Positioned(Arc::new(LocalFile::open(path)?));
        let load = |options| ArrowReaderMetadata::load(&file, options).map_err(failed);
        let mut metadata = load(ArrowReaderOptions::new())?;
        if let Some(plain) = without_categories_of_numbers(metadata.schema()) {
            metadata = load(ArrowReaderOptions::new().with_schema(plain))?;
        }
        pages::check(&file.0, metadata.metadata(), &Limits::DEFAULT)?;
        let schema = metadata.parquet_schema();
        let roots = (0..schema.num_columns()).map(|leaf| schema.get_column_root_idx(leaf));
        let roots: Vec<usize> = roots.collect();
        let mut leaves = vec![None; metadata.schema().fields().len()];
        for (leaf, &root) in roots.iter().enumerate() {
            let is_only = leaf
                .checked_sub(1)
                .is_none_or(|before| roots[before] != root)
                && roots.get(leaf + 1) != Some(&root);
            if let Some(own) = leaves.get_mut(root).filter(|_| is_only) {
                *own = Some(leaf);
            }
        }
        Ok(Self {
            path: path.display().to_string(),
            file,
            metadata,
            leaves,
        })
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }
}

pub(crate) fn read(path: &Path) -> Result<Table> {
    let Opened { file, metadata, .. } = Opened::open(path)?;
    let schema = metadata.schema().clone();
    let groups = metadata.metadata().num_row_groups();
    let columns = schema.fields().len();
    // A few parts per thread, so that all end at about the same time.
    let parts = (rayon::current_num_threads() * 4).div_ceil(groups.max(1));
    let step = columns.div_ceil(parts.max(1)).max(1);
    let tasks = (0..groups).flat_map(|group| {
        let starts = (0..columns).step_by(step);
        starts.map(move |start| (group, start..columns.min(start + step)))
    });
    let tasks: Vec<_> = tasks.collect();
    let read = carried(|(group, columns)| {
        decoding(|| read_columns(&file, &metadata, group, columns)).map(|read| (group, read))
    });
    let read = tasks.into_par_iter().map(read);
    let read: Vec<(usize, Vec<ArrayRef>)> = read.collect::<Result<_>>()?;
    let mut batches = Vec::with_capacity(groups);
    let mut parts = read.into_iter().peekable();
    for group in 0..groups {
        let mut arrays = Vec::with_capacity(columns);
        while let Some((_, part)) = parts.next_if(|(other, _)| *other == group) {
            arrays.extend(part);
        }
        batches.push(batch(&schema, arrays, &metadata, group)?);
    }
    Table::new(schema, batches)
}

/// The schema with plain numbers instead of dictionaries of them, which Parquet itself has not, and
/// Arrow's C++ library, by which pandas reads, does not restore; `None` if it has none.
fn without_categories_of_numbers(schema: &SchemaRef) -> Option<SchemaRef> {
    let mut changed = false;
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Dictionary(_, values) if !values.is_string() => {
            changed = true;
            Arc::new(field.as_ref().clone().with_data_type(*values.clone()))
        }
        _ => field.clone(),
    });
    let fields: Vec<_> = fields.collect();
    let schema = Schema::new_with_metadata(fields, schema.metadata().clone());
    changed.then(|| Arc::new(schema))
}

fn rows_of(metadata: &ArrowReaderMetadata, group: usize) -> Result<usize> {
    let rows = metadata.metadata().row_group(group).num_rows();
    usize::try_from(rows).map_err(|_| Error::corrupt("a row group has no valid number of rows"))
}

fn batch(
    schema: &SchemaRef,
    arrays: Vec<ArrayRef>,
    metadata: &ArrowReaderMetadata,
    group: usize,
) -> Result<RecordBatch> {
    let rows = RecordBatchOptions::new().with_row_count(Some(rows_of(metadata, group)?));
    RecordBatch::try_new_with_options(schema.clone(), arrays, &rows).map_err(arrow)
}

/// Some columns of a row group, each in one piece.
fn read_columns(
    file: &Positioned,
    metadata: &ArrowReaderMetadata,
    group: usize,
    columns: std::ops::Range<usize>,
) -> Result<Vec<ArrayRef>> {
    let builder =
        ParquetRecordBatchReaderBuilder::new_with_metadata(file.clone(), metadata.clone());
    let mask = ProjectionMask::roots(builder.parquet_schema(), columns);
    let reader = builder
        .with_row_groups(vec![group])
        .with_projection(mask)
        .with_batch_size(rows_of(metadata, group)?.max(1))
        .build()
        .map_err(failed)?;
    let schema = arrow_array::RecordBatchReader::schema(&reader);
    let batches: Vec<RecordBatch> = reader
        .collect::<std::result::Result<_, _>>()
        .map_err(arrow)?;
    let whole = match <[RecordBatch; 1]>::try_from(batches) {
        Ok([only]) => only,
        Err(batches) => arrow_select::concat::concat_batches(&schema, &batches).map_err(arrow)?,
    };
    Ok(whole.columns().to_vec())
}
