//! Large results, a page at a time, so that iterating over them holds no more than that.

use std::sync::{Arc, Mutex, PoisonError};

use anndex_core::backend;
use pyo3::prelude::*;

use crate::connection::Connection;
use crate::record::Record;

/// The pages of a query. Nothing is held at the database between two of them.
#[pyclass(frozen, module = "anndex._anndex")]
pub(crate) struct Pages {
    connection: Arc<Connection>,
    /// Only locked with the interpreter lock held.
    pages: Mutex<backend::Pages>,
}

impl Pages {
    pub(crate) fn new(connection: &Arc<Connection>, pages: backend::Pages) -> Self {
        Self {
            connection: connection.clone(),
            pages: Mutex::new(pages),
        }
    }
}

#[pymethods]
impl Pages {
    /// The next records; none at the end.
    fn next(&self, py: Python<'_>) -> PyResult<Vec<Record>> {
        let lock = || self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pages = lock().clone();
        let (pages, found) = self.connection.call(py, |db| async move {
            let found = pages.next(db.backend().as_ref()).await?;
            Ok((pages, found.unwrap_or_default()))
        })?;
        *lock() = pages;
        let found = found.into_iter();
        Ok(found
            .map(|one| Record::new(&self.connection, one))
            .collect())
    }
}
