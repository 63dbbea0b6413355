//! Finding, reading and decoding chunks.

use std::ops::Range;
use std::sync::Arc;

use anndex_codec::Buffer;
use anndex_store::Span;
use anndex_store::storage::{Fetched, Ranges, ReadAt};
use anndex_store::{Error, Limits, Result};

use crate::decoder::{CHUNK_LIMIT, Decoded};
use crate::hierarchy::{Hierarchy, Node};
use crate::layout::{Codecs, Layout};
use crate::shard::Shard;
use crate::storage::Value;

use super::grid::Piece;

/// Below this decoded size no shape is too large to be read whole.
const SMALL_ARRAY: u128 = 256 << 20;
/// Stored objects that are looked at to estimate what a large array occupies.
const SAMPLES: u64 = 64;

/// The chunks of one array.
#[derive(Debug)]
pub(crate) struct Chunks {
    hierarchy: Arc<Hierarchy>,
    path: String,
    pub(crate) layout: Layout,
}

/// Where the bytes of a stored chunk lie.
struct Place {
    key: String,
    source: Source,
    position: u64,
    length: u64,
}

enum Source {
    Value(Value),
    /// A shard that is kept.
    Shard(Arc<Shard>),
}

impl Place {
    fn value(&self) -> Option<&Value> {
        match &self.source {
            Source::Value(value) => Some(value),
            Source::Shard(shard) => shard.value.as_ref(),
        }
    }

    /// Fills `out` with the bytes from `position` of the chunk on.
    fn read(&self, position: u64, fetched: &Fetched, out: &mut [u8]) -> Result<()> {
        let end = position.checked_add(out.len() as u64);
        let inside = end.is_some_and(|end| end <= self.length);
        let value = self.value().filter(|_| inside);
        let value = value.ok_or_else(|| Error::corrupt("a chunk is shorter than its shape"))?;
        value.read(self.position.saturating_add(position), fetched, out)
    }

    /// Adds a part of the chunk to what is to be read ahead.
    fn want(&self, part: Range<u64>, wanted: &mut Ranges) {
        // What is not there is an error where it is read.
        if part.end <= self.length
            && let Some(file) = self.value().and_then(Value::as_remote)
        {
            let at = |position: u64| self.position.saturating_add(position);
            wanted.add(file, at(part.start)..at(part.end).min(file.len()));
        }
    }
}

impl Chunks {
    pub(crate) fn open(hierarchy: Arc<Hierarchy>, path: &str, node: &Node) -> Result<Self> {
        let layout = Layout::read(hierarchy.version, path, node)?;
        Ok(Self {
            hierarchy,
            path: path.to_owned(),
            layout,
        })
    }

    pub(crate) fn named(&self, error: Error) -> Error {
        self.hierarchy.named(error, &self.path)
    }

    pub(crate) fn codecs(&self) -> Result<&Codecs> {
        let codecs = self.layout.codecs.as_ref();
        codecs.map_err(|(kind, message)| Error::new(*kind, message))
    }

    pub(crate) fn damaged(&self, index: &[u64]) -> Error {
        Error::corrupt(format!(
            "the chunk {index:?} does not hold what the metadata say"
        ))
    }

    /// Calls `f` with the bytes of a chunk as stored, or with `None` if it is not stored.
    pub(crate) fn with_stored<T>(
        &self,
        index: &[u64],
        fetched: &Fetched,
        buffer: &mut Buffer,
        f: impl FnOnce(Option<&[u8]>) -> Result<T>,
    ) -> Result<T> {
        let Some(place) = self.place(index)? else {
            return f(None);
        };
        let read = || {
            let limit = 2 * CHUNK_LIMIT;
            let length = place.length;
            if length > limit {
                let message = format!("a chunk of {length} bytes is larger than can be read");
                return Err(Error::unsupported(message));
            }
            let out = buffer.room(length as usize)?;
            place.read(0, fetched, out)?;
            f(Some(out))
        };
        read().map_err(|e| e.with("file", &place.key))
    }

    /// Reads and decodes a chunk; `None` if it is not stored.
    pub(crate) fn fetch(&self, index: &[u64]) -> Result<Option<Decoded>> {
        let nothing = Fetched::default();
        self.with_stored(index, &nothing, &mut Buffer::default(), |stored| {
            let decoded = stored.map(|stored| self.codecs()?.decoder.decode(stored.to_vec()));
            decoded.transpose()
        })
    }

    fn place(&self, index: &[u64]) -> Result<Option<Place>> {
        let codecs = self.codecs()?;
        let storage = &*self.hierarchy.storage;
        let Some(shards) = &codecs.shards else {
            let key = codecs.key(index);
            return Ok(storage.open(&key)?.map(|value| Place {
                key,
                position: 0,
                length: value.len(),
                source: Source::Value(value),
            }));
        };
        let key = codecs.key(&shards.shard_of(index));
        let Some((shard, position, length)) = shards.locate(storage, &key, index)? else {
            return Ok(None);
        };
        let source = match shard.value {
            Some(_) => Source::Shard(shard),
            None => match storage.open(&key)? {
                Some(value) => Source::Value(value),
                None => return Ok(None),
            },
        };
        Ok(Some(Place {
            key,
            source,
            position,
            length,
        }))
    }

