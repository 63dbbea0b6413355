//! Waiting for a storage on a thread that has no runtime, for as long as anybody wants the answer.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// How often a thread that waits looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

thread_local! {
    static STOPPED: RefCell<Option<Arc<AtomicBool>>> = const { RefCell::new(None) };
}

/// From now on, waiting for a storage on this thread ends with an error once `stopped` is set.
pub(crate) fn until(stopped: Arc<AtomicBool>) {
    STOPPED.set(Some(stopped));
}

/// Waits for a request. It is given up when this thread is to stop (see [`until`]).
///
/// # Errors
/// Those of the request; `Cancelled` if it was given up.
pub(crate) fn wait<T>(request: impl Future<Output = Result<T>>) -> Result<T> {
    let mut request = pin!(request);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let stopped = STOPPED.with_borrow(Option::clone);
    loop {
        if let Poll::Ready(answer) = request.as_mut().poll(&mut context) {
            return answer;
        }
        match &stopped {
            // Nothing else is published through this.
            Some(stopped) if stopped.load(Ordering::Relaxed) => {
                return Err(Error::new(ErrorKind::Cancelled, "reading was stopped"));
            }
            Some(_) => thread::park_timeout(LOOK),
            None => thread::park(),
        }
    }
}

/// Does work that blocks on a thread of its own. If it panics, so does whoever waits for it: that is a
/// bug, and nobody stopped it.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
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
        let stopped = Arc::new(AtomicBool::new(false));
        let own = stopped.clone();
        let waiting = thread::spawn(move || {
            until(own);
            wait(std::future::pending::<Result<()>>())
        });
        stopped.store(true, Ordering::Relaxed);
        let error = waiting.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert_eq!(wait(async { Ok(1) }).unwrap(), 1);
    }
}
