//! Reading the windows of an epoch, one ahead of the batches.

use std::ops::Range;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rayon::ThreadPool;

use super::budget::{Budget, RepeatedDecoding};
use super::plan::Plan;
use crate::allowance::Allowance;
use crate::collection::MappedCollection;
use crate::format::BatchFormat;
use crate::selection::Selection;
use crate::window::Window;
use anndex_store::error::Result;
use anndex_store::operation::Operation;

/// Chunks that are decoded more often than this in an epoch are worth a word.
const WORTH_TELLING: f64 = 2.0;

/// If the first batch has observations in more than one in so many chunks, it is not read alone.
const CONSIDERABLE_PART: f64 = 16.0;
/// From so many places it is learnt what rows take, if not from the first batch.
const SAMPLES: u64 = 8;

/// Batches of an epoch whose rows are in memory.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) batches: Range<u64>,
    pub(super) window: Arc<Window>,
    /// The observations, one batch after the other, as they stand in the window; `None` if that
    /// holds all observations of the collection, in its order.
    pub(super) indices: Option<Vec<u64>>,
}

/// What reads windows.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) mapped: MappedCollection,
    pub(super) plan: Arc<Plan>,
    pub(super) format: BatchFormat,
    pub(super) budget: Budget,
    pub(super) operation: Operation,
    pub(super) resident: Arc<Mutex<Option<Arc<Window>>>>,
    pub(super) repeated: Arc<OnceLock<RepeatedDecoding>>,
    /// Whether to read all observations at once if they seem to fit: until they did not.
    pub(super) tries_all: bool,
    pub(super) threads: ThreadPool,
}

impl Reader {
    /// Sends windows that hold all batches from `first` on, until that fails or nobody listens.
    pub(super) fn run(mut self, first: u64, sender: &SyncSender<Result<Ready>>) {
        let mut next = first;
        let mut held = 0;
        while next < self.plan.n_batches() {
            let ready = self.window(next, next == first, held);
            let (end, bytes) = match &ready {
                Ok(ready) => (ready.batches.end, ready.window.bytes()),
                Err(_) => (self.plan.n_batches(), 0),
            };
            if sender.send(ready).is_err() {
                return;
            }
            (next, held) = (end, bytes);
        }
    }

    /// Reads a window that begins with batch number `next`, beside one of `held` bytes.
    fn window(&mut self, next: u64, is_first: bool, held: usize) -> Result<Ready> {
        let left = next..self.plan.n_batches();
        if let Some(window) = self.resident(next, is_first, held)? {
            return Ok(Ready {
                batches: left,
                window,
                indices: None,
            });
        }
        loop {
            let all_fit = self.budget.fits(self.plan.n_obs(left.clone()), held);
            let end = if is_first {
                // One batch tells what rows take, and comes soon.
                next + 1
            } else if all_fit && self.plan.is_scattered() && self.budget.is_read_together() {
                left.end
            } else {
                if !all_fit && self.plan.is_scattered() && self.budget.is_read_together() {
                    self.tell_cost(held);
                }
                let rows = self.budget.rows(self.plan.is_scattered());
                self.plan.window(next, rows, self.budget.most_rows())
            };
            let batches = next..end;
            let indices = self.plan.indices(batches.clone());
            let room = (self.budget.memory() as usize).saturating_sub(held);
            let room = if end == left.end {
                room
            } else {
                room.min(self.budget.share() as usize)
            };
            // A single batch is read whatever it takes, since it can't be less.
            let room = if end == next + 1 { usize::MAX } else { room };
            let holds_all = is_first && self.budget.keeps_stored();
            let Some(window) = self.read(&indices, room, holds_all)? else {
                self.budget.outgrown();
                continue;
            };
            return Ok(Ready {
                batches,
                window: Arc::new(window),
                indices: Some(indices),
            });
        }
    }

