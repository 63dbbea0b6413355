//! How long requests may take, and how often they are made again.

use std::time::Duration;

use object_store::{BackoffConfig, ClientOptions, RetryConfig};

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

impl RequestLimits {
    pub(crate) fn client(&self) -> ClientOptions {
        ClientOptions::new()
            .with_connect_timeout(self.connect)
            .with_read_timeout(self.stall)
            .with_timeout(self.request)
    }

    pub(crate) fn retry(&self) -> RetryConfig {
        RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(5),
                base: 2.0,
            },
            max_retries: self.retries,
            retry_timeout: self.total / 2,
        }
    }
}
