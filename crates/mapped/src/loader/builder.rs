//! Making a loader: its parameters, checked before anything is read.

use std::sync::{Arc, Mutex};

use super::Loader;
use super::budget::Budget;
use super::options::Options;
use super::plan::Plan;
use crate::buffer::Buffers;
use crate::collection::MappedCollection;
use crate::format::BatchFormat;
use crate::order::{self, Order, Sampler, Shuffle};
use anndex_store::error::{Error, Result};

/// Parameters of a [`Loader`], with PyTorch's defaults. Made by [`MappedCollection::loader`].
#[derive(Debug, Clone)]
#[must_use = "a loader is made by `build`"]
pub struct LoaderBuilder {
    mapped: MappedCollection,
    options: Options,
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
