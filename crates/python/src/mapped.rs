//! The class behind `anndex.MappedCollection`: what it tells and reads, as Python objects.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use anndex::LocatedCollection;
use anndex_core::Result;
use anndex_core::mapped::{BatchFormat, Buffers, Encoder, Join, MappedCollection};
use anndex_core::operation::carried;
use anndex_core::store::Strings;
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::argument::OptionsArgument;
use crate::error::exception;
use crate::loader::{Loader, LoaderArgument};
use crate::opened::{Effort, Opened};
use crate::value;

/// An opened collection of AnnData files.
#[pyclass(frozen, module = "anndex._anndex")]
pub(crate) struct Mapped {
    opened: Opened,
    buffers: Arc<Buffers>,
}

impl Mapped {
    /// What a registry has found.
    pub(crate) fn located(py: Python<'_>, located: &LocatedCollection) -> PyResult<Self> {
        Ok(Self {
            opened: Opened::located(py, located)?,
            buffers: Arc::default(),
        })
    }
}

#[pymethods]
impl Mapped {
    #[new]
    fn new(py: Python<'_>, paths: Vec<PathBuf>, options: OptionsArgument) -> PyResult<Self> {
        let options = options
            .into_options()
            .map_err(|error| exception(py, &error))?;
        Ok(Self {
            opened: Opened::new(py, paths, options)?,
            buffers: Arc::default(),
        })
    }

    fn close(&self, py: Python<'_>) {
        self.opened.close(py);
    }

    /// The paths and URLs of its files.
    fn locations(&self) -> Vec<OsString> {
        // Not as paths of Python, which make one slash of two.
        let paths = self.opened.paths().iter();
        paths.map(|path| path.clone().into_os_string()).collect()
    }

    /// Where conversions are kept; None for the user's cache.
    fn cache_dir(&self) -> Option<PathBuf> {
        self.opened.options().cache_dir.clone()
    }

    fn shapes(&self, py: Python<'_>) -> PyResult<Vec<(u64, u64)>> {
        self.opened
            .tell(py, |collection| Ok(collection.original_shapes()))
    }

    fn n_vars(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        self.opened.tell(py, |collection| Ok(collection.n_vars()))
    }

    fn join(&self, py: Python<'_>) -> PyResult<Option<&'static str>> {
        let name = |join| match join {
            Join::Inner => "inner",
            Join::Outer => "outer",
        };
        self.opened
            .tell(py, |collection| Ok(collection.join().map(name)))
    }

    fn notices(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.opened
            .tell(py, |collection| Ok(collection.notices().to_vec()))
    }

    fn encoders<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.opened.tell(py, |collection| {
            let encoders = PyDict::new(py);
            for (key, encoder) in collection.encoders() {
                encoders.set_item(key, encoder_dict(py, encoder)?)?;
            }
            Ok(encoders)
        })
    }

    fn var_joint<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyList>>> {
        self.opened.tell(py, |collection| {
            let joint = collection.var_joint();
            joint.map(|names| PyList::new(py, names.iter())).transpose()
        })
    }