    /// Whether rows can be read without the chunk around them: elements are stored as they are,
    /// and each row in one run.
    pub(crate) fn reads_parts(&self) -> bool {
        let layout = &self.layout;
        layout.plain && layout.chunk.get(1..) == layout.shape.get(1..)
    }

    /// Reads pieces of a row of chunks, of which there is one. `out` begins with the first.
    pub(crate) fn read_parts(
        &self,
        row: u64,
        pieces: &[Piece],
        row_bytes: usize,
        fetched: &Fetched,
        mut out: &mut [u8],
    ) -> Result<()> {
        let index = self.index_of_row(row);
        let beyond = || self.damaged(&index);
        let Some(place) = self.place(&index)? else {
            let fill = &self.codecs()?.fill;
            while let Some((head, tail)) = out.split_at_mut_checked(fill.len().max(1)) {
                head.copy_from_slice(fill);
                out = tail;
            }
            return Ok(());
        };
        for piece in pieces {
            let bytes = piece.len() as usize * row_bytes;
            let (head, tail) = out.split_at_mut_checked(bytes).ok_or_else(beyond)?;
            let part = piece.bytes(row_bytes).ok_or_else(beyond)?;
            place
                .read(part.start, fetched, head)
                .map_err(|e| e.with("file", &place.key))?;
            out = tail;
        }
        Ok(())
    }

    /// Refuses rows of so many bytes that are more than can come from what is stored.
    pub(crate) fn check_decoded(&self, spans: &[Span], row_bytes: u64) -> Result<()> {
        let limits = self.hierarchy.limits;
        let rows: u64 = spans.iter().map(Span::len).sum();
        let decoded = rows.saturating_mul(row_bytes);
        if limits.is_plausible(decoded, 0) {
            return Ok(());
        }
        match self.stored_bytes() {
            Some(stored) => limits.check_decoded(decoded, stored),
            None => Ok(()),
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        self.hierarchy.limits
    }

    /// The index of the only chunk of a row of chunks.
    fn index_of_row(&self, row: u64) -> Vec<u64> {
        let mut index = vec![0; self.layout.shape.len()];
        if let Some(first) = index.first_mut() {
            *first = row;
        }
        index
    }

    /// Reads what spans need of chunks on a server by few requests; `None` if they are on this
    /// machine. With `parts`, just the rows themselves.
    pub(crate) fn read_ahead(
        &self,
        spans: &[Span],
        parts: bool,
        row_bytes: usize,
    ) -> Result<Option<Fetched>> {
        if !self.hierarchy.storage.is_remote() {
            return Ok(None);
        }
        // Without codecs there are no places; and what can't be is not gone through.
        self.codecs()?;
        self.check_decoded(spans, row_bytes as u64)?;
        let mut wanted = Ranges::new();
        self.layout.for_each_row(spans, |row, pieces| {
            if parts {
                let place = self.place(&self.index_of_row(row))?;
                for piece in pieces {
                    if let (Some(place), Some(part)) = (&place, piece.bytes(row_bytes)) {
                        place.want(part, &mut wanted);
                    }
                }
                return Ok(());
            }
            self.layout.for_each_in_row(row, |_, index| {
                if let Some(place) = self.place(index)? {
                    place.want(0..place.length, &mut wanted);
                }
                Ok(())
            })
        })?;
        wanted.fetch().map(Some)
    }

    /// An estimate of what a large array occupies, from evenly spread samples of its stored
    /// objects; `None` where it is not known, and for small ones, unless they are on a server, whose
    /// objects were listed.
    pub(crate) fn stored_bytes(&self) -> Option<u64> {
        let layout = &self.layout;
        let codecs = layout.codecs.as_ref().ok()?;
        let size = layout.element.size().unwrap_or(8) as u128;
        let decoded = layout
            .shape
            .iter()
            .try_fold(size, |size, &n| size.checked_mul(n.into()));
        let is_small = decoded.is_some_and(|size| size <= SMALL_ARRAY);
        if is_small && !self.hierarchy.storage.is_remote() {
            return None;
        }
        let stored = layout.shard.as_ref().unwrap_or(&layout.chunk);
        let grid = layout
            .shape
            .iter()
            .zip(stored)
            .map(|(extent, stored)| extent.div_ceil(*stored));
        let grid: Vec<u64> = grid.collect();
        let count = grid
            .iter()
            .try_fold(1u64, |product, &n| product.checked_mul(n))?;
        let samples = count.min(SAMPLES);
        let mut sum = 0u128;
        for sample in 0..samples {
            // In the middle of its share, so that a damaged shape is not judged by its beginning.
            let at = (2 * u128::from(sample) + 1) * u128::from(count) / (2 * u128::from(samples));
            let mut rest = u64::try_from(at).ok()?;
            let mut index = vec![0; grid.len()];
            for (index, extent) in index.iter_mut().zip(&grid).rev() {
                *index = rest % extent;
                rest /= extent;
            }
            let size = self.hierarchy.storage.size(&codecs.key(&index));
            sum += u128::from(size.ok()?.unwrap_or(0));
        }
        u64::try_from(sum.saturating_mul(count.into()) / u128::from(samples.max(1))).ok()
    }
}
