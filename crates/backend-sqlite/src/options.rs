//! What a caller may choose about a connection; everything else is fixed so that data is safe.

use std::time::Duration;

/// How to open a database file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// Make the file when it is missing. Otherwise a missing file is an error. Default: false.
    pub create: bool,
    /// How long a writer waits for another process to finish before it gives up.
    /// Default: 30 seconds.
    pub busy_timeout: Duration,
    /// How many queries may run at the same time, beside the one writer; at least 1. Default: 4.
    pub readers: u32,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            create: false,
            busy_timeout: Duration::from_secs(30),
            readers: 4,
        }
    }
}

impl SqliteOptions {
    /// The defaults: an existing file, 30 seconds of patience, 4 readers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether to make the file when it is missing.
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// How long a writer waits for another process.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// How many queries may run at the same time.
    pub fn readers(mut self, readers: u32) -> Self {
        self.readers = readers;
        self
    }
}
