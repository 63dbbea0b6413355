//! The asynchronous runtime of this process, and waiting for it without the interpreter lock.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use anndex_core::{Error, ErrorKind, Result};
use pyo3::prelude::*;
use tokio::runtime::{Builder, Runtime};

use crate::error::{exception, guarded};
use crate::notice::Notices;
use crate::process::Workers;
use crate::signal;

/// The runtime and the process that it was made in. Only locked with the interpreter lock held, as
/// it is by whoever forks through Python, so that a child never finds it locked.
static RUNTIME: Mutex<Option<(u32, Arc<Runtime>)>> = Mutex::new(None);

/// Waits for the registry. What it warns of becomes a Python warning.
pub(crate) fn block_on<T: Send>(
    py: Python<'_>,
    future: impl Future<Output = Result<T>> + Send,
) -> PyResult<T> {
    let runtime = of_this_process().map_err(|error| exception(py, &error))?;
    let notices = Notices::default();
    let done = guarded(py, || {
        let operation = signal::operation();
        let awaited = signal::awaited(&operation, future);
        let done = py.detach(|| notices.collect(|| runtime.block_on(awaited)));
        signal::taken()?;
        done.map_err(|error| exception(py, &error))
    })?;
    notices.warn(py)?;
    Ok(done)
}

/// The runtime of this process, made on first use. Its tasks run in the threads that wait for
/// them, so that nothing goes on while no call does; a fork then finds nothing half-way.
fn of_this_process() -> Result<Arc<Runtime>> {
    let process = std::process::id();
    let mut known = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((maker, runtime)) = &*known
        && *maker == process
    {
        return Ok(runtime.clone());
    }
    let workers = Workers::of_this_process()?;
    let runtime = Builder::new_current_thread()
        .enable_all()
        .on_thread_start(move || workers.adopt_thread())
        .build()
        .map_err(|error| {
            Error::new(ErrorKind::Storage, "can't start the runtime").source_error(error)
        })?;
    let runtime = Arc::new(runtime);
    // Dropping the parent's runtime would wait for threads that are not here.
    std::mem::forget(known.replace((process, runtime.clone())));
    Ok(runtime)
}
