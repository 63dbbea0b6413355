//! Making a request again whose failure may pass.

use std::future::Future;
use std::time::{Duration, Instant};

use anndex_store::{Error, Result};

use crate::{RequestLimits, too_slow};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Why a request failed.
#[derive(Debug)]
pub struct FailedRequest {
    /// For the user, if it is not made again.
    pub error: Error,
    /// Whether the same request may succeed a moment later.
    pub is_transient: bool,
}

/// Does one thing within the limits, again with growing pauses while its failure may pass.
///
/// # Errors
/// That of the last attempt; `Storage` if the time is over.
pub async fn again<T, E, F>(limits: &RequestLimits, ask: impl Fn() -> F) -> Result<T>
where
    E: Into<FailedRequest>,
    F: Future<Output = std::result::Result<T, E>>,
{
    let attempts = async {
        let (begin, mut pause) = (Instant::now(), FIRST_PAUSE);
        for attempt in 1.. {
            let failed: FailedRequest = match ask().await {
                Ok(done) => return Ok(done),
                Err(failed) => failed.into(),
            };
            let is_last = attempt > limits.retries || begin.elapsed() + pause > limits.total / 2;
            if is_last || !failed.is_transient {
                return Err(failed.error);
            }
            tracing::debug!(attempt, error = %failed.error, "a request failed and is made again");
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
