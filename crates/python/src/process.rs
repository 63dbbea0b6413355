//! Threads that survive a fork: none do, so a forked process must not wait for those of its parent.

use std::sync::{Arc, Mutex, PoisonError};

use anndex_core::{Error, ErrorKind, Result};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// The pool of this process and the process that it was made in.
///
/// The mutex is only taken with the interpreter lock held, as it is by whoever forks through
/// Python, so that it is never locked in a new child.
static POOL: Mutex<Option<(u32, Arc<ThreadPool>)>> = Mutex::new(None);

/// The threads for work on many stores at once, started on first use in this process. To be
/// called with the interpreter lock held, and used instead of rayon's global pool.
///
/// # Errors
/// `Storage` if the system gives no threads.
pub(crate) fn pool() -> Result<Arc<ThreadPool>> {
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if let Some((_, found)) = pool.as_ref().filter(|(maker, _)| *maker == process) {
        return Ok(found.clone());
    }
    let made = ThreadPoolBuilder::new()
        .thread_name(|index| format!("anndex-{index}"))
        .build()
        .map_err(|error| {
            Error::new(ErrorKind::Storage, "can't start threads").source_error(error)
        })?;
    let made = Arc::new(made);
    // The parent's pool would be told to stop, and its threads are not here to listen.
    std::mem::forget(pool.replace((process, made.clone())));
    Ok(made)
}
