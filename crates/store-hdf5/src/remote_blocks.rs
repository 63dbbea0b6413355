//! The structure of a file on a server, in blocks that are kept while it is opened.
//!
//! Structure is read in many tiny pieces, each of which depends on the one before, so that every
//! block saves the time of many requests. Where pieces follow each other, more is read at once.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use anndex_store::operation::{LOOK, Operation};
use anndex_store::storage::{Ranges, ReadAt, RemoteFile};
use anndex_store::{Error, Result};
use hdf5_reader::StorageBuffer;

use crate::source::check_range;

/// A block of this size takes a server no longer than a few bytes.
const BLOCK_BYTES: u64 = 64 << 10;
/// So many are kept for a file: 4 MiB.
const KEPT_BLOCKS: usize = 64;
/// The most that are read because they follow what was read before.
const LONGEST_RUN: u64 = 4;

/// The blocks of one file.
pub(crate) struct RemoteBlocks {
    file: RemoteFile,
    kept: Mutex<Kept>,
    /// Whoever waits for a block that somebody else reads is told.
    read: Condvar,
}

#[derive(Default)]
struct Kept {
    blocks: HashMap<u64, Block>,
    /// Their numbers, the oldest first.
    order: VecDeque<u64>,
    /// How many blocks were read at once, by the number of the block that follows them.
    runs: HashMap<u64, u64>,
    /// Those that are being read.
    coming: HashSet<u64>,
}

type Block = Arc<Vec<u8>>;

impl RemoteBlocks {
    pub(crate) fn new(file: RemoteFile) -> Self {
        Self {
            file,
            kept: Mutex::default(),
            read: Condvar::new(),
        }
    }

    /// Lets go of all blocks.
    pub(crate) fn release(&self) {
        let mut kept = self.kept();
        let coming = std::mem::take(&mut kept.coming);
        *kept = Kept {
            coming,
            ..Kept::default()
        };
    }

    /// Reads what lies at these positions at the same time, as far as there is room for it.
    ///
    /// # Errors
    /// What a request gives.
    pub(crate) fn load(&self, positions: impl Iterator<Item = Range<u64>>) -> Result<()> {
        let numbers = positions.flat_map(|range| {
            let end = range.end.min(self.file.len());
            range.start / BLOCK_BYTES..end.div_ceil(BLOCK_BYTES)
        });
        let mut numbers: Vec<u64> = numbers.collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.truncate(KEPT_BLOCKS / 2);
        let kept = self.kept();
        numbers.retain(|number| !kept.blocks.contains_key(number));
        drop(kept);
        let mut wanted = Ranges::new();
        for &number in &numbers {
            wanted.add(&self.file, self.range(number..number + 1));
        }
        let fetched = wanted.fetch()?;
        for number in numbers {
            let range = self.range(number..number + 1);
            let mut bytes = vec![0; (range.end - range.start) as usize];
            let read = fetched.read_exact_at(&self.file, range.start, &mut bytes);
            read.map_err(|e| Error::io(&self.file.object().key, e))?;
            self.kept().keep(number, bytes.into());
        }
        Ok(())
    }

    /// Bytes of the file.
    ///
    /// # Errors
    /// `UnexpectedEof` if there are fewer, and what a request gives.
    pub(crate) fn read(
        &self,
        offset: u64,
        len: usize,
    ) -> hdf5_reader::error::Result<StorageBuffer> {
        check_range(self.file.len(), offset, len)?;
        if len == 0 {
            return Ok(StorageBuffer::from_vec(Vec::new()));
        }
        let numbers = offset / BLOCK_BYTES..(offset + len as u64).div_ceil(BLOCK_BYTES);
        let blocks = self.blocks(numbers)?;
        let start = (offset % BLOCK_BYTES) as usize;
        if let [one] = blocks.as_slice() {
            return StorageBuffer::from_shared_owner(one.clone(), start, len);
        }
        let bytes = blocks.iter().flat_map(|block| block.iter());
        let bytes = bytes.skip(start).take(len).copied().collect();
        Ok(StorageBuffer::from_vec(bytes))
    }

    /// Neighbouring blocks, of which those that are missing are read.
    fn blocks(&self, numbers: Range<u64>) -> io::Result<Vec<Block>> {
        let mut kept = self.kept();
        let (first, mut found) = loop {
            let found = numbers.clone().map_while(|n| kept.blocks.get(&n).cloned());
            let found: Vec<Block> = found.collect();
            let first = numbers.start + found.len() as u64;
            if first >= numbers.end {
                return Ok(found);
            }
            if !kept.coming.contains(&first) {
                break (first, found);
            }
            let waited = self.read.wait_timeout(kept, LOOK);
            // The handler of a signal may take locks of its own.
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            if let Some(operation) = Operation::current() {
                operation.look();
                operation.check().map_err(io::Error::other)?;
            }
            kept = self.kept();
        };
        let before = kept.runs.remove(&first).unwrap_or(0);
        let most = self.file.len().div_ceil(BLOCK_BYTES);
        let count = (2 * before).clamp(1, LONGEST_RUN);
        let end = numbers.end.max((first + count).min(most));
        kept.coming.extend(first..end);
        drop(kept);
        let range = self.range(first..end);
        let mut bytes = vec![0; (range.end - range.start) as usize];
        let read = || self.file.read_exact_at(range.start, &mut bytes);
        // Others wait for these blocks, and must not do so for ever.
        let read = catch_unwind(AssertUnwindSafe(read));
        let mut kept = self.kept();
        kept.coming.retain(|number| !(first..end).contains(number));
        self.read.notify_all();
        match read {
            Ok(read) => read?,
            Err(panic) => {
                drop(kept);
                resume_unwind(panic);
            }
        }
        kept.runs.insert(end, end - first);
        for (number, bytes) in (first..end).zip(bytes.chunks(BLOCK_BYTES as usize)) {
            let block = Arc::new(bytes.to_vec());
            if number < numbers.end {
                found.push(block.clone());
            }
            kept.keep(number, block);
        }
        Ok(found)
    }

    /// Where blocks lie in the file.
    fn range(&self, numbers: Range<u64>) -> Range<u64> {
        let at = |number: u64| (number * BLOCK_BYTES).min(self.file.len());
        at(numbers.start)..at(numbers.end)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, number: u64, block: Block) {
        if self.blocks.insert(number, block).is_none() {
            self.order.push_back(number);
        }
        while self.order.len() > KEPT_BLOCKS
            && let Some(oldest) = self.order.pop_front()
        {
            self.blocks.remove(&oldest);
        }
    }
}
