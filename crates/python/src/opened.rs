//! An opened collection that threads and forked processes can read.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anndex::LocatedCollection;
use anndex_core::mapped::{MappedCollection, MappedOptions};
use anndex_core::storage::{RemoteContent, RemoteStorages, StorageUrl};
use anndex_core::store::{Store, StoreFormat};
use anndex_core::{Error, Result};
use anndex_store_hdf5::Hdf5Format;
use anndex_store_zarr::ZarrFormat;
use pyo3::prelude::*;

use crate::error::{exception, guarded, run, run_long};
use crate::process::Workers;

/// The stores of some paths, until they are closed.
pub(crate) struct Opened {
    paths: Vec<PathBuf>,
    options: MappedOptions,
    /// Only locked with the interpreter lock held, so that no fork finds it locked.
    state: Mutex<State>,
}

struct State {
    /// `None` once closed.
    collection: Option<Arc<MappedCollection>>,
    /// The process in which it was opened, or found unharmed after a fork.
    process: u32,
    /// Calls that are reading without the interpreter lock.
    readers: usize,
}

/// How long a read may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// A moment, unless a server is asked.
    Little,
    /// So long that signals are looked for meanwhile, which takes a thread.
    Much,
}

impl Effort {
    /// What it takes to read so many observations.
    pub(crate) fn of_rows(count: usize) -> Self {
        match count < 4096 {
            true => Self::Little,
            false => Self::Much,
        }
    }
}

/// Counts a reader for as long as it lives.
struct Reader<'a>(&'a Opened);

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.readers = state.readers.saturating_sub(1);
    }
}

impl Opened {
    /// Opens all paths.
    pub(crate) fn new(
        py: Python<'_>,
        paths: Vec<PathBuf>,
        options: MappedOptions,
    ) -> PyResult<Self> {
        let collection = open(py, &paths, &options)?;
        Ok(Self::of(paths, options, collection))
    }

    /// Opens what a registry has found, as it was found.
    pub(crate) fn located(py: Python<'_>, located: &LocatedCollection) -> PyResult<Self> {
        let workers = Workers::of_this_process().map_err(|error| exception(py, &error))?;
        let open = || workers.install(|| Ok((located.locations()?, located.open()?)));
        let (paths, collection) = run_long(py, open)?;
        let paths = paths.into_iter().map(PathBuf::from).collect();
        let options = located.options().clone();
        Ok(Self::of(paths, options, Arc::new(collection)))
    }

    fn of(paths: Vec<PathBuf>, options: MappedOptions, collection: Arc<MappedCollection>) -> Self {
        Self {
            paths,
            options,
            state: Mutex::new(State {
                collection: Some(collection),
                process: std::process::id(),
                readers: 0,
            }),
        }
    }

    pub(crate) fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    pub(crate) fn options(&self) -> &MappedOptions {
        &self.options
    }

