//! Doing again what fails in a way that may pass.
//!
//! OpenDAL's own layer for this is not used: it goes on in the middle of lists and of what is
//! written, and then leaves out or repeats what was under way.

use std::future::Future;

use anndex_remote_requests::{FailedRequest, RequestLimits, too_slow};
use anndex_store::Result;

use crate::error;

/// Does one thing as [`anndex_remote_requests::again`] does.
///
/// # Errors
/// As there.
pub(crate) async fn again<T, F>(limits: &RequestLimits, ask: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = opendal_core::Result<T>>,
{
    let ask = || {
        let asked = ask();
        async move {
            asked.await.map_err(|failed| FailedRequest {
                error: error::request(&failed),
                is_transient: error::is_transient(&failed),
            })
        }
    };
    anndex_remote_requests::again(limits, ask).await
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
