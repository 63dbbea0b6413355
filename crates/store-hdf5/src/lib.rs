//! HDF5 files (`.h5ad`, `.h5`) as an array store.
//!
//! Structure, attributes, strings and chunk indexes are read by the pure-Rust crate
//! `hdf5-reader`; it has no global lock and survives damaged files. The elements of arrays are
//! read here ([`anndex_store::Array::read_spans`]): the chunk index of an array is loaded
//! once, after that every read is positioned reads and decoding, with no lock between threads.
//! Nothing but the opened file is ever read, and files in the same local directory that links of it
//! name.
//!
//! Files are written here, too, because the crate `hdf5-writer` holds whole files in memory and
//! has neither text attributes that are scalars, which AnnData needs, nor empty groups, nor zstd.

mod array;
mod attribute;
mod chunk_table;
mod chunk_tree;
mod chunked;
mod data_type;
mod error;
mod filter;
mod format;
mod grid;
mod links;
mod opened;
mod raw_array;
mod reads;
mod remote_blocks;
mod source;
mod store;
mod strings;
mod writer;

pub use format::Hdf5Format;
pub use store::Hdf5Store;
