//! What a call does as a whole: whether anybody still waits for it, and which storages it has given
//! up. Threads and futures that work for the call find it here, so that Ctrl-C reaches a read deep
//! inside, and a server that does not answer is waited for once and not for each read.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::thread::{self, ThreadId};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::Notify;

use crate::error::{Error, ErrorKind, Result};

/// How often a thread that waits looks whether it is to stop.
pub const LOOK: Duration = Duration::from_millis(50);

thread_local! {
    static CURRENT: RefCell<Option<Operation>> = const { RefCell::new(None) };
}

/// That of all threads that have none of their own.
static OF_PROCESS: OnceLock<Operation> = OnceLock::new();

/// One thing that is being done. Copies are the same operation.
#[derive(Clone, Default)]
pub struct Operation(Arc<Shared>);

#[derive(Default)]
struct Shared {
    is_stopped: AtomicBool,
    /// Which storages are given up, and why.
    given_up: Mutex<Vec<(String, Error)>>,
    changed: Notify,
    /// What is asked in the thread that waits for the operation whether it is to stop.
    question: Option<(ThreadId, fn() -> bool)>,
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("is_stopped", &self.is_stopped())
            .finish_non_exhaustive()
    }
}

impl Operation {
    /// An operation that goes on until it is stopped.
    pub fn new() -> Self {
        Self::default()
    }

    /// An operation that is stopped when `is_to_stop` says so, which is asked every now and then
    /// while it waits, and by this very thread only.
    pub fn asking(is_to_stop: fn() -> bool) -> Self {
        Self(Arc::new(Shared {
            question: Some((thread::current().id(), is_to_stop)),
            ..Shared::default()
        }))
    }

    /// The operation that this thread works for, if it was told.
    pub fn current() -> Option<Self> {
        CURRENT
            .with_borrow(Option::clone)
            .or_else(|| OF_PROCESS.get().cloned())
    }

    /// From now on, this is what the process does, wherever nothing else is said. Only the first call
    /// counts.
    pub fn set_of_process(&self) {
        let _ = OF_PROCESS.set(self.clone());
    }

    /// From now on, this thread works for the operation.
    pub fn set_of_thread(&self) {
        CURRENT.set(Some(self.clone()));
    }

    /// Does `work` for the operation in this thread.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        let _before = Before(CURRENT.replace(Some(self.clone())));
        work()
    }

    /// Does `work` for the operation, whatever thread it is polled in.
    pub fn scope<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        Scope {
            operation: self.clone(),
            work: Box::pin(work),
        }
    }

    /// Ends it: whoever works for it gets an error soon.
    pub fn stop(&self) {
        self.0.is_stopped.store(true, Ordering::Relaxed);
        self.0.changed.notify_waiters();
    }

    /// Whether it was stopped.
    pub fn is_stopped(&self) -> bool {
        // Nothing else is published through this.
        self.0.is_stopped.load(Ordering::Relaxed)
    }

    /// Asks whether it is to stop, where this is the thread to ask, and says whether it was stopped.
    pub fn look(&self) -> bool {
        if !self.is_stopped()
            && let Some((thread, is_to_stop)) = self.0.question
            && thread == thread::current().id()
            && is_to_stop()
        {
            self.stop();
        }
        self.is_stopped()
    }

    /// # Errors
    /// `Cancelled` if it was stopped.
    pub fn check(&self) -> Result<()> {
        match self.is_stopped() {
            true => Err(stopped()),
            false => Ok(()),
        }
    }

    /// Waits until it is stopped.
    pub async fn stopped(&self) {
        while !self.is_stopped() {
            let changed = self.0.changed.notified();
            let mut changed = pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            if !self.is_stopped() {
                changed.await;
            }
        }
    }

    /// Makes a request to a storage, unless the operation ends first, or has given the storage up
    /// because an earlier request was not answered.
    ///
    /// # Errors
    /// Those of the request; `Cancelled` if the operation was stopped; that of the earlier request.
    pub async fn ask<T>(
        &self,
        storage: &str,
        request: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let answered = match select(pin!(request), pin!(self.end(storage))).await {
            Either::Left((answered, _)) => answered,
            Either::Right((ended, _)) => return Err(ended),
        };
        answered.inspect_err(|error| {
            if error.is_unanswered() {
                let mut given_up = self.given_up();
                if given_up.iter().all(|(known, _)| known != storage) {
                    given_up.push((storage.to_owned(), error.again()));
                }
                drop(given_up);
                self.0.changed.notify_waiters();
            }
        })
    }

    /// Waits until nothing is to be asked of the storage any more, and says why.
    async fn end(&self, storage: &str) -> Error {
        loop {
            let mut changed = pin!(self.0.changed.notified());
            changed.as_mut().enable();
            if self.is_stopped() {
                return stopped();
            }
            if let Some(error) = self.reason(storage) {
                return error;
            }
            changed.await;
        }
    }

    /// Why a storage is given up, if it is.
    fn reason(&self, storage: &str) -> Option<Error> {
        let given_up = self.given_up();
        let known = given_up.iter().find(|(known, _)| known == storage);
        known.map(|(_, error)| error.again())
    }

    fn given_up(&self) -> MutexGuard<'_, Vec<(String, Error)>> {
        self.0
            .given_up
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// # Errors
/// `Cancelled` if what this thread works for was stopped.
pub fn check() -> Result<()> {
    match Operation::current() {
        Some(operation) => operation.check(),
        None => Ok(()),
    }
}

