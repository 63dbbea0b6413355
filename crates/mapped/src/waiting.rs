//! Threads that mostly wait for a server: more of them than cores, so that as many requests are
//! under way as may be, while whatever has come is decoded.

use rayon::{ThreadPool, ThreadPoolBuilder};

use anndex_store::error::{Error, ErrorKind, Result};
use anndex_store::operation::Operation;

/// Does `work` on as many of rayon's threads as there may be `requests`; on those of the caller if
/// `None`. They end with it, so that a process that was forked misses none.
///
/// # Errors
/// `Storage` if the system gives no threads.
pub(super) fn on_threads<T: Send>(
    requests: Option<usize>,
    work: impl FnOnce() -> T + Send,
) -> Result<T> {
    let Some(count) = requests else {
        return Ok(work());
    };
    // All that waits here waits for one operation, which gives up a server for all of them.
    let operation = Operation::current().unwrap_or_default();
    let threads = threads_of(&operation, count)?;
    Ok(threads.install(work))
}

/// Threads that work for an operation.
///
/// # Errors
/// `Storage` if the system gives no threads.
pub(super) fn threads_of(operation: &Operation, count: usize) -> Result<ThreadPool> {
    let operation = operation.clone();
    let builder = ThreadPoolBuilder::new().num_threads(count.max(1));
    let pool = builder.start_handler(move |_| operation.set_of_thread());
    pool.build()
        .map_err(|error| Error::new(ErrorKind::Storage, "can't start threads").source_error(error))
}
