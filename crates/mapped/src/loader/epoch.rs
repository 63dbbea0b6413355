//! The batches of one epoch, made by threads that end with it.

use std::any::Any;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::JoinHandle;

use super::Loader;
use super::assembler::{Assembler, Promise};
use super::plan::Plan;
use super::position::Position;
use super::reader::Reader;
use crate::batch::Batch;
use crate::waiting::threads_of;
use anndex_store::error::{Error, ErrorKind, Result};
use anndex_store::operation::{LOOK, Operation};

/// An iterator over the batches of one epoch.
///
/// After an error there are no more. Dropping it stops and joins its threads, and frees what was
/// read ahead.
#[derive(Debug)]
pub struct Epoch {
    /// `None` once the epoch is over.
    receiver: Option<Receiver<Promise>>,
    threads: Vec<JoinHandle<()>>,
    /// What its threads do, until it is dropped.
    operation: Operation,
    position: Arc<Position>,
    next: u64,
    n_batches: u64,
    failure: Option<Error>,
}

impl Epoch {
    pub(super) fn start(loader: &Loader, plan: Plan, position: Arc<Position>) -> Result<Self> {
        let options = &loader.options;
        let first = position.state().1;
        let mut epoch = Self {
            receiver: None,
            threads: Vec::new(),
            operation: Operation::new(),
            position,
            next: first,
            n_batches: plan.n_batches(),
            failure: None,
        };
        let plan = Arc::new(plan);
        // Pools belong to one epoch, so that none is left after it, and none is missing in a process
        // that was forked before it.
        let reader = Reader {
            mapped: loader.mapped.clone(),
            plan: plan.clone(),
            format: options.format,
            budget: loader.budget.clone(),
            operation: epoch.operation.clone(),
            resident: loader.resident.clone(),
            repeated: loader.repeated.clone(),
            tries_all: true,
            threads: threads_of(&epoch.operation, loader.budget.threads())?,
        };
        let assembler = Assembler {
            mapped: loader.mapped.clone(),
            plan,
            format: options.format,
            buffers: loader.buffers.clone(),
            operation: epoch.operation.clone(),
            threads: threads_of(&epoch.operation, options.thread_count())?,
        };
        // A window is handed over when the one before is used up, so there are never three. Pools
        // apart let the system share cores fairly: in one pool, batches would wait until a whole
        // window was read.
        let (window_sender, windows) = sync_channel(0);
        let (promise_sender, promises) = sync_channel(loader.budget.batches_ahead());
        epoch.receiver = Some(promises);
        epoch.spawn("anndex-reader", move || {
            reader.run(first, &window_sender);
        })?;
        epoch.spawn("anndex-assembler", move || {
            assembler.run(&windows, &promise_sender);
        })?;
        Ok(epoch)
    }

    /// An epoch that has nothing but an error.
    pub(super) fn failed(error: Error) -> Self {
        Self {
            receiver: None,
            threads: Vec::new(),
            operation: Operation::new(),
            position: Arc::default(),
            next: 0,
            n_batches: 0,
            failure: Some(error),
        }
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
        let thread = std::thread::Builder::new().name(name.to_owned());
        self.threads.push(thread.spawn(work).map_err(no_threads)?);
        Ok(())
    }

    /// The number of batches that are left.
    pub fn n_batches(&self) -> u64 {
        self.n_batches.saturating_sub(self.next)
    }

    /// Ends the threads; gives the panic of one that had one.
    fn stop(&mut self) -> Option<Box<dyn Any + Send>> {
        self.operation.stop();
        // Whoever waits to send finds that nobody listens.
        self.receiver = None;
        let ends = self.threads.drain(..).map(|thread| thread.join().err());
        let ends: Vec<_> = ends.collect();
        ends.into_iter().flatten().next()
    }
}

impl Iterator for Epoch {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        if let Some(error) = self.failure.take() {
            return Some(Err(error));
        }
        let receiver = self.receiver.as_ref()?;
        let received = if self.next < self.n_batches {
            let batch = received(receiver).and_then(|promise| match promise {
                Some(promise) => received(&promise),
                None => Ok(None),
            });
            Some(match batch {
                Ok(Some(batch)) => batch,
                Err(stopped) => Err(stopped),
                Ok(None) => match self.stop() {
                    // As if it had happened here: that is a bug, and no failure of a storage.
                    Some(panic) => resume_unwind(panic),
                    None => Err(Error::new(
                        ErrorKind::Storage,
                        "the threads of the loader ended before the epoch did; this is a bug",
                    )),
                },
            })
        } else {
            None
        };
        match &received {
            Some(Ok(_)) => {
                self.next += 1;
                self.position.hand_out(self.next);
            }
            Some(Err(_)) => drop(self.stop()),
            None => {
                drop(self.stop());
                self.position.finish();
            }
        }
        received
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.n_batches()).ok();
        (0, left.and_then(|left| left.checked_add(1)))
    }
}

impl std::iter::FusedIterator for Epoch {}

impl Drop for Epoch {
    fn drop(&mut self) {
        // Whoever lets go of it does not wait for what a panic would be about.
        drop(self.stop());
    }
}

/// What comes next, or nothing if nobody sends it any more.
///
/// # Errors
/// `Cancelled` if whoever waits for it is to stop.
fn received<T>(receiver: &Receiver<T>) -> Result<Option<T>> {
    let waiter = Operation::current();
    loop {
        match receiver.recv_timeout(LOOK) {
            Ok(received) => return Ok(Some(received)),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Err(RecvTimeoutError::Timeout) => {
                if let Some(waiter) = &waiter {
                    waiter.look();
                    waiter.check()?;
                }
            }
        }
    }
}

fn no_threads(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Storage, "can't start threads").source_error(error)
}
