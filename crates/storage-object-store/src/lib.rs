//! Storage at URLs, on the crate `object_store`: [`ObjectStoreDriver`] opens what the features of
//! this crate add.
//!
//! Requests are made on threads of this crate's own, so that whoever waits for one needs no
//! runtime, and a fork finds nothing half-way in it. Credentials come from the environment, the
//! usual files and the services of the machine, are looked up anew by each process, and are
//! neither stored nor shown.

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
mod environment;
mod error;
mod limits;
#[cfg(feature = "s3")]
mod profile;
mod runtime;
mod service;
mod storage;
mod upload;

pub use driver::ObjectStoreDriver;
pub use environment::Environment;
pub use limits::RequestLimits;
