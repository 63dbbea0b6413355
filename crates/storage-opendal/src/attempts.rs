//! Doing again what fails in a way that may pass.
//!
//! OpenDAL's own layer for this is not used: it goes on in the middle of lists and of what is
//! written, and then leaves out or repeats what was under way.

use std::future::Future;
use std::time::{Duration, Instant};

use anndex_core::Result;
use anndex_storage_requests::{RequestLimits, too_slow};

use crate::error;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Does one thing within the limits, again with growing pauses while its failure may pass.
///
/// # Errors
/// That of the last attempt; `Storage` if the time is over.
pub(crate) async fn again<T, F>(limits: &RequestLimits, ask: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = opendal_core::Result<T>>,
{
    let attempts = async {
        let (begin, mut pause) = (Instant::now(), FIRST_PAUSE);
        for attempt in 1.. {
            let failed = match ask().await {
                Ok(done) => return Ok(done),
                Err(failed) => failed,
            };
            let is_last = attempt > limits.retries || begin.elapsed() + pause > limits.total / 2;
            if is_last || !error::is_transient(&failed) {
                return Err(error::request(&failed));
            }
            tracing::debug!(attempt, kind = %failed.kind(), "a request failed and is made again");
            tokio::time::sleep(pause).await;
            pause = LONGEST_PAUSE.min(2 * pause);
        }
        Err(too_slow(limits.total))
    };
    match tokio::time::timeout(limits.total, attempts).await {
        Ok(done) => done,
        Err(_) => Err(too_slow(limits.total)),
    }
}

/// Does one thing within the limits, once.
///
/// # Errors
/// Its own; `Storage` if the time is over.
pub(crate) async fn once<T>(
    limits: &RequestLimits,
    work: impl Future<Output = opendal_core::Result<T>>,
) -> Result<T> {
    match tokio::time::timeout(limits.total, work).await {
        Ok(done) => done.map_err(|failed| error::request(&failed)),
        Err(_) => Err(too_slow(limits.total)),
    }
}
