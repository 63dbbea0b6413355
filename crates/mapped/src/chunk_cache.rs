//! Decoded chunks that single samples and batches come back to.
//!
//! One cell of a compressed file costs the decoding of whole chunks, which hold many cells. A loader
//! has no use for this: it knows what it needs next.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::columns::Columns;
use super::pack::Packed;
use anndex_store::error::Result;

/// What one chunk takes at least, by which the cache is laid out.
const SMALLEST_CHUNK_BYTES: u64 = 16 << 10;
/// After so many lookups it is judged whether they found enough.
const LOOKUPS_PER_JUDGEMENT: u64 = 4096;
/// A cache whose lookups find less than one in so many costs more than it saves.
const WORTHWHILE: u64 = 20;
/// So many judgements are passed over before it is tried again.
const RESTS: u64 = 16;

/// Chunks of all arrays of a mapped collection, within a budget of bytes.
///
/// A chunk is packed by whoever misses it, without a lock; two who miss the same one at once both
/// decode it.
#[derive(Debug)]
pub(super) struct ChunkCache {
    chunks: Cache<Key, Chunk, Bytes>,
    arrays: AtomicU32,
    lookups: AtomicU64,
    found: AtomicU64,
    /// Lookups that are still to be passed over, since the last ones found too little.
    resting: AtomicU64,
}

/// Which chunk of which array, converted to the type of samples or of batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) array: u32,
    pub(super) chunk: u64,
    pub(super) is_converted: bool,
}

/// A packed chunk of either kind.
#[derive(Debug, Clone)]
pub(super) enum Chunk {
    Values(Arc<Packed>),
    Columns(Arc<Columns>),
}

/// What is packed of a chunk.
pub(super) trait Block: Send + Sync + Sized {
    /// As an entry of the cache.
    fn into_chunk(self: Arc<Self>) -> Chunk;
    /// Back from an entry; `None` if it is of the other kind.
    fn of_chunk(chunk: Chunk) -> Option<Arc<Self>>;
}

impl Block for Packed {
    fn into_chunk(self: Arc<Self>) -> Chunk {
        Chunk::Values(self)
    }
    fn of_chunk(chunk: Chunk) -> Option<Arc<Self>> {
        match chunk {
            Chunk::Values(values) => Some(values),
            Chunk::Columns(_) => None,
        }
    }
}

impl Block for Columns {
    fn into_chunk(self: Arc<Self>) -> Chunk {
        Chunk::Columns(self)
    }
    fn of_chunk(chunk: Chunk) -> Option<Arc<Self>> {
        match chunk {
            Chunk::Columns(columns) => Some(columns),
            Chunk::Values(_) => None,
        }
    }
}

#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<Key, Chunk> for Bytes {
    fn weight(&self, _: &Key, chunk: &Chunk) -> u64 {
        let bytes = match chunk {
            Chunk::Values(values) => values.bytes(),
            Chunk::Columns(columns) => columns.bytes(),
        };
        (bytes + size_of::<Key>() + size_of::<Chunk>()) as u64
    }
}

impl ChunkCache {
    /// A cache of at most `bytes` bytes; with 0 nothing is kept.
    pub(super) fn new(bytes: u64) -> Self {
        let chunks = usize::try_from(bytes / SMALLEST_CHUNK_BYTES).unwrap_or(usize::MAX);
        Self {
            chunks: Cache::with_weighter(chunks, bytes, Bytes),
            arrays: AtomicU32::new(0),
            lookups: AtomicU64::new(0),
            found: AtomicU64::new(0),
            resting: AtomicU64::new(0),
        }
    }

    /// A number for an array that has none yet.
    pub(super) fn number_array(&self) -> u32 {
        self.arrays.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether to look chunks of `bytes` bytes up now: not if a few of them would fill the cache,
    /// nor while it does not help.
    pub(super) fn is_useful(&self, bytes: u64) -> bool {
        if bytes > self.chunks.shard_capacity() / 4 {
            return false;
        }
        // The counters may miss some of what threads do at once, which does not matter.
        let resting = self.resting.load(Ordering::Relaxed);
        if resting > 0 {
            self.resting.store(resting - 1, Ordering::Relaxed);
        }
        resting == 0
    }

    /// The chunk under a key, which `read` makes where it is missing.
    pub(super) fn get<B: Block>(
        &self,
        key: Key,
        read: impl FnOnce() -> Result<B>,
    ) -> Result<Arc<B>> {
        let found = self.chunks.get(&key).and_then(B::of_chunk);
        self.judge(found.is_some());
        if let Some(block) = found {
            return Ok(block);
        }
        let block = Arc::new(read()?);
        self.chunks.insert(key, block.clone().into_chunk());
        Ok(block)
    }

    fn judge(&self, found: bool) {
        let hits = self.found.fetch_add(u64::from(found), Ordering::Relaxed) + u64::from(found);
        let lookups = self.lookups.fetch_add(1, Ordering::Relaxed) + 1;
        if lookups < LOOKUPS_PER_JUDGEMENT {
            return;
        }
        self.lookups.store(0, Ordering::Relaxed);
        self.found.store(0, Ordering::Relaxed);
        // While it fills, it can't have found much.
        let is_full = self.chunks.weight() > self.chunks.capacity() / 10 * 9;
        if is_full && hits * WORTHWHILE < lookups {
            self.resting
                .store(RESTS * LOOKUPS_PER_JUDGEMENT, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::ColumnPacking;
    use anndex_store::DataType;
    use anndex_store::error::Error;

    fn columns(n: usize) -> Columns {
        let indices = vec![1i32; n];
        let bytes = bytemuck::cast_slice(&indices);
        Columns::new(&DataType::Int32, bytes, 5, ColumnPacking::Small).unwrap()
    }

    fn key(chunk: u64) -> Key {
        Key {
            array: 0,
            chunk,
            is_converted: false,
        }
    }

    #[test]
    fn what_was_read_is_not_read_again_and_memory_is_bounded() {
        let cache = ChunkCache::new(1 << 20);
        let mut reads = 0;
        for chunk in [0, 1, 0, 1, 0] {
            cache
                .get(key(chunk), || {
                    reads += 1;
                    Ok(columns(5_000))
                })
                .unwrap();
        }
        assert_eq!(reads, 2);
        let failed = cache.get::<Columns>(key(7), || Err(Error::corrupt("damaged")));
        assert!(failed.is_err());
        for chunk in 0..1_000 {
            cache.get(key(chunk), || Ok(columns(5_000))).unwrap();
        }
        assert!(cache.chunks.weight() <= 1 << 20);
    }

    #[test]
    fn a_cache_that_does_not_help_gets_out_of_the_way_and_tries_again() {
        let cache = ChunkCache::new(1 << 20);
        assert!(!cache.is_useful(1 << 20), "one chunk would fill it");
        assert!(cache.is_useful(10_000));
        for chunk in 0..2 * LOOKUPS_PER_JUDGEMENT {
            cache.get(key(chunk), || Ok(columns(5_000))).unwrap();
        }
        let passed_over = (0..1_000_000)
            .take_while(|_| !cache.is_useful(10_000))
            .count();
        assert_eq!(passed_over as u64, RESTS * LOOKUPS_PER_JUDGEMENT);
        assert!(!ChunkCache::new(0).is_useful(1));
    }
}
