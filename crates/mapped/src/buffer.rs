//! Memory of batches that is used again.
//!
//! A batch of megabytes that is given back to the system costs a page fault every 4 KiB when the
//! next one is made, which takes longer than filling it.

use std::sync::{Mutex, MutexGuard};

/// Buffers that nobody uses right now. Nobody waits long for it: who finds it in use again and
/// again does without, so that it does no harm in a process that was forked at that moment.
#[derive(Debug)]
pub struct Buffers {
    free: Mutex<Vec<Vec<u64>>>,
    /// The most buffers that are kept.
    most: usize,
}

/// Where batches are let go of one after the other, there are never more of them free at once.
const MOST_KEPT: usize = 4;
/// Batches that differ in size are given this part of their size more, which few of them exceed.
const ROOM_PART: usize = 8;
/// What is done while a pool is in use takes less than so many looks.
const LOOKS: usize = 1000;

impl Default for Buffers {
    fn default() -> Self {
        Self::keeping(MOST_KEPT)
    }
}

impl Buffers {
    /// A pool without buffers.
    pub fn new() -> Self {
        Self::default()
    }

    /// A pool without buffers that keeps at most `most` of those it is given.
    pub(super) fn keeping(most: usize) -> Self {
        Self {
            free: Mutex::default(),
            most,
        }
    }

    /// A buffer of unspecified content of as many 8-byte words, or an empty one.
    pub(super) fn take(&self, words: usize) -> Vec<u64> {
        let Some(mut free) = self.free() else {
            return Vec::new();
        };
        // The one that was given back last is most likely in the cache.
        let fitting = free.iter().rposition(|buffer| buffer.capacity() >= words);
        fitting.map(|index| free.remove(index)).unwrap_or_default()
    }

    /// The same for batches that differ in size: what is new, and therefore all zeros, has room to
    /// spare, so that the next batches fit into it. Pages that are never touched take no memory.
    pub(super) fn take_roomy(&self, words: usize) -> Vec<u64> {
        let taken = self.take(words);
        if !taken.is_empty() {
            return taken;
        }
        let roomy = words + words / ROOM_PART;
        // Without memory for that, the caller says that there is not enough.
        if Vec::<u64>::new().try_reserve_exact(roomy).is_err() {
            return Vec::new();
        }
        // Cleared by the system, page by page when they are first touched.
        let mut new = vec![0; roomy];
        new.truncate(words);
        new
    }

    fn free(&self) -> Option<MutexGuard<'_, Vec<Vec<u64>>>> {
        (0..LOOKS).find_map(|_| {
            let free = self.free.try_lock().ok();
            if free.is_none() {
                std::hint::spin_loop();
            }
            free
        })
    }

    /// Gives a buffer back; one that was not taken here is as good.
    pub fn give(&self, buffer: Vec<u64>) {
        let Some(mut free) = self.free() else {
            return;
        };
        if buffer.capacity() == 0 {
            return;
        }
        if free.len() >= self.most {
            // Batches may have become larger, so the smallest goes.
            let smallest = (0..free.len()).min_by_key(|&index| free[index].capacity());
            if let Some(index) = smallest {
                free.remove(index);
            }
        }
        free.push(buffer);
    }
}
