//! PostgreSQL as the database of an instance: many people on many machines, one server.
//!
//! Everything about records is in `anndex-backend-sql`; here are the connections with their
//! timeouts and TLS, the isolation, and what PostgreSQL's error codes mean for people.
//!
//! How a database is used:
//! - One pool of connections. Queries are single statements, each of which sees whole change sets.
//! - Change sets are `SERIALIZABLE` transactions: what a precondition did not find is not there
//!   either when the changes are made, whatever others insert meanwhile. A transaction that fails
//!   for that reason, or in a deadlock, is made again; if it goes on losing, it is a `Conflict`,
//!   after which core looks again at what has changed.
//! - The schema is changed under an advisory lock, so that of several processes one does it.
//! - Text is compared by bytes (`COLLATE "C"`), whatever the locale of the server.
//! - Timeouts bound connecting, statements, waiting for locks, and transactions that a process
//!   leaves open when it is stopped in the middle.
//! - TLS (rustls, with the certificates that the system trusts) is used where the server has it;
//!   `?sslmode=verify-full` in the URL demands it and checks the server's name.
//! - A password is kept for connecting and nothing else. [`PostgresUrl`] is what may be shown.

mod backend;
mod connect;
mod error;
mod options;
mod read;
mod url;

pub use backend::{Postgres, PostgresBackend};
pub use connect::connect;
pub use options::PostgresOptions;
pub use read::read;
pub use url::PostgresUrl;
