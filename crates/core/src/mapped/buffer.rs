//! Memory of batches that is used again.
//!
//! A batch of megabytes that is given back to the system costs a page fault every 4 KiB when the
//! next one is made, which takes longer than filling it.

use std::sync::Mutex;

/// Buffers that nobody uses right now. Nobody waits for it: who finds it in use does without, so
/// that it does no harm in a process that was forked at that moment.
#[derive(Debug, Default)]
pub struct Buffers {
    free: Mutex<Vec<Vec<u64>>>,
}

/// Where batches are let go of one after the other, there are never more of them free at once.
const MOST_KEPT: usize = 4;

impl Buffers {
    /// A pool without buffers.
    pub fn new() -> Self {
        Self::default()
    }

    /// A buffer of unspecified content of as many 8-byte words, or an empty one.
    pub(super) fn take(&self, words: usize) -> Vec<u64> {
        let Ok(mut free) = self.free.try_lock() else {
            return Vec::new();
        };
        // The one that was given back last is most likely in the cache.
        let fitting = free.iter().rposition(|buffer| buffer.capacity() >= words);
        fitting.map(|index| free.remove(index)).unwrap_or_default()
    }

    /// Gives a buffer back; one that was not taken here is as good.
    pub fn give(&self, buffer: Vec<u64>) {
        let Ok(mut free) = self.free.try_lock() else {
            return;
        };
        if buffer.capacity() == 0 {
            return;
        }
        if free.len() >= MOST_KEPT {
            // Batches may have become larger, so the smallest goes.
            let smallest = (0..free.len()).min_by_key(|&index| free[index].capacity());
            if let Some(index) = smallest {
                free.remove(index);
            }
        }
        free.push(buffer);
    }
}
