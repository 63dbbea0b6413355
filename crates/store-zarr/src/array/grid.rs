//! Which chunks rows lie in, and where the elements of a chunk belong.

use std::ops::Range;

use anndex_store::Result;
use anndex_store::Span;

use crate::layout::Layout;

/// Rows that are read from one row of chunks (the chunks that share an index along axis 0).
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    /// Rows, counted from the first of the chunks.
    pub(crate) rows: Range<u64>,
    /// The row of the output that the first of them becomes.
    pub(crate) at: u64,
}

impl Piece {
    pub(crate) fn len(&self) -> u64 {
        self.rows.end - self.rows.start
    }

    /// Where its rows lie in a chunk of rows of so many bytes; `None` if that is beyond all measure.
    pub(crate) fn bytes(&self, row_bytes: usize) -> Option<Range<u64>> {
        let at = |row: u64| row.checked_mul(row_bytes as u64);
        Some(at(self.rows.start)?..at(self.rows.end)?)
    }
}

impl Layout {
    /// Calls `f` for each row of chunks that the spans touch, with its pieces in order.
    pub(crate) fn for_each_row(
        &self,
        spans: &[Span],
        mut f: impl FnMut(u64, &[Piece]) -> Result<()>,
    ) -> Result<()> {
        let height = self.chunk.first().copied().unwrap_or(1);
        let (mut current, mut at) = (0, 0);
        let mut pieces: Vec<Piece> = Vec::new();
        for span in spans {
            let mut start = span.start;
            while start < span.end {
                let row = start / height;
                if row != current && !pieces.is_empty() {
                    f(current, &pieces)?;
                    pieces.clear();
                }
                current = row;
                let first = row * height;
                let end = span.end.min(first.saturating_add(height));
                let rows = start - first..end - first;
                pieces.push(Piece { rows, at });
                at += end - start;
                start = end;
            }
        }
        if pieces.is_empty() {
            Ok(())
        } else {
            f(current, &pieces)
        }
    }

    /// Calls `f` for each chunk of a row of chunks, with its index along the axes after the first,
    /// and its whole index.
    pub(crate) fn for_each_in_row(
        &self,
        row: u64,
        mut f: impl FnMut(&[u64], &[u64]) -> Result<()>,
    ) -> Result<()> {
        if self.shape.is_empty() {
            return f(&[], &[]);
        }
        let counts = self.shape.iter().zip(&self.chunk).skip(1);
        let counts: Vec<u64> = counts
            .map(|(extent, chunk)| extent.div_ceil(*chunk))
            .collect();
        if counts.contains(&0) {
            return Ok(());
        }
        let mut index = vec![0; self.shape.len()];
        index[0] = row;
        loop {
            f(&index[1..], &index)?;
            if !advance(&mut index[1..], &counts) {
                return Ok(());
            }
        }
    }

    /// Whether the pieces are all of a chunk, in its order.
    pub(crate) fn is_whole_chunk(&self, pieces: &[Piece]) -> bool {
        let [piece] = pieces else {
            return false;
        };
        self.chunk.get(1..) == self.shape.get(1..)
            && piece.rows.start == 0
            && self
                .chunk
                .first()
                .is_none_or(|&rows| piece.rows.end == rows)
    }

    /// Where the rows of the pieces lie in a decoded chunk of this size, in bytes.
    pub(crate) fn parts(&self, pieces: &[Piece], chunk_bytes: usize) -> Vec<Range<usize>> {
        let rows = self.chunk.first().copied().unwrap_or(1).max(1);
        let row_bytes = chunk_bytes / usize::try_from(rows).unwrap_or(usize::MAX);
        let parts = pieces.iter().map(|piece| {
            let at = |row: u64| (row as usize).saturating_mul(row_bytes);
            at(piece.rows.start)..at(piece.rows.end)
        });
        parts.collect()
    }

    /// Calls `f` with (element of the chunk, element of the output, count) for each run of
    /// elements that lie side by side in both, for the given rows of a chunk. The output begins
    /// with the first of the rows. Stops where `f` returns `None`.
    pub(crate) fn for_each_run(
        &self,
        trailing: &[u64],
        rows: &Range<u64>,
        mut f: impl FnMut(usize, usize, usize) -> Option<()>,
    ) -> Option<()> {
        let to_usize = |n: u64| usize::try_from(n).ok();
        let (Some(chunk), Some(shape)) = (self.chunk.get(1..), self.shape.get(1..)) else {
            return f(0, 0, 1);
        };
        if chunk == shape {
            let row = chunk.iter().product::<u64>();
            let count = rows.end - rows.start;
            return f(to_usize(rows.start * row)?, 0, to_usize(count * row)?);
        }
        let origin: Vec<u64> = trailing
            .iter()
            .zip(chunk)
            .map(|(i, chunk)| i * chunk)
            .collect();
        let extents = chunk.iter().zip(shape).zip(&origin);
        let extents: Vec<u64> = extents.map(|((c, s), o)| (*c).min(s - o)).collect();
        // Runs go along the last axis; `counts` are the extents of the axes between.
        let (&run, counts) = extents.split_last()?;
        for row in rows.clone() {
            let mut index = vec![0; counts.len()];
            loop {
                let (mut from, mut to) = (row, row - rows.start);
                for axis in 0..chunk.len() {
                    let at = index.get(axis).copied().unwrap_or(0);
                    from = from * chunk[axis] + at;
                    to = to
                        .checked_mul(shape[axis])?
                        .checked_add(origin[axis] + at)?;
                }
                f(to_usize(from)?, to_usize(to)?, to_usize(run)?)?;
                if !advance(&mut index, counts) {
                    break;
                }
            }
        }
        Some(())
    }
}

/// Counts up an index, the last axis first; `false` after the last one.
fn advance(index: &mut [u64], counts: &[u64]) -> bool {
    for (index, count) in index.iter_mut().zip(counts).rev() {
        *index += 1;
        if *index < *count {
            return true;
        }
        *index = 0;
    }
    false
}
