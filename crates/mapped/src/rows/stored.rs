//! One stored array: its rows in packed pieces, by tasks of whole chunks or by cached chunks.
//!
//! A task of an array on a server is what is asked for at once, which is much for a core's cache:
//! it is decoded in parts.

use std::sync::Arc;

use rayon::prelude::*;

use super::scratch;
use super::tasks::{Task, TaskSize, Tasks, cut};
use crate::chunk_cache::{Block, ChunkCache, Key};
use crate::held::Pieces;
use anndex_store::error::{Error, Result};
use anndex_store::operation::carried;
use anndex_store::{Array, DataType, Span};

/// Of what is compressed even more, tasks are no larger.
const LEAST_STORED_PART: f64 = 1.0 / 16.0;

/// A packed block of so many rows.
type Rows<B> = (Arc<B>, u64);

/// An array whose rows are read again and again.
#[derive(Debug)]
pub(super) struct StoredArray {
    array: Arc<dyn Array>,
    is_remote: bool,
    cache: Arc<ChunkCache>,
    /// By which the cache knows it.
    number: u32,
}

impl StoredArray {
    pub(super) fn new(array: Arc<dyn Array>, is_remote: bool, cache: Arc<ChunkCache>) -> Self {
        let number = cache.number_array();
        Self {
            array,
            is_remote,
            cache,
            number,
        }
    }

    pub(super) fn array(&self) -> &dyn Array {
        &*self.array
    }

    pub(super) fn data_type(&self) -> &DataType {
        &self.array.info().data_type
    }

    /// Whether values have to be decoded.
    pub(super) fn is_encoded(&self) -> bool {
        self.chunk_rows().is_some()
    }

    /// Extent along axis 0 of what is decoded at once; `None` if the bytes lie there as they are.
    pub(super) fn chunk_rows(&self) -> Option<u64> {
        let info = self.array.info();
        let rows = *info.chunk_shape.as_ref()?.first()?;
        (!info.filters.is_empty()).then_some(rows.max(1))
    }

    /// Reads `spans` in tasks of whole chunks on rayon's threads, and packs what each of them gives.
    pub(super) fn read<B: Send + Sync>(
        &self,
        spans: &[Span],
        pack: impl Fn(&DataType, &[u8]) -> Result<B> + Sync,
    ) -> Result<Pieces<B>> {
        let row_elements = self.row_elements()?;
        let row_bytes = self.array.info().row_bytes()?;
        let tasks = Tasks::new(spans, self.chunk_rows(), row_bytes, self.task_size());
        let read = |task: &Task| self.read_task(tasks.spans(task), task.rows, &pack);
        let blocks: Vec<Vec<Rows<B>>> = match tasks.all() {
            [one] => vec![read(one)?],
            all => all.par_iter().map(carried(read)).collect::<Result<_>>()?,
        };
        let mut pieces = Pieces::new();
        for (block, rows) in blocks.into_iter().flatten() {
            pieces.push(block, 0, rows as usize * row_elements);
        }
        Ok(pieces)
    }

    fn read_task<B>(
        &self,
        spans: &[Span],
        rows: u64,
        pack: &impl Fn(&DataType, &[u8]) -> Result<B>,
    ) -> Result<Vec<Rows<B>>> {
        let ahead = match self.is_remote {
            false => None,
            true => self.array.read_ahead(spans)?,
        };
        let Some(ahead) = ahead else {
            let block = read_packed(self.array(), spans, rows, pack)?;
            return Ok(vec![(Arc::new(block), rows)]);
        };
        let row_bytes = self.array.info().row_bytes()?;
        let parts = Tasks::new(spans, self.chunk_rows(), row_bytes, TaskSize::PART);
        let read = |part: &Task| {
            let block = read_packed(&*ahead, parts.spans(part), part.rows, pack)?;
            Ok((Arc::new(block), part.rows))
        };
        parts.all().iter().map(read).collect()
    }

