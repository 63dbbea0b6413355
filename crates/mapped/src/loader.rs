//! Feeding training loops: batches of an epoch, read ahead in an order that is known before.
//!
//! A window of many batches is read at once, so that a chunk that holds rows of several of them is
//! decoded once. While batches are put together from one window, the next one is read, and while
//! the consumer works, the next batches are put together. What that takes is bounded by a budget.

mod assembler;
mod budget;
mod builder;
mod epoch;
mod options;
mod plan;
mod position;
mod reader;

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

pub use budget::RepeatedDecoding;
pub use builder::LoaderBuilder;
pub use epoch::Epoch;

use super::buffer::Buffers;
use super::collection::MappedCollection;
use super::order::Order;
use super::window::Window;
use anndex_store::error::{Error, Result};
use budget::Budget;
use options::Options;
use plan::Plan;
use position::Position;

/// Batches of a collection, epoch after epoch. See [`MappedCollection::loader`].
#[derive(Debug)]
pub struct Loader {
    mapped: MappedCollection,
    options: Options,
    /// Differs between loaders whose epochs differ.
    digest: u64,
    n_batches: u64,
    budget: Budget,
    position: Mutex<Arc<Position>>,
    buffers: Arc<Buffers>,
    /// All observations, if they were once in memory together.
    resident: Arc<Mutex<Option<Arc<Window>>>>,
    repeated: Arc<OnceLock<RepeatedDecoding>>,
}

/// How far a loader is, to be kept with a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoaderState {
    /// The number of the epoch, from 0.
    pub epoch: u64,
    /// The number of its batches that were handed out.
    pub batch: u64,
    /// Tells loaders apart whose epochs differ.
    pub digest: u64,
}

impl Loader {
    /// Starts a pass over an epoch: the first one, or the next if some of the last one was had,
    /// or where [`Loader::load_state`] or [`Loader::set_epoch`] has put the loader.
    ///
    /// # Errors
    /// `Storage` if the system gives no threads; `InvalidInput` if observations can't be drawn.
    pub fn epoch(&self) -> Result<Epoch> {
        let mut position = self.position();
        let next = Arc::new(position.next());
        let epoch = Epoch::start(self, self.plan(next.state().0)?, next.clone())?;
        *position = next;
        Ok(epoch)
    }

    /// The number of batches in an epoch.
    pub fn n_batches(&self) -> u64 {
        self.n_batches
    }

    /// The number of observations in an epoch, of this rank.
    ///
    /// # Errors
    /// `InvalidInput` if observations can't be drawn.
    pub fn n_obs(&self) -> Result<u64> {
        Ok(self.plan(0)?.n_all_obs())
    }

    /// The epoch and the first batch of the pass that [`Loader::epoch`] would start.
    pub fn next_pass(&self) -> (u64, u64) {
        self.position().next().state()
    }

    /// The observations of some batches of an epoch, in order.
    ///
    /// # Errors
    /// `InvalidInput` if observations can't be drawn, or there are not so many batches.
    pub fn indices(&self, epoch: u64, batches: Range<u64>) -> Result<Vec<u64>> {
        if batches.end > self.n_batches {
            return Err(Error::invalid_input(format!(
                "the batch {} is out of range: there are {}",
                batches.end.saturating_sub(1),
                self.n_batches
            )));
        }
        Ok(self.plan(epoch)?.indices(batches))
    }

    /// What exact order costs, if chunks are decoded more than twice in an epoch, as was seen once
    /// the second batch was handed out. It is logged then, too.
    pub fn repeated_decoding(&self) -> Option<RepeatedDecoding> {
        self.repeated.get().copied()
    }

    /// How far the loader is: what the consumer has got, not what was read ahead.
    pub fn state(&self) -> LoaderState {
        let (epoch, batch) = self.position().state();
        LoaderState {
            epoch,
            batch,
            digest: self.digest,
        }
    }

    /// Has the next pass go on where another loader with the same parameters was.
    ///
    /// # Errors
    /// `InvalidInput` if the state is of a loader whose epochs differ, or past the end of one.
    pub fn load_state(&self, state: LoaderState) -> Result<()> {
        if state.digest != self.digest || state.batch > self.n_batches {
            return Err(Error::invalid_input(
                "the state is of a loader with another collection, batch size, shuffle, seed, \
                 sampler or world size, so it can't be resumed here",
            ));
        }
        *self.position() = Arc::new(Position::at(state.epoch, state.batch));
        Ok(())
    }

    /// Has the next pass be over epoch number `epoch`, from its beginning.
    pub fn set_epoch(&self, epoch: u64) {
        *self.position() = Arc::new(Position::at(epoch, 0));
    }

    /// The pool that memory of batches comes from, which takes it back by
    /// [`Batch::recycle`](super::Batch::recycle).
    pub fn buffers(&self) -> &Arc<Buffers> {
        &self.buffers
    }

    fn position(&self) -> MutexGuard<'_, Arc<Position>> {
        self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn plan(&self, epoch: u64) -> Result<Plan> {
        let Options {
            shuffle, sampler, ..
        } = &self.options;
        let order = Order::new(self.mapped.n_obs(), *shuffle, sampler, epoch)?;
        Plan::new(order, &self.options)
    }
}

impl IntoIterator for &Loader {
    type Item = Result<super::Batch>;
    type IntoIter = Epoch;

    /// As [`Loader::epoch`]; an error is the first item.
    fn into_iter(self) -> Epoch {
        self.epoch().unwrap_or_else(Epoch::failed)
    }
}

impl IntoIterator for Loader {
    type Item = Result<super::Batch>;
    type IntoIter = Epoch;

    /// As [`Loader::epoch`]; an error is the first item.
    fn into_iter(self) -> Epoch {
        (&self).into_iter()
    }
}
