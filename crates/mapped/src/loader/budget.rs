//! How many observations fit into memory.

use std::fmt;

use super::options::{DEFAULT_MEMORY, Options};
use crate::collection::MappedCollection;
use crate::format::BatchFormat;
use anndex_store::error::Result;

/// Rows that need no decoding cost the same whether read together or not, so a window of them is
/// no larger than what a processor's cache keeps.
const UNENCODED_WINDOW_BYTES: u64 = 8 << 20;
/// So many observations of which nothing is held are found together.
const UNHELD_WINDOW_ROWS: u64 = 16 << 10;
/// The same as [`UNENCODED_WINDOW_BYTES`] for rows that come in the order of storage, where few chunks are in two windows.
const ORDERED_WINDOW_BYTES: u64 = 128 << 20;
/// What finding a row takes: its number, its slot, and where it begins.
const PLACE_BYTES: f64 = 24.0;
/// Windows are planned with this much room to spare, in percent.
const MARGIN: f64 = 1.05;

/// Batches that wait take no more than this, beside the one that always may, so that they are
/// still in the processor's cache when they are taken.
const WAITING_BYTES: u64 = 16 << 20;
/// Nor do they take more than this part of the memory.
const WAITING_PART: u64 = 8;
/// What threads hold that wait for a server takes no more than this part of the memory.
const READING_PART: u64 = 4;

/// What exact order costs where the memory of a loader does not hold a whole epoch: chunks are
/// decoded again in each window that has any of their observations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RepeatedDecoding {
    /// How often each chunk is decoded in an epoch, on average.
    pub times: f64,
    /// The memory with which it would be once, since all observations fit, in bytes.
    pub memory: u64,
}

impl fmt::Display for RepeatedDecoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "in exact order, each chunk is decoded about {:.1} times in an epoch; with {} MiB of \
             memory it would be once; shuffling blocks decodes less, and so does a collection that \
             `prepare` has written in exact order",
            self.times,
            self.memory.div_ceil(1 << 20)
        )
    }
}

/// The bytes of a loader, and what an observation takes of them.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    /// What windows may take.
    memory: u64,
    /// Batches that wait, made or in the making, beside the one that is asked for.
    batches_ahead: usize,
    /// Bytes of an observation, at first at most, then as it was seen.
    row_bytes: f64,
    /// Whether rows are decoded or come from a server, so that they are better read together.
    together: bool,
    /// Whether any come from a server.
    is_remote: bool,
    /// Threads that read.
    threads: usize,
    /// The mean number of observations that have elements in one chunk of an encoded matrix.
    chunk_rows: f64,
    /// Whether windows hold nothing: all rows are read when they are put into a batch.
    unheld: bool,
    /// Whether such rows are kept all the same. Packed, they are in batches sooner than they are
    /// read again, but only sparse batches, which are no larger than what is stored, gain so much
    /// that it is worth memory that nobody has offered.
    keeps_unencoded: bool,
}

impl Budget {
    pub(super) fn new(mapped: &MappedCollection, options: &Options) -> Result<Self> {
        let mut bytes = 0f64;
        let mut batch_bytes = 0f64;
        let (mut together, mut is_remote, mut task_bytes) = (false, false, 0);
        let (mut chunk_rows, mut encoded_obs) = (0f64, 0f64);
        let mut unheld = true;
        let n_obs = mapped.n_obs().max(1) as f64;
        let memory = options.memory.unwrap_or(DEFAULT_MEMORY);
        for key in 0..mapped.keys.matrices.len() {
            let data_type = mapped.batch_data_type(key)?;
            batch_bytes += mapped.output_bytes(key, options.format)? * options.batch_size as f64;
            for (index, source) in mapped.sources.iter().enumerate() {
                let Some(rows) = source.matrix(key) else {
                    continue;
                };
                unheld &= mapped.is_direct(key, index, &data_type, options.format);
                let element = rows.element_bytes(&data_type)? as f64;
                bytes += rows.mean_elements() * source.n_obs() as f64 * element;
                together |= rows.is_read_together();
                is_remote |= rows.is_remote();
                task_bytes = task_bytes.max(rows.task_bytes());
                if let Some(rows) = rows.rows_per_chunk() {
                    chunk_rows += rows * source.n_obs() as f64;
                    encoded_obs += source.n_obs() as f64;
                }
            }
        }
        let room = WAITING_BYTES.min(memory / WAITING_PART) as f64;
        let most = options.thread_count() as u64 + 1;
        let batches_ahead = ((room / batch_bytes.max(1.0)) as u64).clamp(1, most);
        let waiting = (batches_ahead as f64 * batch_bytes) as u64;
        let memory = memory.saturating_sub(waiting);
        // What threads that wait for a server hold counts, since they are many.
        let held = task_bytes.max(1);
        let cores = options.thread_count() as u64;
        let (threads, held) = match mapped.requests.filter(|_| is_remote) {
            None => (cores, 0),
            Some(requests) => {
                let threads =
                    (memory / READING_PART / held).clamp(cores, (requests as u64).max(cores));
                (threads, threads.saturating_mul(held))
            }
        };
        Ok(Self {
            memory: memory.saturating_sub(held),
            batches_ahead: batches_ahead as usize,
            row_bytes: bytes / n_obs + PLACE_BYTES,
            together,
            is_remote,
            threads: threads as usize,
            chunk_rows: chunk_rows / encoded_obs.max(1.0),
            unheld,
            keeps_unencoded: options.memory.is_some() || options.format == BatchFormat::Csr,
        })
    }

