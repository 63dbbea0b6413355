//! The class behind `anndex.MappedCollection`: one opened collection, and reading from it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anndex_core::mapped::{BatchFormat, Encoder, Join, MappedCollection, MappedOptions};
use anndex_core::store::{Store, StoreFormat, Strings};
use anndex_core::{Error, Result};
use anndex_store_hdf5::Hdf5Format;
use anndex_store_zarr::ZarrFormat;
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use rayon::prelude::*;

use crate::argument::OptionsArgument;
use crate::error::{exception, run};
use crate::process::Workers;
use crate::value;

/// An opened collection of AnnData files.
#[pyclass(frozen, module = "anndex._anndex")]
pub(crate) struct Mapped {
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

/// Counts a reader for as long as it lives.
struct Reader<'a>(&'a Mapped);

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.readers = state.readers.saturating_sub(1);
    }
}

impl Mapped {
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

    fn read<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&MappedCollection) -> Result<T> + Send,
    ) -> PyResult<T> {
        let collection = self.collection(py)?;
        self.state().readers += 1;
        let _reader = Reader(self);
        run(py, || work(&collection))
    }

    /// As [`Mapped::read`], for what the engine does for all stores at once.
    fn read_all<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&MappedCollection) -> Result<T> + Send,
    ) -> PyResult<T> {
        let workers = Workers::of_this_process().map_err(|error| exception(py, &error))?;
        self.read(py, |collection| workers.install(|| work(collection)))
    }
}

#[pymethods]
impl Mapped {
    #[new]
    fn new(py: Python<'_>, paths: Vec<PathBuf>, options: OptionsArgument) -> PyResult<Self> {
        let options = options
            .into_options()
            .map_err(|error| exception(py, &error))?;
        let collection = open(py, &paths, &options)?;
        Ok(Self {
            paths,
            options,
            state: Mutex::new(State {
                collection: Some(collection),
                process: std::process::id(),
                readers: 0,
            }),
        })
    }

    /// Lets go of all stores; reads that are under way finish.
    fn close(&self, py: Python<'_>) {
        let collection = self.state().collection.take();
        py.detach(|| drop(collection));
    }

    fn shapes(&self, py: Python<'_>) -> PyResult<Vec<(u64, u64)>> {
        Ok(self.collection(py)?.original_shapes())
    }

    fn n_vars(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        Ok(self.collection(py)?.n_vars())
    }

    fn join(&self, py: Python<'_>) -> PyResult<Option<&'static str>> {
        let join = self.collection(py)?.join();
        Ok(join.map(|join| match join {
            Join::Inner => "inner",
            Join::Outer => "outer",
        }))
    }

    fn notices(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.collection(py)?.notices().to_vec())
    }

