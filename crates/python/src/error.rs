//! Errors and panics of the engine as exceptions of `anndex.errors`.

use std::any::Any;
use std::error::Error as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use anndex_core::{Error, Result, shown};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::signal;

/// Runs `work` without the interpreter lock; an error becomes the exception that fits, and a
/// panic as in [`guarded`]. Where it waits for a server in this thread, signals end it.
pub(crate) fn run<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    guarded(py, || {
        let operation = signal::operation();
        let done = py.detach(|| operation.within(work));
        signal::taken()?;
        done.map_err(|error| exception(py, &error))
    })
}

/// As [`run`], for what may take long: it is done in a thread of its own, so that this one can look
/// for signals.
pub(crate) fn run_long<T: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<T> + Send,
) -> PyResult<T> {
    guarded(py, || {
        let operation = signal::operation();
        let done = py.detach(|| signal::watched(&operation, || operation.within(work)));
        signal::taken()?;
        done.map_err(|error| exception(py, &error))
    })
}

/// Does `work`; a panic becomes the exception that asks for a report.
pub(crate) fn guarded<T>(py: Python<'_>, work: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    // What a panic left half done is behind `&self` of the engine, which has no state to break.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let message = panic_message(&*panic);
        Err(raised(py, "bug", None, &message, &PyDict::new(py), None))
    })
}

/// A message as it may be shown: without what may be secret in a URL, and without what a terminal
/// would obey.
#[pyfunction]
pub(crate) fn shown_message(text: &str) -> String {
    shown::sentence(text).into_owned()
}

/// The exception for an error.
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    let context = PyDict::new(py);
    for (key, value) in error.contexts() {
        if let Err(failed) = context.set_item(key, value) {
            return failed;
        }
    }
    let mut cause = error.source();
    let mut causes = Vec::new();
    while let Some(error) = cause {
        causes.push(shown::sentence(&error.to_string()).into_owned());
        cause = error.source();
    }
    // Some errors are said in the words of their cause.
    causes.dedup();
    let cause = (!causes.is_empty()).then(|| causes.join(": "));
    let (kind, operation) = (error.kind().as_str(), error.operation_name());
    raised(
        py,
        kind,
        operation,
        error.message(),
        &context,
        cause.as_deref(),
    )
}

fn raised(
    py: Python<'_>,
    kind: &str,
    operation: Option<&str>,
    message: &str,
    context: &Bound<'_, PyDict>,
    cause: Option<&str>,
) -> PyErr {
    let made = py.import("anndex.errors").and_then(|errors| {
        errors.call_method1("_from_native", (kind, operation, message, context, cause))
    });
    made.map_or_else(|failed| failed, PyErr::from_value)
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "panicked".to_owned())
}
