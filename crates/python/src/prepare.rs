//! Preparing a collection: the only call that lasts for hours, so it says how far it is, and
//! Ctrl-C stops it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anndex::{Handle, PrepareOptions, PrepareProgress};
use anndex_core::record::Collection;
use anndex_core::{Error, ErrorKind, Result};
use pyo3::prelude::*;

use crate::argument::{dtype, join, shuffle};
use crate::error::exception;
use crate::new_record::{RunArgument, run_choice};
use crate::record::Record;

/// How often the caller is told how far it is.
const PAUSE: Duration = Duration::from_millis(100);

/// How a collection is prepared, by the names that it has in Python.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct PrepareArgument {
    directory: PathBuf,
    /// `"exact"`, `"block"` or nothing.
    shuffle: Option<String>,
    seed: u64,
    block_size: u64,
    window_size: u64,
    layers_keys: Vec<String>,
    obsm_keys: Vec<String>,
    /// `None` for all.
    obs_keys: Option<Vec<String>>,
    join: Option<String>,
    dtype: Option<String>,
    rows_per_file: u64,
    memory: u64,
    threads: usize,
    name: Option<String>,
    description: Option<String>,
    run: Option<RunArgument>,
}

impl PrepareArgument {
    fn options(&self) -> Result<PrepareOptions> {
        let kind = self.shuffle.as_deref();
        let mut options = PrepareOptions::default()
            .shuffle(shuffle(kind, self.seed, self.block_size, self.window_size)?)
            .layers_keys(&self.layers_keys)
            .obsm_keys(&self.obsm_keys)
            .join(join(self.join.as_deref())?)
            .dtype(dtype(self.dtype.as_deref())?)
            .rows_per_file(self.rows_per_file)
            .memory(self.memory)
            .threads(self.threads);
        if let Some(keys) = &self.obs_keys {
            options = options.obs_keys(keys);
        }
        Ok(options)
    }
}

/// What the thread that writes and the one that waits for it tell each other.
#[derive(Default)]
struct Watch {
    done: AtomicU64,
    total: AtomicU64,
    stopped: AtomicBool,
}

impl Watch {
    fn step(&self, progress: PrepareProgress) -> Result<()> {
        self.done.store(progress.done, Ordering::Relaxed);
        self.total.store(progress.total, Ordering::Relaxed);
        match self.stopped.load(Ordering::Relaxed) {
            true => Err(Error::new(
                ErrorKind::Cancelled,
                "stopped; the files before are complete, and the same call continues",
            )),
            false => Ok(()),
        }
    }

    /// Tells `progress` how far it is if that has changed.
    fn tell(&self, progress: Option<&Py<PyAny>>, told: &mut (u64, u64)) -> PyResult<()> {
        let load = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let now = (load(&self.done), load(&self.total));
        if let Some(progress) = progress.filter(|_| now.1 > 0 && now != *told) {
            Python::attach(|py| progress.call1(py, now))?;
        }
        *told = now;
        Ok(())
    }
}

/// Prepares a collection, and gives the new one with what the user should know.
#[pyfunction]
pub(crate) fn prepare(
    py: Python<'_>,
    collection: Py<Record>,
    new: PrepareArgument,
    progress: Option<Py<PyAny>>,
) -> PyResult<(Record, Vec<String>)> {
    let options = new.options().map_err(|error| exception(py, &error))?;
    let record = collection.get();
    let connection = record.connection();
    let raised: Mutex<Option<PyErr>> = Mutex::new(None);
    let keep = |error: PyErr| {
        *raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    };
    let made = connection.call(py, |db| {
        let keep = &keep;
        let progress = progress.as_ref();
        async move {
            let source: Handle<Collection> = record.handle(&db, connection)?;
            let mut builder = source.prepare(new.directory).options(options);
            if let Some(name) = new.name {
                builder = builder.name(name);
            }
            if let Some(description) = new.description {
                builder = builder.description(description);
            }
            builder = builder.run(run_choice(new.run, &db, connection)?);
            let watch = Arc::new(Watch::default());
            let writer = watch.clone();
            let mut saving = Box::pin(builder.save_with(move |one| writer.step(one)));
            let mut told = (0, 0);
            let saved = loop {
                tokio::select! {
                    saved = &mut saving => break saved,
                    () = tokio::time::sleep(PAUSE) => {}
                }
                if let Err(error) = watch.tell(progress, &mut told) {
                    watch.stopped.store(true, Ordering::Relaxed);
                    keep(error);
                    break saving.await;
                }
            };
            if saved.is_ok()
                && let Err(error) = watch.tell(progress, &mut told)
            {
                keep(error);
            }
            saved
        }
    });
    match raised.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => {
            let made = made?;
            let collection = Record::new(connection, made.collection.into());
            Ok((collection, made.notices))
        }
    }
}
