//! The threads that make requests.

use std::sync::Arc;

use anndex_core::storage::PerProcess;
use anndex_core::{Error, ErrorKind, Result};
use tokio::runtime::{Builder, Handle, Runtime};

/// Requests wait more than they compute.
const THREADS: usize = 2;

static RUNTIME: PerProcess<Owned> = PerProcess::new();

/// A runtime that may be let go of anywhere, also inside another one.
#[derive(Debug, Clone)]
struct Owned(Arc<Shared>);

#[derive(Debug)]
struct Shared(Option<Runtime>);

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// The runtime of this process.
///
/// # Errors
/// `Storage` if the system gives no threads.
pub(crate) fn handle() -> Result<Handle> {
    let owned = RUNTIME.get_or_make(|| {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("anndex-storage")
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| {
            Error::new(ErrorKind::Storage, "can't start the threads for requests")
                .source_error(error)
        })?;
        Ok(Owned(Arc::new(Shared(Some(runtime)))))
    })?;
    match &owned.0.0 {
        Some(runtime) => Ok(runtime.handle().clone()),
        None => Err(Error::new(
            ErrorKind::Storage,
            "the threads for requests have ended",
        )),
    }
}
