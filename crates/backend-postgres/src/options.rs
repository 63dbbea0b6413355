//! What a caller may choose about a connection; everything else is fixed so that data is safe.

use std::time::Duration;

/// How to open a database. The URL says where it is, and how TLS is used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PostgresOptions {
    /// Make the tables when they are missing. Otherwise a database without them is an error. The
    /// database itself is never made. Default: false.
    pub create: bool,
    /// How long to wait for the server when the database is opened. Default: 10 seconds. A
    /// `connect_timeout` in the URL counts instead, and for `acquire_timeout`, too.
    pub connect_timeout: Duration,
    /// How long an operation waits for a connection: for one of the pool to be free or, where the
    /// server is down, for it to come back. Default: 30 seconds.
    pub acquire_timeout: Duration,
    /// How long one statement may take. Default: 5 minutes.
    pub statement_timeout: Duration,
    /// How long a statement waits for a lock that another writer holds. Default: 30 seconds.
    pub lock_timeout: Duration,
    /// The most connections to be open at the same time; at least 1. Default: 8.
    pub connections: u32,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            create: false,
            connect_timeout: Duration::from_secs(10),
            acquire_timeout: Duration::from_secs(30),
            statement_timeout: Duration::from_secs(300),
            lock_timeout: Duration::from_secs(30),
            connections: 8,
        }
    }
}

impl PostgresOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether to make the tables when they are missing.
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// How long to wait for the server when the database is opened.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long an operation waits for a connection.
    pub fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = timeout;
        self
    }

    /// How long one statement may take.
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout;
        self
    }

    /// How long a statement waits for a lock.
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }

    /// The most connections to be open at the same time.
    pub fn connections(mut self, connections: u32) -> Self {
        self.connections = connections;
        self
    }
}
