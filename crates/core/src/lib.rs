//! The registry of anndex: users, artifacts, collections and the runs that made them.
//!
//! Core knows no database driver and no file format: backends implement [`backend::Backend`], array
//! stores implement [`store::Store`], and both register explicitly in the `anndex` facade. Data
//! flows one way, never up: [`instance`] (operations) → [`record`] and [`registry`] (model, traits,
//! queries) → [`backend`] (trait).
//!
//! What artifacts hold is the matter of three crates below, which know nothing of records. They are
//! modules here: [`mapped`] (join, encode, filter, read) → [`anndata`] (encodings) → [`store`] (the
//! contract of a container, and the bytes under it).

pub mod backend;
pub mod instance;
pub mod lineage;
pub mod record;
pub mod registry;

pub use anndex_anndata as anndata;
pub use anndex_mapped as mapped;
pub use anndex_store as store;
pub use anndex_store::{
    Error, ErrorKind, Limits, Remaining, Result, Walk, decoding, error, operation, shown, storage,
};
