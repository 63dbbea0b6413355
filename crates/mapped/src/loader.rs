//! Feeding training loops: batches of an epoch, read ahead in an order that is known before.
//!
//! A window of many batches is read at once, so that a chunk that holds rows of several of them is
//! decoded once. While batches are put together from one window, the next one is read, and while
//! the consumer works, the next batches are put together. What that takes is bounded by a budget.

mod assembler;
mod budget;
mod epoch;
mod plan;
mod position;
mod reader;

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

pub use budget::RepeatedDecoding;
pub use epoch::Epoch;

use super::buffer::Buffers;
use super::order::{self, Order, Sampler, Shuffle};
use super::window::Window;
use super::{BatchFormat, MappedCollection};
use anndex_store::error::{Error, Result};
use budget::Budget;
use plan::Plan;
use position::Position;

/// The memory that a loader uses unless told otherwise, in bytes.
const DEFAULT_MEMORY: u64 = 1 << 30;

/// Parameters of a [`Loader`], with PyTorch's defaults. Made by [`MappedCollection::loader`].
#[derive(Debug, Clone)]
#[must_use = "a loader is made by `build`"]
pub struct LoaderBuilder {
    mapped: MappedCollection,
    options: Options,
}

#[derive(Debug, Clone)]
struct Options {
    batch_size: u64,
    shuffle: Shuffle,
    sampler: Sampler,
    format: BatchFormat,
    drop_last: bool,
    rank: u64,
    world_size: u64,
    /// `None` if it was left to the loader.
    memory: Option<u64>,
    threads: usize,
}

impl MappedCollection {
    /// A loader of this collection's observations, batch by batch.
    ///
    /// ```
    /// use anndex_mapped::{MappedCollection, Shuffle};
    ///
    /// fn train(mapped: &MappedCollection) -> anndex_store::Result<()> {
    ///     let loader = mapped
    ///         .loader()
    ///         .batch_size(128)
    ///         .shuffle(Shuffle::Exact { seed: 0 })
    ///         .build()?;
    ///     for _ in 0..3 {
    ///         for batch in &loader {
    ///             let batch = batch?;
    ///             println!("{} cells: {:?}", batch.len(), batch.matrix("X"));
    ///         }
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn loader(&self) -> LoaderBuilder {
        LoaderBuilder {
            mapped: self.clone(),
            options: Options {
                batch_size: 1,
                shuffle: Shuffle::None,
                sampler: Sampler::All,
                format: BatchFormat::Dense,
                drop_last: false,
                rank: 0,
                world_size: 1,
                memory: None,
                threads: 0,
            },
        }
    }
}

impl LoaderBuilder {
    /// Observations per batch. Default: 1.
    pub fn batch_size(mut self, batch_size: u64) -> Self {
        self.options.batch_size = batch_size;
        self
    }

    /// How observations are shuffled. Default: not at all.
    pub fn shuffle(mut self, shuffle: Shuffle) -> Self {
        self.options.shuffle = shuffle;
        self
    }

    /// Which observations an epoch has. Default: all.
    pub fn sampler(mut self, sampler: Sampler) -> Self {
        self.options.sampler = sampler;
        self
    }

    /// How layers are given. Default: dense.
    pub fn format(mut self, format: BatchFormat) -> Self {
        self.options.format = format;
        self
    }

    /// Leave out the last batch if it is smaller; with several ranks, what is beyond the full
    /// batches that all of them have. Default: keep it.
    pub fn drop_last(mut self, drop_last: bool) -> Self {
        self.options.drop_last = drop_last;
        self
    }

    /// Which part of each epoch this process takes: the epoch is cut into `world_size` parts of
    /// equal length (but for one observation), of which this is number `rank`, from 0. Every part
    /// has as many batches: where the one more would be a batch of its own, the last batches of the
    /// other parts are cut in two, of all but one observation and of that one. Default: all of it.
    pub fn rank(mut self, rank: u64, world_size: u64) -> Self {
        self.options.rank = rank;
        self.options.world_size = world_size;
        self
    }

    /// The memory that rows read ahead may take, in bytes, beside two batches; but one batch is
    /// read whatever it takes. More of it means less to decode. A shuffled collection that fits is
    /// kept there for as long as the loader lives. Default: 1 GiB, of which dense batches of rows
    /// that are stored as they are take next to nothing: those are read again in each epoch.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.options.memory = Some(bytes);
        self
    }

    /// The number of threads that read and decode. 0, the default, stands for the number of cores.
    /// What is streamed is read by more of them, which mostly wait (see
    /// [`StreamOptions::requests`](anndex_store::storage::StreamOptions::requests)).
    /// It has no influence on what is loaded.
    pub fn threads(mut self, threads: usize) -> Self {
        self.options.threads = threads;
        self
    }

    /// Makes the loader.
    ///
    /// # Errors
    /// `InvalidInput` if parameters are out of range or contradict each other, the collection was
    /// closed, there are too few observations for every rank to have as many batches, or the stores
    /// can't be in one batch: one lacks a matrix, or rows differ in length.
    pub fn build(self) -> Result<Loader> {
        let Self { mapped, options } = self;
        mapped.check_open()?;
        if options.batch_size == 0 {
            return Err(Error::invalid_input("a batch has at least one observation"));
        }
        if options.rank >= options.world_size {
            return Err(Error::invalid_input(format!(
                "the rank {} is out of range: the world size is {}",
                options.rank, options.world_size
            )));
        }
        let populated = || {
            let sources = mapped.sources.iter().enumerate();
            sources
                .filter(|(_, source)| source.n_obs() > 0)
                .map(|(index, _)| index)
        };
        for key in 0..mapped.keys.matrices.len() {
            mapped.matrix_shape(key, populated())?;
        }
        let n_obs = mapped.n_obs();
        let first = Order::new(n_obs, options.shuffle, &options.sampler, 0)?;
        // Not the rank: ranks go in step, so a checkpoint holds the state of one for all of them.
        let own = [
            options.batch_size,
            u64::from(options.drop_last),
            options.world_size,
            order::digest(n_obs, options.shuffle, &options.sampler),
        ];
        let budget = Budget::new(&mapped, &options)?;
        Ok(Loader {
            digest: order::digest(0, Shuffle::None, &Sampler::Indices(own.into())),
            n_batches: Plan::new(first, &options)?.n_batches(),
            buffers: Arc::new(Buffers::keeping(
                (budget.batches_ahead() + 2) * 2 * mapped.keys.matrices.len(),
            )),
            budget,
            mapped,
            options,
            position: Mutex::default(),
            resident: Arc::new(Mutex::new(None)),
            repeated: Arc::default(),
        })
    }
}

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