    /// The distinct lists of variables, and which of them each store has.
    fn var_lists<'py>(&self, py: Python<'py>) -> PyResult<(Vec<Bound<'py, PyList>>, Vec<usize>)> {
        self.opened
            .read_all(py, Effort::Much, MappedCollection::var_list, |lists| {
                let mut distinct: Vec<&Strings> = Vec::new();
                let mut positions = Vec::with_capacity(lists.len());
                // Equal lists are mostly one and the same, which comparing the address finds first.
                let mut known: HashMap<*const Strings, usize> = HashMap::new();
                let mut equal: HashMap<&Strings, usize> = HashMap::new();
                for names in &lists {
                    let position = *known.entry(Arc::as_ptr(names)).or_insert_with(|| {
                        *equal.entry(names).or_insert_with(|| {
                            distinct.push(names);
                            distinct.len() - 1
                        })
                    });
                    positions.push(position);
                }
                let lists: PyResult<Vec<_>> = distinct
                    .into_iter()
                    .map(|names| PyList::new(py, names.iter()))
                    .collect();
                Ok((lists?, positions))
            })
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
        self.opened.read(
            py,
            |collection| {
                Ok(collection.var_indices().map(|lists| {
                    let lists = lists.into_iter();
                    let wide = lists.map(|list| list.into_iter().map(absent).collect());
                    wide.collect::<Vec<Vec<i64>>>()
                }))
            },
            |lists| {
                let array = |list| PyArray1::from_vec(py, list);
                Ok(lists.map(|lists| lists.into_iter().map(array).collect()))
            },
        )
    }

    /// The row in its store of each observation.
    fn rows<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<i64>>> {
        self.opened.read(
            py,
            |collection| {
                (0..collection.n_obs())
                    .map(|index| Ok(collection.locate(index)?.1 as i64))
                    .collect::<Result<Vec<_>>>()
            },
            |rows| Ok(PyArray1::from_vec(py, rows)),
        )
    }

    fn check_vars_sorted(&self, py: Python<'_>, ascending: bool) -> PyResult<bool> {
        self.opened.read_all(
            py,
            Effort::Much,
            |collection| collection.check_vars_sorted(ascending),
            Ok,
        )
    }

    fn check_vars_non_aligned(&self, py: Python<'_>, vars: Vec<String>) -> PyResult<Vec<usize>> {
        self.opened.read_all(
            py,
            Effort::Much,
            |collection| collection.check_vars_non_aligned(&vars),
            Ok,
        )
    }

    fn sample<'py>(&self, py: Python<'py>, index: u64) -> PyResult<Bound<'py, PyDict>> {
        self.opened.read_all(
            py,
            Effort::Little,
            |collection| collection.get(index),
            |sample| value::sample(py, sample),
        )
    }

    fn samples<'py>(
        &self,
        py: Python<'py>,
        indices: PyReadonlyArray1<'py, i64>,
    ) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let indices = unsigned(&indices);
        self.opened.read_all(
            py,
            Effort::of_rows(indices.len()),
            |collection| {
                let sample = carried(|index: &u64| collection.get(*index));
                let samples = indices.iter().map(sample);
                samples.collect::<Result<Vec<_>>>()
            },
            |samples| {
                let samples = samples.into_iter();
                samples.map(|sample| value::sample(py, sample)).collect()
            },
        )
    }

    fn batch<'py>(
        &self,
        py: Python<'py>,
        indices: PyReadonlyArray1<'py, i64>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let indices = unsigned(&indices);
        self.opened.read_all(
            py,
            Effort::of_rows(indices.len()),
            |collection| collection.batch_reusing(&indices, BatchFormat::Dense, &self.buffers),
            |batch| value::batch(py, batch, &self.buffers),
        )
    }

    fn loader(&self, py: Python<'_>, options: LoaderArgument) -> PyResult<Loader> {
        self.opened
            .tell(py, |collection| Loader::new(py, collection, options))
    }

    fn merged_labels<'py>(&self, py: Python<'py>, key: String) -> PyResult<Bound<'py, PyAny>> {
        self.opened.read_all(
            py,
            Effort::Much,
            |collection| collection.get_typed_labels(&key),
            |(labels, data_type)| value::label_array(py, labels, data_type),
        )
    }

    fn merged_categories<'py>(&self, py: Python<'py>, key: String) -> PyResult<Bound<'py, PyList>> {
        self.opened.read_all(
            py,
            Effort::Much,
            |collection| collection.get_merged_categories(&key),
            |labels| value::labels(py, labels),
        )
    }

    fn label_weights<'py>(
        &self,
        py: Python<'py>,
        keys: Vec<String>,
        scaler: Option<f64>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        self.opened.read_all(
            py,
            Effort::Much,
            |collection| collection.get_label_weights(&keys, scaler),
            |weights| Ok(PyArray1::from_vec(py, weights)),
        )
    }

    fn category_weights<'py>(
        &self,
        py: Python<'py>,
        keys: Vec<String>,
        scaler: Option<f64>,
    ) -> PyResult<Bound<'py, PyDict>> {
        self.opened.read_all(
            py,
            Effort::Much,
            |collection| collection.get_category_weights(&keys, scaler),
            |weights| {
                let dict = PyDict::new(py);
                for (label, weight) in weights {
                    dict.set_item(label, weight)?;
                }
                Ok(dict)
            },
        )
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