/// `work` for the operation of this thread, whichever thread it is done in. It is not begun any more
/// once the operation was stopped, which gives the error of [`check`].
pub fn carried<A, B>(work: impl Fn(A) -> Result<B>) -> impl Fn(A) -> Result<B> {
    let operation = Operation::current();
    move |argument| match &operation {
        Some(operation) => {
            operation.check()?;
            operation.within(|| work(argument))
        }
        None => work(argument),
    }
}

/// Does both for the operation of this thread, in rayon's threads.
pub fn join<A: Send, B: Send>(
    one: impl FnOnce() -> A + Send,
    other: impl FnOnce() -> B + Send,
) -> (A, B) {
    match Operation::current() {
        Some(operation) => rayon::join(|| operation.within(one), || operation.within(other)),
        None => rayon::join(one, other),
    }
}

fn stopped() -> Error {
    Error::new(ErrorKind::Cancelled, "stopped before the end")
}

/// Puts back what a thread worked for before.
struct Before(Option<Operation>);

impl Drop for Before {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

struct Scope<F> {
    operation: Operation,
    work: Pin<Box<F>>,
}

impl<F: Future> Future for Scope<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let operation = self.operation.clone();
        operation.within(|| self.work.as_mut().poll(context))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unanswered() -> Error {
        Error::new(ErrorKind::Storage, "no answer").unanswered()
    }

    #[test]
    fn what_is_stopped_is_asked_no_more() {
        let operation = Operation::new();
        operation.within(|| check().unwrap());
        let waiting = operation.clone();
        let waiting = thread::spawn(move || {
            let asked = waiting.ask("s3://cells", std::future::pending::<Result<()>>());
            pollster::block_on(asked)
        });
        operation.stop();
        let error = waiting.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        operation.within(|| check().unwrap_err());
        assert!(check().is_ok(), "other threads go on");
    }

    #[test]
    fn a_storage_that_did_not_answer_is_given_up() {
        let operation = Operation::new();
        let ask = |storage: &'static str, answer: Result<()>| {
            pollster::block_on(operation.ask(storage, async { answer }))
        };
        ask("a", Err(Error::not_found("none"))).unwrap_err();
        ask("a", Ok(())).unwrap();
        ask("a", Err(unanswered())).unwrap_err();
        let pending = operation.ask("a", std::future::pending::<Result<()>>());
        let error = pollster::block_on(pending).unwrap_err();
        assert_eq!(error.message(), "no answer");
        ask("b", Ok(())).unwrap();
    }

    #[test]
    fn the_thread_that_waits_is_asked() {
        let operation = Operation::asking(|| true);
        let other = operation.clone();
        assert!(!thread::spawn(move || other.look()).join().unwrap());
        assert!(operation.look());
    }

    #[test]
    fn work_is_carried_to_other_threads() {
        let operation = Operation::new();
        operation.stop();
        let scoped = operation.scope(async { check() });
        pollster::block_on(scoped).unwrap_err();
        let work = operation.within(|| carried(|()| check()));
        let done = thread::spawn(move || work(())).join().unwrap();
        assert_eq!(done.unwrap_err().kind(), ErrorKind::Cancelled);
    }
}
