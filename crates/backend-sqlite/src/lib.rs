//! SQLite as the database of an instance: one file, no server.
//!
//! Everything about records is in `anndex-backend-sql`; here are the connections with their
//! pragmas, the locking, and what SQLite's result codes mean for people.
//!
//! How a file is opened:
//! - Write-ahead logging, so that readers and the writer don't wait for each other, with
//!   `synchronous = FULL`: what was reported as saved survives a power failure.
//! - One writing connection, whose transactions begin with `BEGIN IMMEDIATE`. Tasks of one process
//!   queue for it; other processes are waited for up to [`SqliteOptions::busy_timeout`].
//! - Several reading connections, on which SQLite refuses writes.
//! - Foreign keys are checked.
//! - Where its directory can't be written, as on a read-only file system, it is opened to be read.
//!   Should somebody change it meanwhile from elsewhere, reading is an error.

mod backend;
mod connect;
mod error;
mod frozen;
mod options;
mod read;

pub use backend::{Sqlite, SqliteBackend};
pub use connect::{connect, connect_in_memory};
pub use options::SqliteOptions;
pub use read::read;
