//! Zarr v2 and v3 as an array store of anndex: directories, and zips of a directory (read-only).
//!
//! The only public items are [`ZarrFormat`] and [`ZarrVersion`]; stores and arrays are reached
//! through the traits of `anndex-store`.
//!
//! # What is read
//! - Zarr v2 and v3, with consolidated metadata (which are then authoritative) or none, v3 shards
//!   included, in any of the chunk key encodings that `zarrs` knows.
//! - Numbers of both byte orders, booleans, and text: variable-length (v2 `|O` with `vlen-utf8` or `json2`,
//!   v3 `string`), fixed-length Unicode (`<U10`, `fixed_length_utf32`) and fixed-length bytes that
//!   hold UTF-8 (`|S5`, `null_terminated_bytes`). Structured types are read by field.
//! - The codecs blosc, gzip, zlib, bz2, zstd, shuffle, crc32c, fletcher32, adler32, transpose,
//!   bitround, fixedscaleoffset and packbits.
//!
//! # Limits
//! - A chunk (or a chunk inside a shard) that decodes to more than 256 MiB is refused, unless it
//!   is uncompressed: then only the rows that are asked for are read.
//! - Nothing outside the directory is read: a symbolic link that leads out of it is an error.
//! - A chunk that is not stored counts as the array's fill value, so a damaged shape is not an error
//!   by itself. For large arrays `stored_bytes` is estimated from a sample of chunks, so that
//!   [`anndex_store::read_all`] refuses a shape of which hardly anything is stored.

mod array;
mod decoder;
mod element;
mod format;
mod hierarchy;
mod json;
mod layout;
mod shard;
mod storage;
mod store;
mod writer;

pub use format::{ZarrFormat, ZarrVersion};
