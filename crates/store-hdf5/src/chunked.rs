//! Reading rows of arrays that are stored in chunks.

use std::ops::Range;
use std::sync::OnceLock;

use anndex_codec::Scratch;
use anndex_core::store::Span;
use anndex_core::{Error, Result};
use hdf5_reader::Hdf5File;

use crate::chunk_table::{Chunk, ChunkIndex, ChunkTable};
use crate::filter::Pipeline;
use crate::raw_array::{Reads, fill};
use crate::source::Source;
use crate::store::LARGEST_CHUNK_BYTES;

/// How an array is cut into chunks.
#[derive(Debug)]
pub(crate) struct Grid {
    pub(crate) shape: Vec<u64>,
    pub(crate) chunk_shape: Vec<u64>,
    pub(crate) chunk_shape_u32: Vec<u32>,
    /// Chunks along each axis.
    counts: Vec<u64>,
    /// Chunks in all.
    pub(crate) chunk_count: u64,
    /// Chunks side by side in one band, the chunks that share rows.
    band_chunks: u64,
    /// Bytes of a decoded chunk.
    pub(crate) chunk_bytes: usize,
    element_size: usize,
}

impl Grid {
    pub(crate) fn new(shape: &[u64], chunk_shape: &[u32], element_size: usize) -> Result<Self> {
        let misfit = || {
            Error::corrupt(format!(
                "chunks of shape {chunk_shape:?} do not fit an array of shape {shape:?}"
            ))
        };
        if shape.len() != chunk_shape.len() || shape.is_empty() || chunk_shape.contains(&0) {
            return Err(misfit());
        }
        let chunk_bytes = chunk_shape
            .iter()
            .try_fold(element_size, |size, &n| size.checked_mul(n as usize))
            .filter(|&bytes| bytes <= LARGEST_CHUNK_BYTES)
            .ok_or_else(|| {
                Error::corrupt(format!(
                    "chunks of shape {chunk_shape:?} are larger than {LARGEST_CHUNK_BYTES} bytes"
                ))
            })?;
        let counts: Vec<u64> = shape
            .iter()
            .zip(chunk_shape)
            .map(|(&extent, &chunk)| extent.div_ceil(u64::from(chunk)))
            .collect();
        let product = |counts: &[u64]| {
            counts
                .iter()
                .try_fold(1u64, |product, &n| product.checked_mul(n))
                .ok_or_else(misfit)
        };
        Ok(Self {
            chunk_count: product(&counts)?,
            band_chunks: product(&counts[1..])?,
            shape: shape.to_vec(),
            chunk_shape: chunk_shape.iter().copied().map(u64::from).collect(),
            chunk_shape_u32: chunk_shape.to_vec(),
            counts,
            chunk_bytes,
            element_size,
        })
    }

    /// The position of the chunk that starts at these element offsets, in C order; `None` for
    /// chunks outside the array, which stay in the file when an array shrinks.
    pub(crate) fn position(&self, offsets: &[u64]) -> Result<Option<u64>> {
        if offsets.len() != self.shape.len() {
            return Err(Error::corrupt(
                "the chunk index has the wrong number of axes",
            ));
        }
        let mut position = 0;
        for (axis, &offset) in offsets.iter().enumerate() {
            let chunk = self.chunk_shape[axis];
            if !offset.is_multiple_of(chunk) {
                return Err(Error::corrupt(
                    "the chunk index names a place between chunks",
                ));
            }
            if offset >= self.shape[axis] {
                return Ok(None);
            }
            position = position * self.counts[axis] + offset / chunk;
        }
        Ok(Some(position))
    }

    /// Rows of a band.
    pub(crate) fn band_rows(&self) -> u64 {
        self.chunk_shape[0]
    }

    /// The part of each row that lies in the chunk at `index` of a band.
    fn columns(&self, mut index: u64) -> Columns {
        let axes = self.shape.len();
        let mut extents = vec![0; axes - 1];
        let mut chunk_strides = vec![0; axes - 1];
        let mut row_strides = vec![0; axes - 1];
        let mut start = 0;
        let (mut chunk_stride, mut row_stride) = (self.element_size, self.element_size);
        for axis in (1..axes).rev() {
            let origin = index % self.counts[axis] * self.chunk_shape[axis];
            index /= self.counts[axis];
            extents[axis - 1] = self.chunk_shape[axis].min(self.shape[axis] - origin) as usize;
            chunk_strides[axis - 1] = chunk_stride;
            row_strides[axis - 1] = row_stride;
            start += origin as usize * row_stride;
            chunk_stride *= self.chunk_shape[axis] as usize;
            row_stride *= self.shape[axis] as usize;
        }
        Columns {
            extents,
            chunk_strides,
            row_strides,
            start,
            chunk_row_bytes: chunk_stride,
            row_bytes: row_stride,
            element_size: self.element_size,
        }
    }
}

impl Grid {
    /// Fills `chunk` with the elements of the chunk at `position`, zeros past the edge of the
    /// array; returns its element offsets.
    pub(crate) fn gather(
        &self,
        position: u64,
        elements: &[u8],
        chunk: &mut [u8],
    ) -> Result<Vec<u64>> {
        let columns = self.columns(position % self.band_chunks);
        let first_row = position / self.band_chunks * self.chunk_shape[0];
        let rows = self.chunk_shape[0].min(self.shape[0] - first_row) as usize;
        chunk.fill(0);
        for row in 0..rows {
            let from = (first_row as usize + row) * columns.row_bytes + columns.start;
            let from = elements.get(from..).ok_or_else(outside)?;
            let to = chunk
                .get_mut(row * columns.chunk_row_bytes..)
                .ok_or_else(outside)?;
            columns.copy_axis(0, from, &columns.row_strides, to, &columns.chunk_strides)?;
        }
        let mut offsets = vec![0; self.shape.len()];
        let mut rest = position;
        for axis in (0..self.shape.len()).rev() {
            offsets[axis] = rest % self.counts[axis] * self.chunk_shape[axis];
            rest /= self.counts[axis];
        }
        Ok(offsets)
    }
}