    /// Lets go of all stores; reads that are under way finish.
    pub(crate) fn close(&self, py: Python<'_>) {
        let collection = self.state().collection.take();
        py.detach(|| drop(collection));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn closed(&self) -> Error {
        let error = Error::invalid_input("the mapped collection was closed");
        match self.paths.first() {
            Some(path) => error.with("path", path.display()),
            None => error,
        }
    }

    /// The collection, to be read in this process.
    ///
    /// A fork copies it, and positioned reads share no state with the parent. But a thread that
    /// was reading at that moment is not in the child, and what it had locked stays locked, so
    /// then the child opens the files again.
    fn collection(&self, py: Python<'_>) -> PyResult<Arc<MappedCollection>> {
        let process = std::process::id();
        let harmed = {
            let mut state = self.state();
            let Some(collection) = state.collection.clone() else {
                return Err(exception(py, &self.closed()));
            };
            if state.process == process || state.readers == 0 {
                state.process = process;
                return Ok(collection);
            }
            collection
        };
        // Dropping it could wait for one of its locks.
        std::mem::forget(harmed);
        let opened = open(py, &self.paths, &self.options)?;
        let mut state = self.state();
        if state.process != process {
            state.process = process;
            state.readers = 0;
            std::mem::forget(state.collection.replace(opened.clone()));
        }
        Ok(opened)
    }

    /// Answers from what opening has read.
    pub(crate) fn tell<T>(
        &self,
        py: Python<'_>,
        answer: impl FnOnce(&MappedCollection) -> PyResult<T>,
    ) -> PyResult<T> {
        guarded(py, || answer(&*self.collection(py)?))
    }

    /// Reads without the interpreter lock, then converts what was read.
    pub(crate) fn read<T: Send, P>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&MappedCollection) -> Result<T> + Send,
        convert: impl FnOnce(T) -> PyResult<P>,
    ) -> PyResult<P> {
        self.read_as(py, Effort::Little, work, convert)
    }

    fn read_as<T: Send, P>(
        &self,
        py: Python<'_>,
        effort: Effort,
        work: impl FnOnce(&MappedCollection) -> Result<T> + Send,
        convert: impl FnOnce(T) -> PyResult<P>,
    ) -> PyResult<P> {
        guarded(py, || {
            let collection = self.collection(py)?;
            self.state().readers += 1;
            let reader = Reader(self);
            let found = match effort == Effort::Much || collection.is_remote() {
                true => run_long(py, || work(&collection))?,
                false => run(py, || work(&collection))?,
            };
            drop(reader);
            convert(found)
        })
    }

    /// As [`Opened::read`], for what the engine does for all stores at once.
    pub(crate) fn read_all<T: Send, P>(
        &self,
        py: Python<'_>,
        effort: Effort,
        work: impl FnOnce(&MappedCollection) -> Result<T> + Send,
        convert: impl FnOnce(T) -> PyResult<P>,
    ) -> PyResult<P> {
        let workers = Workers::of_this_process().map_err(|error| exception(py, &error))?;
        self.read_as(
            py,
            effort,
            |collection| workers.install(|| work(collection)),
            convert,
        )
    }
}

fn open(
    py: Python<'_>,
    paths: &[PathBuf],
    options: &MappedOptions,
) -> PyResult<Arc<MappedCollection>> {
    let workers = Workers::of_this_process().map_err(|error| exception(py, &error))?;
    run_long(py, || {
        workers.install(|| {
            options.check()?;
            let remote = RemoteStorages::new(anndex::drivers(), options.streaming);
            let waits = paths.iter().any(|path| url(path).is_some());
            let open = |path: &PathBuf| match url(path) {
                Some(url) => open_remote(&remote.look(url)?),
                None => open_store(path),
            };
            MappedCollection::open_each(paths, waits, open, options).map(Arc::new)
        })
    })
}

/// The path as a URL, if it is one.
fn url(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| StorageUrl::is_one(text))
}

/// As [`open_store`], for what is at a URL.
fn open_remote(content: &RemoteContent) -> Result<Arc<dyn Store>> {
    let is_zip = content.key().to_ascii_lowercase().ends_with(".zip");
    let store = match content.as_file() {
        Some(_) if !is_zip => Hdf5Format.open_remote(content),
        _ => ZarrFormat::new().open_remote(content),
    };
    store.map_err(|error| error.operation("open").with("path", content.location()))
}

/// Files are HDF5 unless they are zips, directories are Zarr, whatever their suffix: as lamindb.
pub(crate) fn open_store(path: &Path) -> Result<Arc<dyn Store>> {
    let is_zip = path
        .extension()
        .is_some_and(|suffix| suffix.eq_ignore_ascii_case("zip"));
    let metadata = std::fs::metadata(path)
        .map_err(|error| Error::io(path.display(), error).operation("open"))?;
    let store = if metadata.is_dir() || is_zip {
        ZarrFormat::new().open(path)
    } else {
        Hdf5Format.open(path)
    };
    store.map_err(|error| error.operation("open").with("path", path.display()))
}
