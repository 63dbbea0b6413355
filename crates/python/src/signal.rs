//! Ctrl-C while the engine works: Python's handlers of signals run in the main thread alone, and only
//! when it asks for them.

use std::cell::RefCell;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anndex_core::operation::{LOOK, Operation};
use anndex_core::{Error, ErrorKind, Result};
use pyo3::prelude::*;

/// How long a call to the registry may take to end after a signal, before it is let go of.
const PATIENCE: Duration = Duration::from_millis(800);

thread_local! {
    /// What a handler raised in this thread.
    static RAISED: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// An operation that signals end, if this is the main thread.
pub(crate) fn operation() -> Operation {
    RAISED.set(None);
    Operation::asking(is_raised)
}

fn is_raised() -> bool {
    let raised = Python::try_attach(|py| py.check_signals());
    match raised {
        Some(Err(raised)) => {
            RAISED.set(Some(raised));
            true
        }
        _ => false,
    }
}

/// # Errors
/// What a handler raised since [`operation`].
pub(crate) fn taken() -> PyResult<()> {
    RAISED.take().map_or(Ok(()), Err)
}

/// Does `work` in another thread, while this one looks for signals.
///
/// # Errors
/// Those of `work`; `Storage` if the system gives no thread.
pub(crate) fn watched<T: Send>(
    operation: &Operation,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(1);
        let work = move || {
            // It has room for one.
            let _ = sender.send(work());
        };
        let worker = thread::Builder::new().name("anndex-call".to_owned());
        let worker = worker.spawn_scoped(scope, work).map_err(|error| {
            Error::new(ErrorKind::Storage, "can't start a thread").source_error(error)
        })?;
        loop {
            match receiver.recv_timeout(LOOK) {
                Ok(done) => return done,
                Err(RecvTimeoutError::Timeout) => operation.look(),
                Err(RecvTimeoutError::Disconnected) => match worker.join() {
                    Err(panic) => resume_unwind(panic),
                    Ok(()) => return Err(Error::new(ErrorKind::Cancelled, "the call was stopped")),
                },
            };
        }
    })
}

/// Waits for something of the registry, while this thread looks for signals. What does not end soon
/// after one is let go of.
///
/// # Errors
/// Its own; `Cancelled` if it was let go of.
pub(crate) async fn awaited<T>(
    operation: &Operation,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let mut work = pin!(operation.scope(work));
    let mut stopped: Option<Instant> = None;
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(LOOK) => {}
        }
        if operation.look() && stopped.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
            return Err(Error::new(ErrorKind::Cancelled, "the call was stopped"));
        }
    }
}
