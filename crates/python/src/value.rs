//! Results of the engine as Python objects. Arrays take over the engine's memory.

use std::sync::Arc;

use anndex_core::anndata::{Column, CsrMatrix, InMemoryMatrix, Label, Values};
use anndex_core::mapped::{Batch, BatchColumn, Buffers, ObsValue, Sample};
use anndex_core::store::{DataType, NumericArray};
use numpy::PyArray1;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::error::exception;
use crate::lent::lend;

type Object<'py> = PyResult<Bound<'py, PyAny>>;

/// An object of another module, looked up once.
struct Imported {
    module: &'static str,
    name: &'static str,
    found: PyOnceLock<Py<PyAny>>,
}

static INT64: Imported = Imported::new("numpy", "int64");
static NAN: Imported = Imported::new("numpy", "nan");
static NDARRAY: Imported = Imported::new("numpy", "ndarray");
static SAMPLE: Imported = Imported::new("anndex._sample", "Sample");

impl Imported {
    const fn new(module: &'static str, name: &'static str) -> Self {
        let found = PyOnceLock::new();
        Self {
            module,
            name,
            found,
        }
    }

    fn get<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, PyAny>> {
        let found = self.found.get_or_try_init(py, || {
            Ok::<_, PyErr>(py.import(self.module)?.getattr(self.name)?.unbind())
        })?;
        Ok(found.bind(py))
    }
}

/// An array of the same type and shape over the same memory.
pub(crate) fn array(py: Python<'_>, values: NumericArray) -> Object<'_> {
    shaped(py, values, |words| Ok(PyArray1::from_vec(py, words)))
}

/// The same, whose memory goes to `buffers` once Python lets go of it.
fn lent_array<'py>(py: Python<'py>, values: NumericArray, buffers: &Arc<Buffers>) -> Object<'py> {
    shaped(py, values, |words| lend(py, words, buffers))
}

fn shaped<'py>(
    py: Python<'py>,
    values: NumericArray,
    own: impl FnOnce(Vec<u64>) -> PyResult<Bound<'py, PyArray1<u64>>>,
) -> Object<'py> {
    let shape = PyTuple::new(py, values.shape())?;
    let data_type = values.data_type().to_string();
    let words = own(values.into_words())?;
    NDARRAY.get(py)?.call1((shape, data_type, words))
}

/// A NumPy scalar.
fn scalar(py: Python<'_>, value: NumericArray) -> Object<'_> {
    array(py, value)?.get_item(())
}

/// A label as a Python object; NaN (the very object `numpy.nan`) where there is none.
pub(crate) fn label<'py>(py: Python<'py>, label: &Label) -> Object<'py> {
    match label {
        Label::String(text) => text.as_ref().into_bound_py_any(py),
        Label::Int(value) => value.into_bound_py_any(py),
        Label::UInt(value) => value.into_bound_py_any(py),
        Label::Float(value) => value.into_bound_py_any(py),
        Label::Bool(value) => value.into_bound_py_any(py),
        Label::Missing => NAN.get(py).cloned(),
    }
}

/// A list of labels.
pub(crate) fn labels<'py>(
    py: Python<'py>,
    labels: impl IntoIterator<Item = Label>,
) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for one in labels {
        list.append(label(py, &one)?)?;
    }
    Ok(list)
}