    /// How many batches may wait, made or in the making, beside the one that is asked for: at
    /// least one.
    pub(super) fn batches_ahead(&self) -> usize {
        self.batches_ahead
    }

    /// How many threads read: one for each core, or for each request to a server as far as there is
    /// memory for what they hold.
    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    /// Whether all of `n_obs` observations fit beside `held` bytes.
    pub(super) fn fits(&self, n_obs: u64, held: usize) -> bool {
        self.needed(n_obs) <= self.memory.saturating_sub(held as u64) as f64
    }

    fn needed(&self, n_obs: u64) -> f64 {
        n_obs as f64 * self.row_bytes * MARGIN
    }

    /// What it costs to read `n_obs` observations of a scattered epoch, in batches of `batch`, that
    /// do not fit beside `held` bytes.
    pub(super) fn repeated_decoding(
        &self,
        n_obs: u64,
        batch: u64,
        held: usize,
    ) -> RepeatedDecoding {
        let windows = (n_obs as f64 / self.rows(true).max(batch) as f64).max(1.0);
        // A chunk is in each window in which any of its rows is.
        let elsewhere = (1.0 - 1.0 / windows).powf(self.chunk_rows.max(1.0));
        RepeatedDecoding {
            times: (windows * (1.0 - elsewhere)).max(1.0),
            // Batches that wait may take more of a larger budget.
            memory: self.needed(n_obs) as u64 + held as u64 + WAITING_BYTES,
        }
    }

    /// Whether to keep what fits: reading it again is what takes time.
    pub(super) fn is_worth_keeping(&self) -> bool {
        self.together || self.keeps_stored()
    }

    /// Whether rows are decoded or come from a server.
    pub(super) fn is_read_together(&self) -> bool {
        self.together
    }

    /// Whether rows come from a server.
    pub(super) fn is_remote(&self) -> bool {
        self.is_remote
    }

    /// The mean number of observations that have elements in one chunk; 0 if nothing is encoded.
    pub(super) fn chunk_rows(&self) -> f64 {
        self.chunk_rows
    }

    /// Whether windows hold nothing but where rows are.
    pub(super) fn holds_nothing(&self) -> bool {
        self.unheld
    }

    /// Whether to keep even what batches could take straight from storage.
    pub(super) fn keeps_stored(&self) -> bool {
        self.unheld && self.keeps_unencoded
    }

    /// The bytes of all that is read ahead.
    pub(super) fn memory(&self) -> u64 {
        self.memory
    }

    /// The bytes of each of two windows, one read and one in use.
    pub(super) fn share(&self) -> u64 {
        self.memory / 2
    }

    /// The observations of such a window, if there is nothing to be gained by more.
    pub(super) fn rows(&self, scattered: bool) -> u64 {
        let most = match (self.together, scattered) {
            (false, _) => UNENCODED_WINDOW_BYTES,
            (true, false) => ORDERED_WINDOW_BYTES,
            (true, true) => u64::MAX,
        };
        self.rows_in(self.share().min(most))
    }

    /// The most observations of such a window.
    pub(super) fn most_rows(&self) -> u64 {
        match self.together {
            true => self.rows_in(self.share()),
            false => self.rows(false),
        }
    }

    fn rows_in(&self, bytes: u64) -> u64 {
        let row_bytes = if self.unheld {
            PLACE_BYTES
        } else {
            self.row_bytes
        };
        // The cast saturates.
        let rows = ((bytes as f64 / (row_bytes * MARGIN)) as u64).max(1);
        if self.unheld {
            rows.min(UNHELD_WINDOW_ROWS)
        } else {
            rows
        }
    }

    /// Learns what observations really took.
    pub(super) fn observe(&mut self, n_obs: u64, bytes: usize) {
        if n_obs > 0 {
            self.row_bytes = (bytes as f64 / n_obs as f64).max(1.0);
        }
    }

    /// Takes rows to be larger, after they were.
    pub(super) fn outgrown(&mut self) {
        self.row_bytes *= 2.0;
    }
}