/// The part of each row that lies in one chunk.
struct Columns {
    extents: Vec<usize>,
    chunk_strides: Vec<usize>,
    row_strides: Vec<usize>,
    /// Where the part starts in a row, in bytes.
    start: usize,
    chunk_row_bytes: usize,
    row_bytes: usize,
    element_size: usize,
}

impl Columns {
    /// Whether rows of the chunk and of the array are the same bytes.
    fn is_whole_row(&self) -> bool {
        self.start == 0 && self.chunk_row_bytes == self.row_bytes
    }

    /// Copies this part of `count` rows from `chunk`, where they stand one after the other, to
    /// `out`, which holds whole rows.
    fn copy(&self, chunk: &[u8], out: &mut [u8], count: usize) -> Result<()> {
        if self.is_whole_row() {
            let bytes = count * self.row_bytes;
            let (Some(from), Some(to)) = (chunk.get(..bytes), out.get_mut(..bytes)) else {
                return Err(outside());
            };
            to.copy_from_slice(from);
            return Ok(());
        }
        for row in 0..count {
            let from = chunk
                .get(row * self.chunk_row_bytes..)
                .ok_or_else(outside)?;
            let to = out
                .get_mut(row * self.row_bytes + self.start..)
                .ok_or_else(outside)?;
            self.copy_axis(0, from, &self.chunk_strides, to, &self.row_strides)?;
        }
        Ok(())
    }

    /// Copies the part of one row from one of chunk and array to the other.
    fn copy_axis(
        &self,
        axis: usize,
        from: &[u8],
        from_strides: &[usize],
        to: &mut [u8],
        to_strides: &[usize],
    ) -> Result<()> {
        let Some(&extent) = self.extents.get(axis) else {
            return copy_run(self.element_size, from, to);
        };
        if axis + 1 == self.extents.len() {
            return copy_run(extent * self.element_size, from, to);
        }
        for index in 0..extent {
            let from = from.get(index * from_strides[axis]..).ok_or_else(outside)?;
            let to = to.get_mut(index * to_strides[axis]..).ok_or_else(outside)?;
            self.copy_axis(axis + 1, from, from_strides, to, to_strides)?;
        }
        Ok(())
    }
}

fn copy_run(bytes: usize, from: &[u8], to: &mut [u8]) -> Result<()> {
    let (Some(from), Some(to)) = (from.get(..bytes), to.get_mut(..bytes)) else {
        return Err(outside());
    };
    to.copy_from_slice(from);
    Ok(())
}

fn outside() -> Error {
    Error::corrupt("a chunk is smaller than its shape")
}

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
            out_start += (rows.end - rows.start) as usize * self.row_bytes;
            Some(piece)
        })
    }
}

/// An array stored in chunks.
#[derive(Debug)]
pub(crate) struct Chunked {
    pub(crate) grid: Grid,
    pub(crate) index: ChunkIndex,
    pub(crate) pipeline: Pipeline,
    /// One element that stands for all that were never written.
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
        let row_bytes = self.grid.columns(0).row_bytes;
        let band_rows = self.grid.band_rows();
        let mut reads = Reads::new(source, out);
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
                let chunk = table.get(index * self.grid.band_chunks + column);
                self.read_chunk(chunk, &band, index * band_rows, column, &mut reads)?;
            }
            for (rows, position) in band.pieces() {
                out_start = position + (rows.end - rows.start) as usize * row_bytes;
            }
            resume = band.end;
            while spans.get(next).is_some_and(|span| span.end <= resume) {
                next += 1;
            }
        }
        reads.flush()
    }

    /// Reads the part of a band that one chunk holds.
    fn read_chunk(
        &self,
        chunk: Option<&Chunk>,
        band: &Band<'_>,
        first_row: u64,
        column: u64,
        reads: &mut Reads<'_>,
    ) -> Result<()> {
        let columns = self.grid.columns(column);
        let chunk_row = |row: u64| (row - first_row) as usize * columns.chunk_row_bytes;
        let Some(chunk) = chunk else {
            return self.fill_band(band, &columns, reads);
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
                let address = chunk.address + chunk_row(rows.start) as u64;
                reads.read(
                    address,
                    position,
                    chunk_row(rows.end) - chunk_row(rows.start),
                )?;
            }
            return Ok(());
        }
        let (source, out) = reads.parts()?;
        Scratch::with(|scratch| {
            let stored = scratch.stored.room(chunk.stored_bytes as usize)?;
            source.read(chunk.address, stored)?;
            let decoders = &mut scratch.decoders;
            if let Some(place) = self.whole_chunk(band, &columns, out) {
                return self
                    .pipeline
                    .decode(chunk.filter_mask, decoders, stored, place);
            }
            let decoded = scratch.chunk.room(self.grid.chunk_bytes)?;
            self.pipeline
                .decode(chunk.filter_mask, decoders, stored, decoded)?;
            for (rows, position) in band.pieces() {
                let from = decoded.get(chunk_row(rows.start)..).ok_or_else(outside)?;
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
