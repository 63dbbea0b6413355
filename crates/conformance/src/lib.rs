//! Suites that every implementation of a contract runs in its own tests: backends, stores, storages.
//!
//! They panic with a clear message where an implementation breaks the contract, as tests do.

pub mod backend;
pub mod search;
pub mod storage;
pub mod store;
pub mod tables;
pub mod transfer;
