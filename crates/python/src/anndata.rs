//! AnnData in memory as plain Python objects: arrays, and tuples that say what they are for.
//! `anndex._anndata` makes NumPy's, SciPy's, pandas's and anndata's objects of them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anndex_core::Result;
use anndex_core::anndata::{
    AnnData, BackedAnnData, Column, ConcatOptions, CsrMatrix, DataFrame, Element, InMemoryElement,
    InMemoryMatrix, Join, LeftOut, MatrixKey, Raw, Unstructured, Values, concat_matrices,
};
use anndex_core::store::Strings;
use numpy::PyArray1;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use rayon::prelude::*;

use crate::error::{exception, guarded, run_long};
use crate::notice::Notices;
use crate::opened::open_store;
use crate::process::Workers;
use crate::value::array;

pub(crate) type Object<'py> = PyResult<Bound<'py, PyAny>>;

/// Reads the whole AnnData of a file.
#[pyfunction]
pub(crate) fn read_anndata(py: Python<'_>, path: PathBuf) -> PyResult<Bound<'_, PyDict>> {
    let read = working(py, || BackedAnnData::open(open_store(&path)?)?.read())?;
    guarded(py, || whole(py, read))
}

/// The tables of one AnnData, which pandas concatenates.
struct Tables {
    obs: DataFrame,
    obsm: Vec<(String, DataFrame)>,
}

impl Tables {
    /// Reads them, and notes what can't be read.
    fn read(data: &BackedAnnData) -> Result<(Self, LeftOut)> {
        let mut left_out = LeftOut::new();
        let mut obsm = Vec::new();
        // What can't be read was noted with the matrices.
        let names = LeftOut::new().unless_unsupported("", "", data.obsm_keys())?;
        for name in names.unwrap_or_default() {
            let element = data.element(&MatrixKey::Obsm(name.clone()));
            let element = LeftOut::new().unless_unsupported("", "", element)?;
            if let Some(Some(Element::DataFrame(frame))) = element {
                obsm.push((name, frame.read_noting(&mut left_out)?));
            }
        }
        let obs = data.obs().read_noting(&mut left_out)?;
        Ok((Self { obs, obsm }, left_out))
    }
}

/// The concatenated matrices of the AnnData of some files, with the joined variables, and the
/// tables of each.
#[pyfunction]
pub(crate) fn concat_anndata<'py>(
    py: Python<'py>,
    paths: Vec<PathBuf>,
    join: &str,
) -> PyResult<(Bound<'py, PyDict>, Vec<Bound<'py, PyDict>>)> {
    let join = match join {
        "inner" => Join::Inner,
        _ => Join::Outer,
    };
    let (matrices, tables) = working(py, || {
        let opened = paths
            .par_iter()
            .map(|path| BackedAnnData::open(open_store(path)?));
        let parts: Vec<BackedAnnData> = opened.collect::<Result<_>>()?;
        let mut left_out = LeftOut::new();
        let matrices = concat_matrices(&parts, &ConcatOptions::new(join), &mut left_out)?;
        let read: Result<Vec<_>> = parts.par_iter().map(Tables::read).collect();
        let tables = read?.into_iter().map(|(tables, more)| {
            left_out.append(more);
            tables
        });
        let tables: Vec<Tables> = tables.collect();
        left_out.warn();
        Ok((matrices, tables))
    })?;
    guarded(py, || {
        let tables = tables.into_iter().map(|tables| {
            let dict = PyDict::new(py);
            dict.set_item("obs", frame(py, tables.obs)?)?;
            let obsm = PyDict::new(py);
            for (name, table) in tables.obsm {
                obsm.set_item(name, frame(py, table)?)?;
            }
            dict.set_item("obsm", obsm)?;
            Ok(dict)
        });
        let tables = tables.collect::<PyResult<_>>()?;
        Ok((whole(py, matrices)?, tables))
    })
}

/// Does work on rayon's threads, without the interpreter lock. What it warns of itself, and not in
/// tasks of its own, becomes Python's warnings.
pub(crate) fn working<T: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<T> + Send,
) -> PyResult<T> {
    let workers = Workers::of_this_process().map_err(|error| exception(py, &error))?;
    let notices = Notices::default();
    let done = run_long(py, || workers.install(|| notices.collect(work)))?;
    notices.warn(py)?;
    Ok(done)
}

/// The parameters of `anndata.AnnData`.
fn whole(py: Python<'_>, data: AnnData) -> PyResult<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    let x = data.x.map(|x| matrix(py, x)).transpose()?;
    dict.set_item("X", x)?;
    dict.set_item("obs", frame(py, data.obs)?)?;
    dict.set_item("var", frame(py, data.var)?)?;
    dict.set_item("layers", mapping(py, data.layers, matrix)?)?;
    dict.set_item("obsm", mapping(py, data.obsm, element)?)?;
    dict.set_item("varm", mapping(py, data.varm, element)?)?;
    dict.set_item("obsp", mapping(py, data.obsp, matrix)?)?;
    dict.set_item("varp", mapping(py, data.varp, matrix)?)?;
    dict.set_item("uns", mapping(py, data.uns, unstructured)?)?;
    dict.set_item("raw", data.raw.map(|raw| raw_dict(py, raw)).transpose()?)?;
    Ok(dict)
}

