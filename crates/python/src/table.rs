//! Tables as Arrow's C stream, which pyarrow and others take without a copy.

use std::path::PathBuf;

use anndex::tables::arrow_array::RecordBatchIterator;
use anndex::tables::arrow_array::ffi_stream::FFI_ArrowArrayStream;
use anndex::tables::{Table, read_all};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::error::{exception, run};
use crate::process::Workers;

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
