//! Tables as Arrow's C stream, which pyarrow and others take without a copy.

use std::path::PathBuf;

use anndex::tables::arrow_array::RecordBatchIterator;
use anndex::tables::arrow_array::ffi_stream::FFI_ArrowArrayStream;
use anndex::tables::{self, Table, read_all, schema};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::error::{exception, run};
use crate::process::Workers;
use crate::value::array;

/// A table that was read.
#[pyclass(frozen, name = "Table", module = "anndex._anndex")]
pub(crate) struct ArrowTable(Table);

#[pymethods]
impl ArrowTable {
    /// Arrow's PyCapsule interface. The schema that is asked for may be ignored, and is.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        drop(requested_schema);
        let batches = self.0.batches().to_vec().into_iter().map(Ok);
        let reader = RecordBatchIterator::new(batches, self.0.schema().clone());
        let stream = FFI_ArrowArrayStream::new(Box::new(reader));
        // What is not taken over is released with the capsule.
        PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
    }
}

/// Reads tables, on rayon's threads.
#[pyfunction]
pub(crate) fn read_tables(py: Python<'_>, paths: Vec<PathBuf>) -> PyResult<Vec<ArrowTable>> {
    let workers = Workers::of_this_process().map_err(|error| exception(py, &error))?;
    let tables = run(py, || workers.install(|| read_all(&paths)))?;
    Ok(tables.into_iter().map(ArrowTable).collect())
}

/// The columns of Parquet files, as tables without rows; none for other formats.
#[pyfunction]
pub(crate) fn table_schemas(
    py: Python<'_>,
    paths: Vec<PathBuf>,
) -> PyResult<Vec<Option<ArrowTable>>> {
    let empty = |path: &PathBuf| match schema(path)? {
        Some(schema) => Ok(Some(ArrowTable(Table::new(schema, Vec::new())?))),
        None => Ok(None),
    };
    run(py, || paths.iter().map(empty).collect())
}

/// Tables that have the same columns, one below the other.
#[pyclass(frozen, get_all, module = "anndex._anndex")]
pub(crate) struct Stacked {
    /// The names of the columns.
    names: Vec<String>,
    /// How many rows each table has.
    rows: Vec<usize>,
    /// Numbers and booleans: the positions of columns of one type (`None` for one that is not used),
    /// and an array of columns times rows.
    blocks: Vec<(Vec<Option<usize>>, Py<PyAny>)>,
    /// The positions of the other columns.
    others: Vec<usize>,
    /// The other columns.
    rest: Py<ArrowTable>,
}

/// Reads tables that have the same columns, on rayon's threads; `None` if they have not.
#[pyfunction]
pub(crate) fn read_stacked(py: Python<'_>, paths: Vec<PathBuf>) -> PyResult<Option<Stacked>> {
    let workers = Workers::of_this_process().map_err(|error| exception(py, &error))?;
    let read = || workers.install(|| tables::read_stacked(&paths));
    let Some(stacked) = run(py, read)? else {
        return Ok(None);
    };
    let blocks = stacked
        .blocks
        .into_iter()
        .map(|block| Ok((block.columns, array(py, block.values)?.unbind())));
    Ok(Some(Stacked {
        names: stacked.names,
        rows: stacked.rows,
        blocks: blocks.collect::<PyResult<_>>()?,
        others: stacked.others,
        rest: Py::new(py, ArrowTable(stacked.rest))?,
    }))
}
