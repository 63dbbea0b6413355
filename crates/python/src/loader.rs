//! The classes behind `anndex.Loader`: a loader, and one pass over an epoch.

use std::sync::{Arc, Mutex, PoisonError};

use anndex_core::mapped::{
    BatchFormat, Buffers, Epoch as CoreEpoch, Loader as CoreLoader, LoaderState, MappedCollection,
    Sampler,
};
use anndex_core::{Error, Result};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::argument::shuffle;
use crate::error::{exception, guarded, run};
use crate::value;

/// The parameters of a loader, by the names that they have in Python.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct LoaderArgument {
    batch_size: u64,
    /// `"exact"`, `"block"` or nothing.
    shuffle: Option<String>,
    seed: u64,
    block_size: u64,
    window_size: u64,
    weights: Option<Vec<f64>>,
    replacement: bool,
    num_samples: Option<u64>,
    indices: Option<Vec<u64>>,
    sparse: bool,
    drop_last: bool,
    rank: u64,
    world_size: u64,
    memory: Option<u64>,
    threads: usize,
}

impl LoaderArgument {
    fn build(self, mapped: &MappedCollection) -> Result<CoreLoader> {
        let seed = self.seed;
        let kind = self.shuffle.as_deref();
        let shuffle = shuffle(kind, seed, self.block_size, self.window_size)?;
        let sampler = match (self.weights, self.indices) {
            (None, None) => Sampler::All,
            (Some(weights), _) => Sampler::Weighted {
                weights: weights.into(),
                replacement: self.replacement,
                num_samples: self.num_samples,
                seed,
            },
            (None, Some(indices)) => Sampler::Indices(indices.into()),
        };
        let format = if self.sparse {
            BatchFormat::Csr
        } else {
            BatchFormat::Dense
        };
        let mut builder = mapped.loader();
        if let Some(memory) = self.memory {
            builder = builder.memory(memory);
        }
        builder
            .batch_size(self.batch_size)
            .shuffle(shuffle)
            .sampler(sampler)
            .format(format)
            .drop_last(self.drop_last)
            .rank(self.rank, self.world_size)
            .threads(self.threads)
            .build()
    }
}

/// A loader. Its locks may be held by threads that a fork leaves behind, so a child process makes
/// one of its own.
#[pyclass(frozen, module = "anndex._anndex")]
pub(crate) struct Loader {
    loader: CoreLoader,
    process: u32,
}

impl Loader {
    pub(crate) fn new(
        py: Python<'_>,
        mapped: &MappedCollection,
        argument: LoaderArgument,
    ) -> PyResult<Self> {
        let loader = argument
            .build(mapped)
            .map_err(|error| exception(py, &error))?;
        Ok(Self {
            loader,
            process: std::process::id(),
        })
    }

    fn here(&self, py: Python<'_>) -> PyResult<&CoreLoader> {
        check_process(py, self.process)?;
        Ok(&self.loader)
    }
}

#[pymethods]
impl Loader {
    fn epoch(&self, py: Python<'_>) -> PyResult<Epoch> {
        let loader = self.here(py)?;
        let epoch = run(py, || loader.epoch())?;
        Ok(Epoch {
            epoch: Mutex::new(Some(epoch)),
            buffers: loader.buffers().clone(),
            process: self.process,
        })
    }

    fn n_batches(&self) -> u64 {
        self.loader.n_batches()
    }

    /// The number of observations in an epoch, of this rank.
    fn n_obs(&self, py: Python<'_>) -> PyResult<u64> {
        let loader = self.here(py)?;
        run(py, || loader.n_obs())
    }

    /// The epoch and the first batch of the pass that `epoch` would start.
    fn next_pass(&self, py: Python<'_>) -> PyResult<(u64, u64)> {
        Ok(self.here(py)?.next_pass())
    }

    /// The observations of a batch of an epoch, in order.
    fn batch_indices(&self, py: Python<'_>, epoch: u64, batch: u64) -> PyResult<Vec<u64>> {
        let loader = self.here(py)?;
        run(py, || loader.indices(epoch, batch..batch.saturating_add(1)))
    }

    /// What exact order costs, if that is worth a word.
    fn notice(&self, py: Python<'_>) -> PyResult<Option<String>> {
        let repeated = self.here(py)?.repeated_decoding();
        Ok(repeated.map(|repeated| repeated.to_string()))
    }

    fn state(&self, py: Python<'_>) -> PyResult<(u64, u64, u64)> {
        let state = self.here(py)?.state();
        Ok((state.epoch, state.batch, state.digest))
    }

    fn load_state(&self, py: Python<'_>, epoch: u64, batch: u64, digest: u64) -> PyResult<()> {
        let state = LoaderState {
            epoch,
            batch,
            digest,
        };
        let loaded = self.here(py)?.load_state(state);
        loaded.map_err(|error| exception(py, &error))
    }

    fn set_epoch(&self, py: Python<'_>, epoch: u64) -> PyResult<()> {
        self.here(py)?.set_epoch(epoch);
        Ok(())
    }
}

/// One pass over an epoch.
#[pyclass(frozen, module = "anndex._anndex")]
pub(crate) struct Epoch {
    /// `None` once it is over. Locked without the interpreter lock, since waiting for a batch may
    /// take long.
    epoch: Mutex<Option<CoreEpoch>>,
    buffers: Arc<Buffers>,
    process: u32,
}

impl Epoch {
    fn take_turn<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Option<CoreEpoch>) -> Result<T> + Send,
    ) -> PyResult<T> {
        check_process(py, self.process)?;
        run(py, || {
            work(&mut self.epoch.lock().unwrap_or_else(PoisonError::into_inner))
        })
    }
}

#[pymethods]
impl Epoch {
    /// The next batch as a dict, or nothing at the end.
    fn next<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        guarded(py, || {
            let batch = self.take_turn(py, |epoch| {
                let batch = epoch.as_mut().and_then(Iterator::next).transpose()?;
                if batch.is_none() {
                    *epoch = None;
                }
                Ok(batch)
            })?;
            let converted = batch.map(|batch| value::batch(py, batch, &self.buffers));
            converted.transpose()
        })
    }

    /// Stops its threads and frees what was read ahead.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.take_turn(py, |epoch| {
            *epoch = None;
            Ok(())
        })
    }
}

impl Drop for Epoch {
    fn drop(&mut self) {
        let epoch = self.epoch.get_mut().unwrap_or_else(PoisonError::into_inner);
        if std::process::id() != self.process {
            // Its threads are not in this process, and would be waited for.
            std::mem::forget(epoch.take());
        } else if let Some(epoch) = epoch.take() {
            // Joining its threads may take as long as one chunk.
            Python::attach(|py| py.detach(|| drop(epoch)));
        }
    }
}

fn check_process(py: Python<'_>, process: u32) -> PyResult<()> {
    if std::process::id() == process {
        return Ok(());
    }
    let error = Error::invalid_input(
        "this loader was made in another process, and its threads stayed there; make one in each \
         process",
    );
    Err(exception(py, &error))
}