    /// All observations of the collection, if they are in memory or fit there beside `held` bytes.
    fn resident(&mut self, next: u64, is_first: bool, held: usize) -> Result<Option<Arc<Window>>> {
        let known = self.known().clone();
        let n_obs = self.mapped.n_obs();
        if known.is_some() {
            return Ok(known);
        }
        // An epoch of few of them, such as that of one rank of many, is read for itself.
        let own = self.plan.n_obs(0..self.plan.n_batches());
        let worth = self.budget.is_worth_keeping() && self.plan.is_shuffled() && own >= n_obs / 2;
        if !(worth && self.tries_all) {
            return Ok(None);
        }
        if is_first {
            // A first batch comes soon, and tells what rows take, unless it is scattered over so
            // many chunks that these would be decoded twice for it, or each of them is a request.
            if !(self.budget.is_remote() || self.decodes_much(next)) {
                return Ok(None);
            }
            if !self.budget.fits(n_obs, held) {
                self.sample(n_obs)?;
            }
        }
        if !self.budget.fits(n_obs, held) {
            return Ok(None);
        }
        let all: Vec<u64> = (0..n_obs).collect();
        let room = (self.budget.memory() as usize).saturating_sub(held);
        let read = self.read(&all, room, self.budget.keeps_stored())?;
        let Some(window) = read.map(Arc::new) else {
            self.tries_all = false;
            return Ok(None);
        };
        *self.known() = Some(window.clone());
        Ok(Some(window))
    }

    /// Whether a batch has observations in a considerable part of all chunks.
    fn decodes_much(&self, batch: u64) -> bool {
        let chunk_rows = self.budget.chunk_rows().max(1.0);
        let indices = self.plan.indices(batch..batch + 1);
        let chunk = |index: u64| (index as f64 / chunk_rows) as u64;
        let mut chunks: Vec<u64> = indices.into_iter().map(chunk).collect();
        chunks.sort_unstable();
        chunks.dedup();
        let part = chunks.len() as f64 * chunk_rows / self.mapped.n_obs().max(1) as f64;
        part * CONSIDERABLE_PART >= 1.0
    }

    /// Learns from a few chunks across the collection how many bytes a row takes.
    fn sample(&mut self, n_obs: u64) -> Result<()> {
        let rows = self.budget.chunk_rows().ceil() as u64;
        let places = (0..SAMPLES).map(|sample| n_obs / SAMPLES * sample);
        let indices = places.flat_map(|start| start..start.saturating_add(rows).min(n_obs));
        let mut indices: Vec<u64> = indices.collect();
        // Places are not apart in a small collection.
        indices.sort_unstable();
        indices.dedup();
        self.read(&indices, usize::MAX, self.budget.keeps_stored())?;
        Ok(())
    }

    /// Says what exact order costs, once per loader and where it is much.
    fn tell_cost(&self, held: usize) {
        let n_obs = self.plan.n_obs(0..self.plan.n_batches());
        let batch = self.plan.n_obs(0..1).max(1);
        let cost = self.budget.repeated_decoding(n_obs, batch, held);
        if cost.times >= WORTH_TELLING && self.repeated.set(cost).is_ok() {
            tracing::warn!("{cost}");
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Option<Arc<Window>>> {
        self.resident.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads observations; `None` if they take more than `room` bytes. With `holds_all` nothing is
    /// left in storage.
    fn read(&mut self, indices: &[u64], room: usize, holds_all: bool) -> Result<Option<Window>> {
        let allowance = Allowance::new(room, self.operation.clone());
        let selection = Selection::new(&self.mapped, indices)?;
        let mapped = &self.mapped;
        let format = self.format;
        let read = || Window::read(mapped, selection, format, holds_all, Some(&allowance));
        match self.threads.install(read) {
            Ok(window) => {
                if holds_all || !self.budget.holds_nothing() {
                    self.budget.observe(indices.len() as u64, window.bytes());
                }
                Ok(Some(window))
            }
            Err(_) if allowance.is_exhausted() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
