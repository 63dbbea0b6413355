//! Reading many ranges of remote files at once: what lies close together comes by one request, and
//! many requests are made at the same time.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::wait::wait;
use super::{ReadAt, RemoteFile};
use crate::error::{Error, Result};

/// The most bytes of one request; longer ranges come by several, at the same time.
const REQUEST_BYTES: u64 = 4 << 20;

/// Ranges that are to be read together.
#[derive(Debug, Default)]
pub struct Ranges {
    ranges: Vec<(RemoteFile, Range<u64>)>,
    /// Bytes between ranges that are read along, if the options say no less.
    most_gap: Option<u64>,
}

/// The bytes of ranges.
#[derive(Debug, Clone, Default)]
pub struct Fetched(Arc<[Piece]>);

#[derive(Debug, Clone)]
struct Piece {
    file: usize,
    start: u64,
    bytes: Bytes,
}

impl Ranges {
    /// No ranges.
    pub fn new() -> Self {
        Self::default()
    }

    /// No ranges, which will be joined over no more bytes than this, whatever
    /// [`StreamOptions::gap`](super::StreamOptions::gap) says.
    pub fn within(gap: u64) -> Self {
        Self {
            most_gap: Some(gap),
            ..Self::default()
        }
    }

    /// Adds a range of a file, in any order.
    pub fn add(&mut self, file: &RemoteFile, range: Range<u64>) {
        if !range.is_empty() {
            self.ranges.push((file.clone(), range));
        }
    }

    /// Reads all of them.
    ///
    /// # Errors
    /// As [`ObjectStorage::read`](super::ObjectStorage::read), for the first request that fails;
    /// the others are given up.
    pub fn fetch(self) -> Result<Fetched> {
        let requests = self.requests();
        let Some(most) = requests
            .iter()
            .map(|(file, _)| file.reader().options())
            .max_by_key(|o| o.requests)
        else {
            return Ok(Fetched::default());
        };
        let read = |(file, range): (RemoteFile, Range<u64>)| async move {
            let bytes = file.reader().read(file.object(), range.clone()).await?;
            Ok::<_, Error>(Piece {
                file: file.id(),
                start: range.start,
                bytes,
            })
        };
        // In their order, by which they are found again.
        let reads = stream::iter(requests)
            .map(read)
            .buffered(most.requests.max(1));
        let pieces: Vec<_> = wait(reads.try_collect())?;
        Ok(Fetched(pieces.into()))
    }

    /// What to ask for: sorted, without overlap.
    fn requests(mut self) -> Vec<(RemoteFile, Range<u64>)> {
        self.ranges
            .sort_by_key(|(file, range)| (file.id(), range.start));
        let mut joined: Vec<(RemoteFile, Range<u64>)> = Vec::new();
        for (file, range) in self.ranges {
            let gap = file.reader().options().gap;
            let gap = self.most_gap.map_or(gap, |most| gap.min(most));
            match joined.last_mut() {
                Some((last, open))
                    if last.id() == file.id() && range.start <= open.end.saturating_add(gap) =>
                {
                    open.end = open.end.max(range.end);
                }
                _ => joined.push((file, range)),
            }
        }
        let cut = joined.into_iter().flat_map(|(file, range)| {
            let count = (range.end - range.start).div_ceil(REQUEST_BYTES);
            let step = (range.end - range.start).div_ceil(count.max(1));
            (0..count).map(move |number| {
                let start = range.start + number * step;
                (file.clone(), start..range.end.min(start + step))
            })
        });
        cut.collect()
    }
}

impl Fetched {
    /// These bytes and others.
    pub fn and(&self, others: &Self) -> Self {
        let pieces = self.0.iter().chain(others.0.iter());
        let mut pieces: Vec<Piece> = pieces.cloned().collect();
        pieces.sort_by_key(|piece| (piece.file, piece.start));
        Self(pieces.into())
    }

    /// Fills `out` with the bytes of a file from `offset` on: those that were fetched, and by a
    /// request of their own those that were not.
    ///
    /// # Errors
    /// As [`ReadAt::read_exact_at`].
    pub fn read_exact_at(
        &self,
        file: &RemoteFile,
        mut offset: u64,
        mut out: &mut [u8],
    ) -> std::io::Result<()> {
        let id = file.id();
        while !out.is_empty() {
            let next = self
                .0
                .partition_point(|piece| (piece.file, piece.start) <= (id, offset));
            let piece = next.checked_sub(1).map(|last| &self.0[last]);
            let bytes = piece.filter(|piece| piece.file == id).and_then(|piece| {
                let start = usize::try_from(offset - piece.start).ok()?;
                piece.bytes.get(start..).filter(|bytes| !bytes.is_empty())
            });
            let Some(bytes) = bytes else {
                return file.read_exact_at(offset, out);
            };
            let count = bytes.len().min(out.len());
            let (head, tail) = out.split_at_mut(count);
            head.copy_from_slice(&bytes[..count]);
            out = tail;
            offset += count as u64;
        }
        Ok(())
    }
}