/// A sample as `anndex.Sample`, a dict, in lamindb's order of keys.
pub(crate) fn sample(py: Python<'_>, sample: Sample) -> PyResult<Bound<'_, PyDict>> {
    let dict = SAMPLE.get(py)?.call0()?.cast_into::<PyDict>()?;
    let store = INT64.get(py)?.call1((sample.store_index,))?;
    dict.set_item("_store_idx", store)?;
    for (key, values) in sample.matrices {
        dict.set_item(key, array(py, values)?)?;
    }
    for (key, value) in sample.obs {
        let value = match value {
            ObsValue::Code(code) => code.into_bound_py_any(py)?,
            ObsValue::Number(number) => scalar(py, number)?,
            ObsValue::Label(one) => label(py, &one)?,
        };
        dict.set_item(key, value)?;
    }
    Ok(dict)
}

/// A batch as a dict with the keys of samples: arrays whose first axis are the observations, the
/// parts of sparse matrices, and lists of text. The memory of matrices goes to `buffers` once Python lets go of it.
pub(crate) fn batch<'py>(
    py: Python<'py>,
    batch: Batch,
    buffers: &Arc<Buffers>,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("_store_idx", PyArray1::from_vec(py, batch.store_index))?;
    for (key, matrix) in batch.matrices {
        match matrix {
            InMemoryMatrix::Dense(values) => {
                dict.set_item(key, lent_array(py, values, buffers)?)?;
            }
            InMemoryMatrix::Csr(csr) => dict.set_item(key, sparse(py, csr, buffers)?)?,
            // Batches are by rows.
            InMemoryMatrix::Csc(csc) => {
                dict.set_item(
                    key,
                    sparse(py, csc.to_csr().map_err(|e| exception(py, &e))?, buffers)?,
                )?;
            }
        }
    }
    for (key, column) in batch.obs {
        dict.set_item(key, batch_column(py, column)?)?;
    }
    Ok(dict)
}

/// The parts of a sparse matrix by rows: values, columns, row pointers, and its shape.
fn sparse<'py>(py: Python<'py>, csr: CsrMatrix, buffers: &Arc<Buffers>) -> Object<'py> {
    let shape = (csr.n_rows(), csr.n_columns());
    let (data, indices, indptr) = csr.into_parts();
    let indptr = PyArray1::from_vec(py, indptr);
    let data = lent_array(py, data, buffers)?;
    let indices = lent_array(py, indices, buffers)?;
    (data, indices, indptr, shape).into_bound_py_any(py)
}

/// What `numpy.stack` makes of the samples' values: with missing ones a float array, or a list of
/// text with NaN in it.
fn batch_column(py: Python<'_>, column: BatchColumn) -> Object<'_> {
    match column {
        BatchColumn::Codes {
            codes,
            missing: None,
        } => PyArray1::from_vec(py, codes).into_bound_py_any(py),
        BatchColumn::Codes {
            codes,
            missing: Some(missing),
        } => {
            let pairs = codes.into_iter().zip(missing);
            floats(
                py,
                pairs.map(|(code, missing)| (!missing).then_some(code as f64)),
            )
        }
        BatchColumn::Values(Column::Values {
            values: Values::Numeric(values),
            missing,
        }) => match missing {
            // NaN stands in the values themselves.
            Some(missing) if !values.data_type().is_float() => {
                let present = |(row, missing): (usize, bool)| {
                    (!missing).then(|| values.get_f64(row)).flatten()
                };
                floats(py, Vec::from(missing).into_iter().enumerate().map(present))
            }
            _ => array(py, values),
        },
        BatchColumn::Values(column) => labels(py, column.labels()).map(Bound::into_any),
    }
}

fn floats(py: Python<'_>, values: impl Iterator<Item = Option<f64>>) -> Object<'_> {
    let values = values.map(|value| value.unwrap_or(f64::NAN)).collect();
    PyArray1::<f64>::from_vec(py, values).into_bound_py_any(py)
}

/// Labels as an array of the stored type, or of objects: text, and integers of which some are
/// missing.
pub(crate) fn label_array(
    py: Python<'_>,
    values: Vec<Label>,
    data_type: Option<DataType>,
) -> Object<'_> {
    let numpy = py.import("numpy")?;
    let holds =
        |data_type: &DataType| data_type.is_float() || !values.iter().any(Label::is_missing);
    let name = data_type
        .filter(holds)
        .map_or_else(|| "object".to_owned(), |data_type| data_type.to_string());
    numpy.call_method1("array", (labels(py, values)?, name))
}
