//! Memory of batches that is used again.
//!
//! A batch of megabytes that is given back to the system costs a page fault every 4 KiB when the
//! next one is made, which takes longer than filling it.

use std::sync::{Mutex, PoisonError};

/// Buffers that nobody uses right now. Taking one from an empty pool makes a new one.
#[derive(Debug, Default)]
pub struct Buffers {
    free: Mutex<Vec<Vec<u64>>>,
}

/// More than what a loader has in flight at once would only hold memory.
const MOST_KEPT: usize = 12;

impl Buffers {
    /// A pool without buffers.
    pub fn new() -> Self {
        Self::default()
    }

    /// A buffer of unspecified content, in words of 8 bytes, that may be reused: the smallest that
    /// is large enough.
    pub(super) fn take(&self, words: usize) -> Vec<u64> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = (0..free.len()).filter(|&index| free[index].capacity() >= words);
        match fitting.min_by_key(|&index| free[index].capacity()) {
            Some(index) => free.swap_remove(index),
            None => Vec::new(),
        }
    }

    /// Gives a buffer back; one that was not taken here is as good.
    pub fn give(&self, buffer: Vec<u64>) {
        if buffer.capacity() == 0 {
            return;
        }
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() >= MOST_KEPT {
            // Batches may have become larger, so the smallest goes.
            let smallest = (0..free.len()).min_by_key(|&index| free[index].capacity());
            if let Some(index) = smallest {
                free.swap_remove(index);
            }
        }
        free.push(buffer);
    }
}
