//! Threads that mostly wait for a server: more of them than cores, so that as many requests are
//! under way as may be, while whatever has come is decoded.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, ErrorKind, Result};
use crate::storage::wait;

/// Does `work` on as many of rayon's threads as there may be `requests`; on those of the caller if
/// `None`. They end with it, so that a process that was forked misses none.
///
/// # Errors
/// `Storage` if the system gives no threads.
pub(super) fn on_threads<T: Send>(
    requests: Option<usize>,
    work: impl FnOnce() -> T + Send,
) -> Result<T> {
    match requests {
        None => Ok(work()),
        Some(count) => Ok(build(ThreadPoolBuilder::new(), count)?.install(work)),
    }
}

/// Threads on which waiting for a server ends once `stopped` is set.
///
/// # Errors
/// `Storage` if the system gives no threads.
pub(super) fn threads_until(stopped: &Arc<AtomicBool>, count: usize) -> Result<ThreadPool> {
    let stopped = stopped.clone();
    let builder = ThreadPoolBuilder::new();
    build(
        builder.start_handler(move |_| wait::until(stopped.clone())),
        count,
    )
}

fn build(builder: ThreadPoolBuilder, count: usize) -> Result<ThreadPool> {
    let pool = builder.num_threads(count.max(1)).build();
    pool.map_err(|error| Error::new(ErrorKind::Storage, "can't start threads").source_error(error))
}
