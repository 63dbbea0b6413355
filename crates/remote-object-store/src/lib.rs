//! Storage at URLs, on the crate `object_store`: [`ObjectStoreDriver`] opens what the features of
//! this crate add. Repositories of the Hugging Face Hub are read by the Hub's own protocol instead,
//! in ranges over HTTP.
//!
//! Credentials come from the environment, the usual files and the services of the machine, are
//! looked up anew by each process, and are neither stored nor shown.

#![cfg_attr(
    not(any(feature = "s3", feature = "gcs", feature = "azure", feature = "http")),
    allow(
        dead_code,
        unused_imports,
        reason = "without a service nothing is used"
    )
)]

mod connector;
mod driver;
mod error;
#[cfg(feature = "huggingface")]
mod hub;
#[cfg(feature = "s3")]
mod profile;
#[cfg(feature = "s3")]
mod s3_access;
mod service;
mod storage;
mod upload;

pub use anndex_remote_requests::{Environment, RequestLimits};
pub use driver::ObjectStoreDriver;
