//! How an array is cut into chunks, and where the elements of a chunk belong.

use anndex_store::{Error, Result};

/// Chunks up to this size are decoded by any number of threads. Writers make chunks of some MiB; those
/// that put a whole matrix into one make larger ones, which are decoded one after the other.
pub(crate) const USUAL_CHUNK_BYTES: usize = 256 << 20;
/// The format has no larger chunks.
const LARGEST_CHUNK_BYTES: usize = u32::MAX as usize;

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
    pub(crate) band_chunks: u64,
    /// Bytes of a decoded chunk.
    pub(crate) chunk_bytes: usize,
    pub(crate) element_size: usize,
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
        // A chunk that is larger than its array is small.
        let is_inside = shape
            .iter()
            .zip(chunk_shape)
            .all(|(&n, &chunk)| u64::from(chunk) <= n);
        let limit = match is_inside {
            true => LARGEST_CHUNK_BYTES,
            false => USUAL_CHUNK_BYTES,
        };
        let chunk_bytes = chunk_shape
            .iter()
            .try_fold(element_size, |size, &n| size.checked_mul(n as usize))
            .filter(|&bytes| bytes <= limit)
            .ok_or_else(|| {
                Error::corrupt(format!(
                    "chunks of shape {chunk_shape:?} are larger than {limit} bytes"
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
    pub(crate) fn columns(&self, mut index: u64) -> Columns {
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
pub(crate) struct Columns {
    extents: Vec<usize>,
    chunk_strides: Vec<usize>,
    row_strides: Vec<usize>,
    /// Where the part starts in a row, in bytes.
    start: usize,
    pub(crate) chunk_row_bytes: usize,
    pub(crate) row_bytes: usize,
    element_size: usize,
}

impl Columns {
    /// Whether rows of the chunk and of the array are the same bytes.
    pub(crate) fn is_whole_row(&self) -> bool {
        self.start == 0 && self.chunk_row_bytes == self.row_bytes
    }

    /// Copies this part of `count` rows from `chunk`, where they stand one after the other, to
    /// `out`, which holds whole rows.
    pub(crate) fn copy(&self, chunk: &[u8], out: &mut [u8], count: usize) -> Result<()> {
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

pub(crate) fn outside() -> Error {
    Error::corrupt("a chunk is smaller than its shape")
}
