//! Reading rows of arrays that are stored in chunks.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, TryLockError};
use std::thread;
use std::time::Duration;

use anndex_codec::Scratch;
use anndex_store::Span;
use anndex_store::operation::Operation;
use anndex_store::storage::PerProcess;
use anndex_store::{Error, Result};
use hdf5_reader::Hdf5File;

use crate::chunk_table::{Chunk, ChunkIndex, ChunkTable};
use crate::filter::Pipeline;
use crate::grid::{Columns, Grid, USUAL_CHUNK_BYTES, outside};
use crate::reads::{Reads, fill};
use crate::source::Source;

/// Held while a very large chunk is decoded: memory must suffice for one, not for one on each core.
/// A forked process would wait for a thread of its parent.
static LARGE: PerProcess<Arc<Mutex<()>>> = PerProcess::new();

/// How often a thread that waits to decode a very large chunk looks whether it may, and is still to.
const WAIT: Duration = Duration::from_millis(20);

/// The spans' rows that lie in one band.
struct Band<'a> {
    spans: &'a [Span],
    /// Rows before this were read before.
    start: u64,
    end: u64,
    /// Where the first row goes in the output, in bytes.
    out_start: usize,
    row_bytes: usize,
}

impl Band<'_> {
    /// Each run of rows, with where it goes in the output.
    fn pieces(&self) -> impl Iterator<Item = (Range<u64>, usize)> {
        let mut out_start = self.out_start;
        self.spans.iter().map_while(move |span| {
            let start = span.start.max(self.start);
            if start >= self.end {
                return None;
            }
            let rows = start..span.end.min(self.end).max(start);
            let piece = (rows.clone(), out_start);
            out_start = end_of(out_start, &rows, self.row_bytes);
            Some(piece)
        })
    }
}

/// Where the output of rows ends that begins at `start`. Without an output, which was checked to have
/// room, there may be more rows than could have one.
fn end_of(start: usize, rows: &Range<u64>, row_bytes: usize) -> usize {
    start.saturating_add(((rows.end - rows.start) as usize).saturating_mul(row_bytes))
}

/// A chunk with the rows that are read of it.
struct ChunkPlace<'a> {
    /// `None` if it was never written.
    chunk: Option<&'a Chunk>,
    band: &'a Band<'a>,
    /// The first row of the chunk.
    first_row: u64,
    columns: Columns,
}

impl ChunkPlace<'_> {
    /// Where a row begins in the decoded chunk, in bytes.
    fn chunk_row(&self, row: u64) -> usize {
        (row - self.first_row) as usize * self.columns.chunk_row_bytes
    }
}

/// An array stored in chunks.
#[derive(Debug)]
pub(crate) struct Chunked {
    pub(crate) grid: Grid,
    pub(crate) index: ChunkIndex,
    pub(crate) pipeline: Pipeline,
    /// One element that stands for all that were never written; empty for zeros.
    pub(crate) fill: Vec<u8>,
    pub(crate) table: OnceLock<ChunkTable>,
}

impl Chunked {
    /// Loads the chunk table unless it is there.
    pub(crate) fn table(&self, file: &Hdf5File, source: &Source) -> Result<&ChunkTable> {
        if let Some(table) = self.table.get() {
            return Ok(table);
        }
        let grid = &self.grid;
        let table = if grid.chunk_bytes == 0 || grid.chunk_count == 0 {
            ChunkTable::empty()
        } else {
            ChunkTable::load(file, source, &self.index, grid, grid.element_size)?
        };
        // Mostly this is the last that is read of structure, on the first read of rows. On a server
        // it would take requests if it was not.
        if source.remote().is_none() {
            source.release();
        }
        // Two threads may both have loaded it; either table will do.
        Ok(self.table.get_or_init(|| table))
    }

    /// Reads the rows of `spans` (sorted, inside the array) into `out`, as stored.
    pub(crate) fn read(
        &self,
        table: &ChunkTable,
        source: &Source,
        spans: &[Span],
        out: &mut [u8],
    ) -> Result<()> {
        let mut reads = Reads::new(source, out);
        self.for_each_chunk(table, spans, |place| self.read_chunk(place, &mut reads))?;
        reads.flush()
    }

    /// The addresses of what [`Chunked::read`] reads of the file.
    pub(crate) fn ranges(&self, table: &ChunkTable, spans: &[Span]) -> Result<Vec<Range<u64>>> {
        let mut ranges = Vec::new();
        self.for_each_chunk(table, spans, |place| {
            let Some(chunk) = place.chunk else {
                return Ok(());
            };
            let is_plain = self.pipeline.is_empty(chunk.filter_mask);
            let end = chunk.address.saturating_add(chunk.stored_bytes.into());
            if !(is_plain && place.columns.is_whole_row()) {
                ranges.push(chunk.address..end);
                return Ok(());
            }
            for (rows, _) in place.band.pieces() {
                let at = |row| chunk.address.saturating_add(place.chunk_row(row) as u64);
                ranges.push(at(rows.start).min(end)..at(rows.end).min(end));
            }
            Ok(())
        })?;
        Ok(ranges)
    }

