//! Threads that survive a fork: none do, so a forked process must not wait for those of its parent.

use std::sync::{Arc, Mutex, PoisonError};

use anndex_core::operation::Operation;
use anndex_core::{Error, ErrorKind, Result};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// The threads for work on many stores at once.
#[derive(Clone)]
pub(crate) enum Workers {
    /// rayon's own, in the process that started them.
    Global,
    /// Those of a forked process, or of one that first had no room for rayon's own.
    Own(Arc<ThreadPool>),
}

impl Workers {
    /// The threads of this process, started on first use. To be called with the interpreter lock
    /// held, and before anything else that may start rayon's threads: a fork by Python then finds
    /// them started or not, but never half-way.
    ///
    /// # Errors
    /// `Storage` if the system gives no threads.
    pub(crate) fn of_this_process() -> Result<Self> {
        let process = std::process::id();
        let mut known = WORKERS.lock().unwrap_or_else(PoisonError::into_inner);
        let workers = match &*known {
            Some((maker, workers)) if *maker == process => return Ok(workers.clone()),
            None if ThreadPoolBuilder::new().build_global().is_ok() => Self::Global,
            _ => {
                let pool = ThreadPoolBuilder::new().build().map_err(|error| {
                    Error::new(ErrorKind::Storage, "can't start threads").source_error(error)
                })?;
                Self::Own(Arc::new(pool))
            }
        };
        // Dropping the parent's pool would tell threads to stop that are not here.
        std::mem::forget(known.replace((process, workers.clone())));
        Ok(workers)
    }

    /// Makes the current thread, which no pool has yet, one that does rayon's work itself where
    /// rayon's own threads are those of a parent process.
    pub(crate) fn adopt_thread(&self) {
        let Self::Own(_) = self else { return };
        let alone = ThreadPoolBuilder::new()
            .num_threads(1)
            .use_current_thread()
            .build();
        // It lasts as long as its only thread, this one.
        std::mem::forget(alone);
    }

    /// Does `work`, which may ask for rayon's threads.
    pub(crate) fn install<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match self {
            Self::Global => work(),
            Self::Own(pool) => {
                // The threads of the pool know of none.
                let operation = Operation::current();
                pool.install(|| match operation {
                    Some(operation) => operation.within(work),
                    None => work(),
                })
            }
        }
    }
}

/// The workers and the process that they were started in. Only locked with the interpreter lock
/// held, as it is by whoever forks through Python, so that a child never finds it locked.
static WORKERS: Mutex<Option<(u32, Workers)>> = Mutex::new(None);
