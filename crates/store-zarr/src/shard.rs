//! Shards: stored objects of many chunks with an index of where each chunk lies.

use std::num::NonZeroU64;
use std::sync::{Arc, OnceLock};

use anndex_store::storage::Fetched;
use anndex_store::{Error, Result};
use zarrs::array::{CodecChain, FillValue, data_type};

use crate::decoder::{Decoded, Decoder, TextEncoding};
use crate::storage::{Storage, Value};

/// Arrays of more shards do not keep their indexes.
const CACHED_SHARDS: u64 = 1 << 20;
/// More chunks in a shard than this are refused.
const CHUNKS_LIMIT: u64 = 1 << 24;
/// What stands in the index for a chunk that is not stored.
pub(crate) const ABSENT: (u64, u64) = (u64::MAX, u64::MAX);

/// The shards of one array. Indexes are read once and kept; no lock is held while reading.
#[derive(Debug)]
pub(crate) struct Shards {
    /// Chunks along each axis of a shard.
    chunks: Vec<u64>,
    /// Shards along each axis of the array.
    grid: Vec<u64>,
    index: Decoder,
    index_size: u64,
    index_at_start: bool,
    cache: OnceLock<Box<[OnceLock<ShardIndex>]>>,
}

/// `None` if the shard is not stored.
type ShardIndex = Option<Arc<Shard>>;

/// A stored shard.
#[derive(Debug)]
pub(crate) struct Shard {
    /// Position and length of each chunk, in C order.
    entries: Box<[(u64, u64)]>,
    /// The stored object, unless it takes memory.
    pub(crate) value: Option<Value>,
}

impl Shards {
    /// `chunks` are the chunks along each axis of a shard, `grid` the shards along each axis of
    /// the array.
    pub(crate) fn new(
        chunks: Vec<u64>,
        grid: Vec<u64>,
        index_codecs: Arc<CodecChain>,
        index_at_start: bool,
    ) -> Result<Self> {
        let count = chunks
            .iter()
            .try_fold(1u64, |product, &n| product.checked_mul(n));
        if count.is_none_or(|count| count > CHUNKS_LIMIT) {
            let message = format!("shards of {chunks:?} chunks have more than {CHUNKS_LIMIT}");
            return Err(Error::unsupported(message));
        }
        let shape = chunks.iter().chain(&[2]).copied().map(NonZeroU64::new);
        let shape = shape.collect::<Option<Vec<_>>>();
        let shape = shape.ok_or_else(|| Error::corrupt("a shard holds no chunks"))?;
        let fill = FillValue::from(u64::MAX);
        let index = Decoder::new(
            index_codecs,
            shape,
            data_type::uint64(),
            fill,
            TextEncoding::Lengths,
            false,
        )?;
        let index_size = index.stored_size().ok_or_else(|| {
            Error::unsupported("the index of the shards is compressed, so its length is not known")
        })?;
        Ok(Self {
            chunks,
            grid,
            index,
            index_size,
            index_at_start,
            cache: OnceLock::new(),
        })
    }

    /// The shard that a chunk lies in.
    pub(crate) fn shard_of(&self, chunk: &[u64]) -> Vec<u64> {
        let pairs = chunk.iter().zip(&self.chunks);
        pairs.map(|(index, chunks)| index / chunks).collect()
    }

    /// The shard stored at `key`, with position and length of a chunk in it; `None` if it is not
    /// stored.
    pub(crate) fn locate(
        &self,
        storage: &dyn Storage,
        key: &str,
        chunk: &[u64],
    ) -> Result<Option<(Arc<Shard>, u64, u64)>> {
        let Some(shard) = self.index(storage, key, chunk)? else {
            return Ok(None);
        };
        let pairs = chunk.iter().zip(&self.chunks);
        let at = pairs.fold(0u64, |at, (index, chunks)| at * chunks + index % chunks);
        let entry = usize::try_from(at)
            .ok()
            .and_then(|at| shard.entries.get(at));
        let entry = entry.copied().filter(|&entry| entry != ABSENT);
        Ok(entry.map(|(position, length)| (shard, position, length)))
    }

    fn index(&self, storage: &dyn Storage, key: &str, chunk: &[u64]) -> Result<ShardIndex> {
        let Some(slot) = self.slot(chunk) else {
            return self.read_index(storage, key);
        };
        if let Some(index) = slot.get() {
            return Ok(index.clone());
        }
        // Two threads may read the same index at the same time; the first one is kept.
        let index = self.read_index(storage, key)?;
        Ok(slot.get_or_init(|| index).clone())
    }

    fn slot(&self, chunk: &[u64]) -> Option<&OnceLock<ShardIndex>> {
        let shards = self
            .grid
            .iter()
            .try_fold(1u64, |product, &n| product.checked_mul(n));
        let shards = shards.filter(|&shards| shards <= CACHED_SHARDS)?;
        let cache = self
            .cache
            .get_or_init(|| (0..shards).map(|_| OnceLock::new()).collect());
        let shard = chunk.iter().zip(&self.chunks).zip(&self.grid);
        let at = shard.fold(0, |at, ((index, chunks), grid)| at * grid + index / chunks);
        cache.get(usize::try_from(at).ok()?)
    }

    fn read_index(&self, storage: &dyn Storage, key: &str) -> Result<ShardIndex> {
        let Some(value) = storage.open(key)? else {
            return Ok(None);
        };
        let size = value.len();
        let damaged = || Error::corrupt("the index of a shard is damaged").with("file", key);
        let end = size.checked_sub(self.index_size).ok_or_else(damaged)?;
        let position = if self.index_at_start { 0 } else { end };
        let mut bytes = vec![0; usize::try_from(self.index_size).map_err(|_| damaged())?];
        value
            .read(position, &Fetched::default(), &mut bytes)
            .map_err(|e| e.with("file", key))?;
        let decoded = self.index.decode(bytes).map_err(|e| e.with("file", key))?;
        let Decoded::Fixed(bytes) = decoded else {
            return Err(damaged());
        };
        let numbers = bytes.chunks_exact(16).map(|pair| {
            let number = |at: usize| {
                let bytes: Option<[u8; 8]> = pair.get(at..at + 8)?.try_into().ok();
                bytes.map(u64::from_ne_bytes)
            };
            let entry = (number(0)?, number(8)?);
            let inside = entry.0.checked_add(entry.1).is_some_and(|end| end <= size);
            (inside || entry == ABSENT).then_some(entry)
        });
        let entries = numbers.collect::<Option<_>>().ok_or_else(damaged)?;
        let value = value.keep().map_err(|e| e.with("file", key))?;
        Ok(Some(Arc::new(Shard { entries, value })))
    }
}