fn raw_dict(py: Python<'_>, raw: Raw) -> PyResult<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("X", matrix(py, raw.x)?)?;
    dict.set_item("var", frame(py, raw.var)?)?;
    dict.set_item("varm", mapping(py, raw.varm, element)?)?;
    Ok(dict)
}

pub(crate) fn mapping<'py, T>(
    py: Python<'py>,
    items: BTreeMap<String, T>,
    convert: impl Fn(Python<'py>, T) -> Object<'py>,
) -> Object<'py> {
    let dict = PyDict::new(py);
    for (name, item) in items {
        dict.set_item(name, convert(py, item)?)?;
    }
    dict.into_bound_py_any(py)
}

pub(crate) fn element(py: Python<'_>, element: InMemoryElement) -> Object<'_> {
    match element {
        InMemoryElement::Matrix(one) => matrix(py, one),
        InMemoryElement::DataFrame(table) => frame(py, table),
        InMemoryElement::Other(array) => unstructured(py, array),
    }
}

/// An array, or `("csr" or "csc", data, indices, indptr, shape)`.
fn matrix(py: Python<'_>, matrix: InMemoryMatrix) -> Object<'_> {
    match matrix {
        InMemoryMatrix::Dense(values) => array(py, values),
        InMemoryMatrix::Csr(csr) => {
            let shape = (csr.n_rows(), csr.n_columns());
            compressed(py, "csr", csr, shape)
        }
        InMemoryMatrix::Csc(csc) => {
            let shape = (csc.n_rows(), csc.n_columns());
            compressed(py, "csc", csc.into_transposed(), shape)
        }
    }
}

fn compressed<'py>(
    py: Python<'py>,
    format: &str,
    parts: CsrMatrix,
    shape: (usize, usize),
) -> Object<'py> {
    let (data, indices, indptr) = parts.into_parts();
    let (data, indices) = (array(py, data)?, array(py, indices)?);
    (format, data, indices, PyArray1::from_vec(py, indptr), shape).into_bound_py_any(py)
}

/// `("frame", index, name of the index, [(name, column), …])`.
pub(crate) fn frame(py: Python<'_>, frame: DataFrame) -> Object<'_> {
    let index = match frame.numeric_index() {
        Some(numbers) => array(py, numbers.clone())?,
        None => texts(py, frame.index())?,
    };
    let name = frame.index_name().map(str::to_owned);
    let columns = PyList::empty(py);
    for (name, one) in frame.into_columns() {
        columns.append((name, column(py, one)?))?;
    }
    ("frame", index, name, columns).into_bound_py_any(py)
}

/// An array, a list of texts, `("masked", values, mask, whether missing ones are NaN)` or `("categorical", codes, categories,
/// ordered)`.
fn column(py: Python<'_>, column: Column) -> Object<'_> {
    match column {
        Column::Values {
            values: own,
            missing,
        } => {
            let own = values(py, own)?;
            match missing {
                None => Ok(own),
                Some(missing) => {
                    let is_nan = missing.is_nan();
                    let mask = PyArray1::from_vec(py, missing.into());
                    ("masked", own, mask, is_nan).into_bound_py_any(py)
                }
            }
        }
        Column::Categorical(categorical) => {
            let codes = PyArray1::from_slice(py, categorical.codes());
            let categories = values(py, categorical.categories().clone())?;
            ("categorical", codes, categories, categorical.ordered()).into_bound_py_any(py)
        }
    }
}

fn values(py: Python<'_>, values: Values) -> Object<'_> {
    match values {
        Values::Numeric(numbers) => array(py, numbers),
        Values::Strings(strings) => texts(py, &strings),
    }
}

fn texts<'py>(py: Python<'py>, strings: &Strings) -> Object<'py> {
    PyList::new(py, strings.iter())?.into_bound_py_any(py)
}

/// As the others; texts as `("texts", list, shape)`, records as `("records", [(name, values), …],
/// shape)`, awkward arrays as `("awkward", form, length, [(name, buffer), …])`.
pub(crate) fn unstructured(py: Python<'_>, value: Unstructured) -> Object<'_> {
    match value {
        Unstructured::Null => Ok(py.None().into_bound(py)),
        Unstructured::String(text) => text.into_bound_py_any(py),
        Unstructured::Strings { shape, values } => {
            ("texts", texts(py, &values)?, shape).into_bound_py_any(py)
        }
        Unstructured::Matrix(one) => matrix(py, one),
        Unstructured::Column(one) => column(py, one),
        Unstructured::DataFrame(table) => frame(py, table),
        Unstructured::Awkward(one) => {
            let (form, len) = (one.form().to_owned(), one.len());
            let buffers = PyList::empty(py);
            for (name, buffer) in one.into_buffers() {
                buffers.append((name, array(py, buffer)?))?;
            }
            ("awkward", form, len, buffers).into_bound_py_any(py)
        }
        Unstructured::Records { shape, fields } => {
            let list = PyList::empty(py);
            for (name, field) in fields {
                list.append((name, values(py, field)?))?;
            }
            ("records", list, shape).into_bound_py_any(py)
        }
        Unstructured::Dict(items) => mapping(py, items, unstructured),
    }
}
