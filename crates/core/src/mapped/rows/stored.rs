//! One stored array: its rows in packed pieces, by tasks of whole chunks or by cached chunks.

use std::sync::Arc;

use rayon::prelude::*;

use super::scratch;
use super::tasks::{Task, TaskSize, Tasks, cut};
use crate::error::{Error, Result};
use crate::mapped::chunk_cache::{Block, ChunkCache, Key};
use crate::mapped::held::Pieces;
use crate::store::{Array, DataType, Span};

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
        let read = |task: &Task| {
            let block = self.read_packed(tasks.spans(task), task.rows, &pack)?;
            Ok((Arc::new(block), task.rows as usize * row_elements))
        };
        let blocks: Vec<_> = match tasks.all() {
            [one] => vec![read(one)?],
            all => all.par_iter().map(read).collect::<Result<_>>()?,
        };
        let mut pieces = Pieces::new();
        for (block, length) in blocks {
            pieces.push(block, 0, length);
        }
        Ok(pieces)
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
            let read = || self.read_packed(&[whole], whole.len(), &pack);
            self.cache.get(key, read)
        };
        let blocks: Vec<Arc<B>> = match chunks.as_slice() {
            [one] => vec![read(one)?],
            all => all.par_iter().map(read).collect::<Result<_>>()?,
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
            true => TaskSize::REMOTE,
        }
    }

    /// The most bytes that one task decodes.
    pub(super) fn task_bytes(&self) -> u64 {
        let row_bytes = self.array.info().row_bytes().unwrap_or(0) as u64;
        let chunk_bytes = self.chunk_rows().unwrap_or(1).saturating_mul(row_bytes);
        // A task is closed by the chunk that makes it large enough.
        chunk_bytes.saturating_add(self.task_size().most)
    }

    fn row_elements(&self) -> Result<usize> {
        let info = self.array.info();
        usize::try_from(info.row_elements()?)
            .map_err(|_| Error::corrupt(format!("the shape {:?} is not possible", info.shape)))
    }

    fn read_packed<B>(
        &self,
        spans: &[Span],
        rows: u64,
        pack: impl Fn(&DataType, &[u8]) -> Result<B>,
    ) -> Result<B> {
        let bytes = usize::try_from(rows)
            .ok()
            .and_then(|rows| rows.checked_mul(self.array.info().row_bytes().ok()?))
            .ok_or_else(|| Error::corrupt("rows are larger than memory"))?;
        scratch::with(bytes, |buffer| {
            self.array.read_spans(spans, buffer)?;
            pack(self.data_type(), buffer)
        })
    }
}
