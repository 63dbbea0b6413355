//! What the storages at URLs share, whichever library makes their requests.
//!
//! Requests are made on threads of this crate's own, so that whoever waits for one needs no
//! runtime, and a fork finds nothing half-way in it.

mod attempts;
mod environment;
mod limits;
mod listing;
pub mod parts;
pub mod runtime;
mod tag;

pub use attempts::{FailedRequest, again};
pub use environment::Environment;
pub use limits::{RequestLimits, too_slow};
pub use listing::Listing;
pub use tag::unquoted;
