//! The domain model, the AnnData semantics and the mapped engine of anndex.
//!
//! Core knows no database driver, no HDF5 and no Zarr: backends implement [`backend::Backend`],
//! array stores implement [`store::Store`], and both register explicitly in the `anndex` facade.
//! Data flows one way, never up:
//!
//! - [`instance`] (operations) → [`record`] and [`registry`] (model, traits, queries) →
//!   [`backend`] (trait);
//! - [`mapped`] (join, encode, filter, read) → [`anndata`] (encodings) → [`store`] (trait) →
//!   [`storage`] (bytes).

pub mod anndata;
pub mod backend;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod decoding;
pub mod error;
pub mod instance;
mod limits;
pub mod lineage;
pub mod mapped;
pub mod operation;
pub mod record;
pub mod registry;
pub mod shown;
pub mod storage;
pub mod store;

pub use error::{Error, ErrorKind, Result};
pub use limits::{Limits, Remaining, Walk};
