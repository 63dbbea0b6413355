//! Reading rows of strings and structs, which take more room stored than decoded.

use anndex_store::Span;
use anndex_store::{Error, Result};

use super::{Layout, RawArray};
use crate::reads::too_short;
use crate::source::Source;

/// No batch is larger, whatever the chunks are.
const LARGEST_BATCH_BYTES: usize = 512 << 20;

/// Rows are read in batches of about this many bytes.
const BATCH_BYTES: usize = 8 << 20;

impl RawArray {
    /// Reads the rows of `spans` in batches, so that elements that take more room stored than
    /// decoded need little memory. No chunk lies in two batches.
    pub(crate) fn read_batches(
        &self,
        ahead: Option<&Source>,
        spans: &[Span],
        mut each: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        if self.row_bytes == 0 {
            return Ok(());
        }
        self.check_batches(spans)?;
        let band_rows = match &self.layout {
            Layout::Chunked(chunked) => chunked.grid.band_rows(),
            _ => 1,
        };
        let rows = (BATCH_BYTES / self.row_bytes).max(1) as u64;
        let rows = rows.div_ceil(band_rows).saturating_mul(band_rows);
        let mut batch: Vec<Span> = Vec::new();
        let mut buffer = Vec::new();
        for span in spans {
            let mut start = span.start;
            while start < span.end {
                let bound = (start / rows).saturating_add(1).saturating_mul(rows);
                let begins_new = batch
                    .last()
                    .is_some_and(|last| last.start / rows != start / rows);
                if begins_new {
                    each(self.read_batch(ahead, &batch, &mut buffer)?)?;
                    batch.clear();
                }
                let end = span.end.min(bound);
                batch.push(Span::new(start, end));
                start = end;
            }
        }
        each(self.read_batch(ahead, &batch, &mut buffer)?)
    }

    /// Refuses rows that can't come from what is stored.
    fn check_batches(&self, spans: &[Span]) -> Result<()> {
        if let Layout::Contiguous { address, .. } = &self.layout {
            let inside = |span| {
                let range = self.range(*address, span)?;
                Some(self.source.contains(range.start, range.end - range.start))
            };
            return match spans.iter().all(|span| inside(span) == Some(true)) {
                true => Ok(()),
                false => Err(too_short()),
            };
        }
        self.check_decoded(spans)
    }

    /// Refuses rows that are more than can come from what is stored.
    pub(super) fn check_decoded(&self, spans: &[Span]) -> Result<()> {
        let rows: u64 = spans.iter().map(Span::len).sum();
        let bytes = rows.saturating_mul(self.row_bytes as u64);
        match self.stored_bytes() {
            Some(stored) => self.source.limits().check_decoded(bytes, stored),
            None => Ok(()),
        }
    }

    fn read_batch<'a>(
        &self,
        ahead: Option<&Source>,
        spans: &[Span],
        buffer: &'a mut Vec<u8>,
    ) -> Result<&'a [u8]> {
        let rows: u64 = spans.iter().map(Span::len).sum();
        let bytes = usize::try_from(rows)
            .ok()
            .and_then(|rows| rows.checked_mul(self.row_bytes))
            .ok_or_else(too_short)?;
        if let Layout::Contiguous { size, .. } = &self.layout
            && *size < bytes as u64
        {
            return Err(too_short());
        }
        // A row of chunks is read at once, however wide it is.
        let is_stored_so = matches!(self.layout, Layout::Contiguous { .. });
        if bytes > LARGEST_BATCH_BYTES && !is_stored_so {
            return Err(Error::unsupported(format!(
                "rows of {bytes} bytes in all are stored in one row of chunks, which is more than \
                 can be read; write the array again with smaller chunks"
            )));
        }
        buffer.clear();
        buffer.try_reserve_exact(bytes).map_err(|_| too_short())?;
        buffer.resize(bytes, 0);
        self.read(ahead, spans, buffer)?;
        Ok(buffer)
    }
}
