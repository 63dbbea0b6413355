//! The threads that make requests.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use anndex_store::storage::PerProcess;
use anndex_store::{Error, ErrorKind, Result};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::{JoinError, JoinHandle};

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
pub fn handle() -> Result<Handle> {
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

/// Does something on the threads of `handle`. It is stopped when nobody waits for it any more.
///
/// # Errors
/// Those of `work`; `Cancelled` if the threads end first.
///
/// # Panics
/// If `work` panics, as if it had run here: that is a bug, and no failure of a storage.
pub async fn run<T: Send + 'static>(
    handle: &Handle,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    match AbortOnDrop(handle.spawn(work)).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => {
                Err(Error::new(ErrorKind::Cancelled, "the request was stopped").source_error(error))
            }
        },
    }
}

/// A request that nobody waits for any more is stopped.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
