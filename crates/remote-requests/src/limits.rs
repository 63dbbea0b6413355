//! How long requests may take, and how often they are made again.

use std::time::Duration;

use anndex_store::{Error, ErrorKind};

/// Limits of requests to a storage. Each request has one, and so has what it is part of, with all
/// that is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// For making a connection.
    pub connect: Duration,
    /// For the next bytes to come, once a request was sent.
    pub stall: Duration,
    /// For one request with its whole answer. What is read or written by one is bounded, so slow
    /// connections need no more.
    pub request: Duration,
    /// For one read, write or look, with all that is tried again. Trying again ends at half of
    /// it, so that the last request can still come to its end.
    pub total: Duration,
    /// How often a request is made again, with growing pauses, after the server failed (5xx), asked
    /// to be left alone for a while (429), or the connection broke.
    pub retries: usize,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            request: Duration::from_secs(90),
            total: Duration::from_secs(180),
            retries: 10,
        }
    }
}

/// The error for what did not end within its limit.
pub fn too_slow(limit: Duration) -> Error {
    Error::new(
        ErrorKind::Storage,
        format!(
            "the storage did not answer within {} s; try again later",
            limit.as_secs()
        ),
    )
    .unanswered()
}
