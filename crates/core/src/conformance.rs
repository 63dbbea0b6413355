//! Suites that every implementation of a contract of this crate runs in its own tests.
//!
//! They panic with a clear message where an implementation breaks the contract, as tests do.

pub mod backend;
pub mod search;
pub mod storage;
pub mod store;
pub mod tables;
pub mod transfer;