    fn encoders<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let encoders = PyDict::new(py);
        for (key, encoder) in self.collection(py)?.encoders() {
            encoders.set_item(key, encoder_dict(py, encoder)?)?;
        }
        Ok(encoders)
    }

    fn var_joint<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyList>>> {
        let collection = self.collection(py)?;
        let joint = collection.var_joint();
        joint.map(|names| PyList::new(py, names.iter())).transpose()
    }

    /// The distinct lists of variables, and which of them each store has.
    fn var_lists<'py>(&self, py: Python<'py>) -> PyResult<(Vec<Bound<'py, PyList>>, Vec<usize>)> {
        let lists = self.read_all(py, MappedCollection::var_list)?;
        let mut distinct: Vec<&Strings> = Vec::new();
        let mut positions = Vec::with_capacity(lists.len());
        for names in &lists {
            // Equal lists are mostly one and the same, which comparing the address finds first.
            let same = |other: &&Strings| std::ptr::eq(*other, &**names) || **other == **names;
            positions.push(distinct.iter().position(same).unwrap_or(distinct.len()));
            if positions.last() == Some(&distinct.len()) {
                distinct.push(names);
            }
        }
        let lists: PyResult<Vec<_>> = distinct
            .into_iter()
            .map(|names| PyList::new(py, names.iter()))
            .collect();
        Ok((lists?, positions))
    }

    fn var_indices<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<Option<Vec<Bound<'py, PyArray1<i64>>>>> {
        let absent = |position: u32| {
            if position == u32::MAX {
                -1
            } else {
                position.into()
            }
        };
        let indices = self.read(py, |collection| {
            Ok(collection.var_indices().map(|lists| {
                let lists = lists.into_iter();
                let wide = lists.map(|list| list.into_iter().map(absent).collect());
                wide.collect::<Vec<Vec<i64>>>()
            }))
        })?;
        let arrays = |lists: Vec<Vec<i64>>| {
            let lists = lists.into_iter();
            lists.map(|list| PyArray1::from_vec(py, list)).collect()
        };
        Ok(indices.map(arrays))
    }

    /// The row in its store of each observation.
    fn rows<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let rows: Vec<i64> = self.read(py, |collection| {
            (0..collection.n_obs())
                .map(|index| Ok(collection.locate(index)?.1 as i64))
                .collect()
        })?;
        Ok(PyArray1::from_vec(py, rows))
    }

    fn check_vars_sorted(&self, py: Python<'_>, ascending: bool) -> PyResult<bool> {
        self.read_all(py, |collection| collection.check_vars_sorted(ascending))
    }

    fn check_vars_non_aligned(&self, py: Python<'_>, vars: Vec<String>) -> PyResult<Vec<usize>> {
        self.read_all(py, |collection| collection.check_vars_non_aligned(&vars))
    }

    fn sample<'py>(&self, py: Python<'py>, index: u64) -> PyResult<Bound<'py, PyDict>> {
        let sample = self.read(py, |collection| collection.get(index))?;
        value::sample(py, sample)
    }

    fn samples<'py>(
        &self,
        py: Python<'py>,
        indices: PyReadonlyArray1<'py, i64>,
    ) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let indices = unsigned(&indices);
        let samples = self.read(py, |collection| {
            let samples = indices.iter().map(|&index| collection.get(index));
            samples.collect::<Result<Vec<_>>>()
        })?;
        let samples = samples.into_iter();
        samples.map(|sample| value::sample(py, sample)).collect()
    }

    fn batch<'py>(
        &self,
        py: Python<'py>,
        indices: PyReadonlyArray1<'py, i64>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let indices = unsigned(&indices);
        let batch = self.read(py, |collection| {
            collection.batch(&indices, BatchFormat::Dense)
        })?;
        value::batch(py, batch)
    }

    fn merged_labels<'py>(&self, py: Python<'py>, key: String) -> PyResult<Bound<'py, PyAny>> {
        let (labels, data_type) =
            self.read_all(py, |collection| collection.get_typed_labels(&key))?;
        value::label_array(py, labels, data_type)
    }

    fn merged_categories<'py>(&self, py: Python<'py>, key: String) -> PyResult<Bound<'py, PyList>> {
        let labels = self.read_all(py, |collection| collection.get_merged_categories(&key))?;
        value::labels(py, labels)
    }

    fn label_weights<'py>(
        &self,
        py: Python<'py>,
        keys: Vec<String>,
        scaler: Option<f64>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let weights =
            self.read_all(py, |collection| collection.get_label_weights(&keys, scaler))?;
        Ok(PyArray1::from_vec(py, weights))
    }

    fn category_weights<'py>(
        &self,
        py: Python<'py>,
        keys: Vec<String>,
        scaler: Option<f64>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let weights = self.read_all(py, |collection| {
            collection.get_category_weights(&keys, scaler)
        })?;
        let dict = PyDict::new(py);
        for (label, weight) in weights {
            dict.set_item(label, weight)?;
        }
        Ok(dict)
    }
}

fn encoder_dict<'py>(py: Python<'py>, encoder: &Encoder) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (label, code) in encoder.entries() {
        dict.set_item(value::label(py, label)?, code)?;
    }
    Ok(dict)
}

/// Indices that the Python side has checked; a negative one would be far out of range.
fn unsigned(indices: &PyReadonlyArray1<'_, i64>) -> Vec<u64> {
    indices
        .as_array()
        .iter()
        .map(|&index| index as u64)
        .collect()
}

fn open(
    py: Python<'_>,
    paths: &[PathBuf],
    options: &MappedOptions,
) -> PyResult<Arc<MappedCollection>> {
    let workers = Workers::of_this_process().map_err(|error| exception(py, &error))?;
    run(py, || {
        workers.install(|| {
            options.check()?;
            let stores: Result<Vec<_>> = paths.par_iter().map(|path| open_store(path)).collect();
            MappedCollection::open(stores?, options).map(Arc::new)
        })
    })
}

/// Files are HDF5 unless they are zips, directories are Zarr, whatever their suffix: as lamindb.
fn open_store(path: &Path) -> Result<Arc<dyn Store>> {
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