    /// Calls `each` for each chunk that has rows of `spans` (sorted, inside the array).
    fn for_each_chunk(
        &self,
        table: &ChunkTable,
        spans: &[Span],
        mut each: impl FnMut(&ChunkPlace<'_>) -> Result<()>,
    ) -> Result<()> {
        // An axis without elements has no chunks.
        if self.grid.chunk_count == 0 {
            return Ok(());
        }
        let row_bytes = self.grid.columns(0).row_bytes;
        let band_rows = self.grid.band_rows();
        let mut next = 0;
        let mut resume = 0;
        let mut out_start = 0;
        while let Some(span) = spans.get(next) {
            if span.end <= span.start.max(resume) {
                next += 1;
                continue;
            }
            let start = span.start.max(resume);
            let index = start / band_rows;
            let band = Band {
                spans: &spans[next..],
                start,
                end: index.saturating_add(1).saturating_mul(band_rows),
                out_start,
                row_bytes,
            };
            for column in 0..self.grid.band_chunks {
                each(&ChunkPlace {
                    chunk: table.get(index * self.grid.band_chunks + column),
                    band: &band,
                    first_row: index * band_rows,
                    columns: self.grid.columns(column),
                })?;
            }
            for (rows, position) in band.pieces() {
                out_start = end_of(position, &rows, row_bytes);
            }
            resume = band.end;
            while spans.get(next).is_some_and(|span| span.end <= resume) {
                next += 1;
            }
        }
        Ok(())
    }

    /// Reads the part of a band that one chunk holds.
    fn read_chunk(&self, place: &ChunkPlace<'_>, reads: &mut Reads<'_>) -> Result<()> {
        let ChunkPlace { band, columns, .. } = place;
        let Some(chunk) = place.chunk else {
            return self.fill_band(band, columns, reads);
        };
        let is_plain = self.pipeline.is_empty(chunk.filter_mask);
        if is_plain && chunk.stored_bytes as usize != self.grid.chunk_bytes {
            return Err(Error::corrupt(format!(
                "a chunk has {} bytes, not {}",
                chunk.stored_bytes, self.grid.chunk_bytes
            )));
        }
        if is_plain && columns.is_whole_row() {
            for (rows, position) in band.pieces() {
                let start = place.chunk_row(rows.start);
                let len = place.chunk_row(rows.end) - start;
                reads.read(chunk.address + start as u64, position, len)?;
            }
            return Ok(());
        }
        let (source, out) = reads.parts()?;
        let large = (self.grid.chunk_bytes > USUAL_CHUNK_BYTES)
            .then(|| LARGE.get_or_make(|| Ok(Arc::default())))
            .transpose()?;
        let _alone = large.as_deref().map(alone).transpose()?;
        Scratch::with(|scratch| {
            let stored = scratch.stored.room(chunk.stored_bytes as usize)?;
            source.read(chunk.address, stored)?;
            let decoders = &mut scratch.decoders;
            if let Some(whole) = self.whole_chunk(band, columns, out) {
                return self
                    .pipeline
                    .decode(chunk.filter_mask, decoders, stored, whole);
            }
            let decoded = scratch.chunk.room(self.grid.chunk_bytes)?;
            self.pipeline
                .decode(chunk.filter_mask, decoders, stored, decoded)?;
            for (rows, position) in band.pieces() {
                let from = decoded
                    .get(place.chunk_row(rows.start)..)
                    .ok_or_else(outside)?;
                let to = out.get_mut(position..).ok_or_else(outside)?;
                columns.copy(from, to, (rows.end - rows.start) as usize)?;
            }
            Ok(())
        })
    }

    /// The place of a chunk in the output, if all of it is wanted as it is.
    fn whole_chunk<'o>(
        &self,
        band: &Band<'_>,
        columns: &Columns,
        out: &'o mut [u8],
    ) -> Option<&'o mut [u8]> {
        let (rows, position) = band.pieces().next()?;
        let is_whole = columns.is_whole_row() && rows.end - rows.start == self.grid.band_rows();
        let place = out.get_mut(position..)?.get_mut(..self.grid.chunk_bytes)?;
        is_whole.then_some(place)
    }

    fn fill_band(&self, band: &Band<'_>, columns: &Columns, reads: &mut Reads<'_>) -> Result<()> {
        let (_, out) = reads.parts()?;
        let mut row = vec![0; columns.chunk_row_bytes];
        fill(&self.fill, &mut row);
        for (rows, position) in band.pieces() {
            for index in 0..(rows.end - rows.start) as usize {
                let to = out.get_mut(position + index * columns.row_bytes..);
                columns.copy(&row, to.ok_or_else(outside)?, 1)?;
            }
        }
        Ok(())
    }
}

/// Waits until no other thread decodes a very large chunk.
///
/// # Errors
/// `Cancelled` if what this thread works for was stopped.
fn alone(large: &Mutex<()>) -> Result<MutexGuard<'_, ()>> {
    loop {
        match large.try_lock() {
            Ok(guard) => return Ok(guard),
            Err(TryLockError::Poisoned(guard)) => return Ok(guard.into_inner()),
            Err(TryLockError::WouldBlock) => {}
        }
        if let Some(operation) = Operation::current() {
            operation.look();
            operation.check()?;
        }
        thread::sleep(WAIT);
    }
}

#[cfg(test)]
mod tests {
    use anndex_store::ErrorKind;

    use super::*;

    #[test]
    fn waiting_for_a_very_large_chunk_ends_with_the_operation() {
        let large = Mutex::new(());
        let first = alone(&large).unwrap();
        let operation = Operation::new();
        operation.stop();
        let error = operation.within(|| alone(&large).map(drop)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        drop(first);
        operation.within(|| alone(&large).map(drop)).unwrap();
    }
}