    /// The same by way of the cache of chunks, where that is of use. `is_converted` tells blocks
    /// apart that `pack` makes of the same chunk.
    pub(super) fn read_cached<B: Block>(
        &self,
        spans: &[Span],
        is_converted: bool,
        pack: impl Fn(&DataType, &[u8]) -> Result<B> + Sync,
    ) -> Result<Pieces<B>> {
        let info = self.array.info();
        let chunk_bytes = |rows: u64| rows.saturating_mul(info.row_bytes().unwrap_or(0) as u64);
        let useful = |rows: &u64| self.cache.is_useful(chunk_bytes(*rows));
        let Some(chunk_rows) = self.chunk_rows().filter(useful) else {
            return self.read(spans, pack);
        };
        let row_elements = self.row_elements()?;
        let parts: Vec<Span> = cut(spans, chunk_rows).collect();
        let mut chunks: Vec<u64> = parts.iter().map(|part| part.start / chunk_rows).collect();
        chunks.dedup();
        let read = |&chunk: &u64| {
            let start = chunk * chunk_rows;
            let whole = Span::new(start, start.saturating_add(chunk_rows).min(info.rows()));
            let key = Key {
                array: self.number,
                chunk,
                is_converted,
            };
            let read = || read_packed(self.array(), &[whole], whole.len(), &pack);
            self.cache.get(key, read)
        };
        let blocks: Vec<Arc<B>> = match chunks.as_slice() {
            [one] => vec![read(one)?],
            all => all.par_iter().map(carried(read)).collect::<Result<_>>()?,
        };
        let mut pieces = Pieces::new();
        let mut number = 0;
        for part in parts {
            let chunk = part.start / chunk_rows;
            if chunks[number] != chunk {
                number += 1;
            }
            let start = (part.start - chunk * chunk_rows) as usize * row_elements;
            let length = part.len() as usize * row_elements;
            pieces.push(blocks[number].clone(), start, length);
        }
        Ok(pieces)
    }

    fn task_size(&self) -> TaskSize {
        match self.is_remote {
            false => TaskSize::LOCAL,
            true => TaskSize::REMOTE.stored(self.stored_part()),
        }
    }

    /// What part of its decoded bytes are stored; all if that is not known.
    fn stored_part(&self) -> f64 {
        let info = self.array.info();
        let decoded = info.row_bytes().unwrap_or(0) as f64 * info.rows() as f64;
        let stored = info.stored_bytes.map_or(decoded, |bytes| bytes as f64);
        (stored / decoded.max(1.0)).clamp(LEAST_STORED_PART, 1.0)
    }

    /// About the most bytes that a thread holds for a task on a server: what was sent, and the part
    /// that is decoded, with its chunk.
    pub(super) fn task_bytes(&self) -> u64 {
        let row_bytes = self.array.info().row_bytes().unwrap_or(0) as u64;
        let chunk_bytes = self.chunk_rows().unwrap_or(1).saturating_mul(row_bytes);
        let stored_chunk = (chunk_bytes as f64 * self.stored_part()) as u64;
        let sent = TaskSize::REMOTE.most_of(stored_chunk);
        let decoded = TaskSize::PART.most_of(chunk_bytes);
        // A chunk is decoded apart if it is not wanted as a whole.
        let apart = chunk_bytes.saturating_add(stored_chunk);
        sent.saturating_add(decoded).saturating_add(apart)
    }

    fn row_elements(&self) -> Result<usize> {
        let info = self.array.info();
        usize::try_from(info.row_elements()?)
            .map_err(|_| Error::corrupt(format!("the shape {:?} is not possible", info.shape)))
    }
}

fn read_packed<B>(
    array: &dyn Array,
    spans: &[Span],
    rows: u64,
    pack: impl Fn(&DataType, &[u8]) -> Result<B>,
) -> Result<B> {
    let info = array.info();
    let bytes = usize::try_from(rows)
        .ok()
        .and_then(|rows| rows.checked_mul(info.row_bytes().ok()?))
        .ok_or_else(|| Error::corrupt("rows are larger than memory"))?;
    scratch::with(bytes, |buffer| {
        array.read_spans(spans, buffer)?;
        pack(&info.data_type, buffer)
    })
}
