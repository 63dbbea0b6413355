//! Waiting for a storage on a thread that has no runtime, for as long as anybody wants the answer.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use crate::error::{Error, ErrorKind, Result};
use crate::operation::{LOOK, Operation};

/// Waits for a request. It is given up when what this thread works for is stopped (see
/// [`Operation`]).
///
/// # Errors
/// Those of the request; `Cancelled` if it was given up.
pub fn wait<T>(request: impl Future<Output = Result<T>>) -> Result<T> {
    let mut request = pin!(request);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let operation = Operation::current();
    loop {
        if let Poll::Ready(answer) = request.as_mut().poll(&mut context) {
            return answer;
        }
        match &operation {
            Some(operation) => {
                operation.look();
                operation.check()?;
                thread::park_timeout(LOOK);
            }
            None => thread::park(),
        }
    }
}

/// Does work that blocks on a thread of its own, which works for the same [`Operation`]. If it panics, so does whoever waits for it: that is a
/// bug, and nobody stopped it.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let operation = Operation::current().unwrap_or_default();
    let work = move || operation.within(work);
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Err(Error::new(
                ErrorKind::Cancelled,
                "the work was stopped before it ended",
            )
            .source_error(error)),
        },
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_nobody_wants_any_more_is_given_up() {
        let operation = Operation::new();
        let own = operation.clone();
        let waiting = thread::spawn(move || {
            own.set_of_thread();
            wait(std::future::pending::<Result<()>>())
        });
        operation.stop();
        let error = waiting.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert_eq!(wait(async { Ok(1) }).unwrap(), 1);
    }
}
