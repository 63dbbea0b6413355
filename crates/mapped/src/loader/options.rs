//! What a loader was asked for.

use crate::format::BatchFormat;
use crate::order::{Sampler, Shuffle};

/// The memory that a loader uses unless told otherwise, in bytes.
pub(super) const DEFAULT_MEMORY: u64 = 1 << 30;

/// The parameters of a loader; see [`LoaderBuilder`](super::LoaderBuilder).
#[derive(Debug, Clone)]
pub(super) struct Options {
    pub(super) batch_size: u64,
    pub(super) shuffle: Shuffle,
    pub(super) sampler: Sampler,
    pub(super) format: BatchFormat,
    pub(super) drop_last: bool,
    pub(super) rank: u64,
    pub(super) world_size: u64,
    /// `None` if it was left to the loader.
    pub(super) memory: Option<u64>,
    pub(super) threads: usize,
}

impl Options {
    /// The number of threads that read and decode: 0 stands for one for each core.
    pub(super) fn thread_count(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            count => count,
        }
    }
}
