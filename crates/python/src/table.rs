//! Tables as Arrow's C stream, which pyarrow and others take without a copy.

use std::path::PathBuf;

use anndex::tables::arrow_array::RecordBatchIterator;
use anndex::tables::arrow_array::ffi_stream::FFI_ArrowArrayStream;
use anndex::tables::arrow_schema::ffi::FFI_ArrowSchema;
use anndex::tables::{self, Table, read_all};
use anndex_core::Error;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::error::{exception, run_long};
use crate::process::Workers;
use crate::value::array;

/// A table that was read.
#[pyclass(frozen, name = "Table", module = "anndex._anndex")]
pub(crate) struct ArrowTable(Table);

#[pymethods]
impl ArrowTable {
    /// Arrow's PyCapsule interface: the columns only.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = FFI_ArrowSchema::try_from(self.0.schema().as_ref())
            .map_err(|error| exception(py, &Error::invalid_input(error.to_string())))?;
        PyCapsule::new_with_value(py, schema, c"arrow_schema")
    }

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
    let tables = run_long(py, || workers.install(|| read_all(&paths)))?;
    Ok(tables.into_iter().map(ArrowTable).collect())
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

/// Tables that are read one below the other.
#[pyclass(frozen, module = "anndex._anndex")]
pub(crate) struct StackedReader(tables::StackedReader);

/// Looks at tables, on rayon's threads; `None` if they can't be read one below the other.
#[pyfunction]
pub(crate) fn open_stacked(py: Python<'_>, paths: Vec<PathBuf>) -> PyResult<Option<StackedReader>> {
    let workers = Workers::of_this_process().map_err(|error| exception(py, &error))?;
    let open = || workers.install(|| tables::StackedReader::open(&paths));
    Ok(run_long(py, open)?.map(StackedReader))
}

#[pymethods]
impl StackedReader {
    /// The columns of Parquet files as a table without rows; `None` for text, whose columns are known
    /// once it is read.
    #[getter]
    fn columns(&self, py: Python<'_>) -> PyResult<Option<ArrowTable>> {
        let Some(schema) = self.0.schemas().first().copied().cloned() else {
            return Ok(None);
        };
        let empty = Table::new(schema, Vec::new()).map_err(|error| exception(py, &error))?;
        Ok(Some(ArrowTable(empty)))
    }

    /// What pandas has noted in each Parquet file, as JSON.
    #[getter]
    fn pandas_metadata(&self) -> Vec<Option<&str>> {
        let schemas = self.0.schemas().into_iter();
        let noted = schemas.map(|schema| schema.metadata().get("pandas"));
        noted.map(|text| text.map(String::as_str)).collect()
    }

    /// Reads them, on rayon's threads; `None` for text whose columns are not the same.
    fn read(&self, py: Python<'_>) -> PyResult<Option<Stacked>> {
        let workers = Workers::of_this_process().map_err(|error| exception(py, &error))?;
        let Some(stacked) = run_long(py, || workers.install(|| self.0.read()))? else {
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
}
