//! What everything in anndex stands on: the contract of a store, which is a tree of groups and arrays
//! with attributes, and the bytes under it.
//!
//! - [`Store`], [`Array`], [`StoreWriter`] and [`StoreFormat`] are the contract;
//! - [`storage`] has files, objects at URLs, ranges of them and the local cache;
//! - [`hash`] and [`key`] say what content and places are called;
//! - [`Error`], [`Limits`], [`operation`], [`shown`] and [`decoding`] are for all that reads what comes
//!   from outside.
//!
//! A store knows nothing of AnnData; what a group *means* is decided once, in
//! the crate `anndex-anndata`. Implementations live in crates of their own (HDF5, Zarr) and in
//! [`memory`]; each runs the suite in `conformance`.

mod attribute;
mod convert;
mod data_type;
pub mod decoding;
pub mod error;
mod format;
pub mod hash;
pub mod key;
mod limits;
pub mod memory;
mod numeric;
pub mod operation;
mod raw;
mod read;
pub mod shown;
mod span;
pub mod storage;
mod strings;
mod writer;

use std::fmt::Debug;
use std::sync::Arc;

pub use attribute::{Attribute, Attributes};
pub use convert::converted;
pub use data_type::{DataType, StructField};
pub use error::{Error, ErrorKind, Result};
pub use format::{StoreFormat, StoreFormats};
pub use limits::{Limits, Remaining, Walk};
pub use numeric::{Element, NumericArray, promote};
pub use raw::RawArray;
pub use read::{check_plausible, read_blocks, read_into, row_blocks};
pub use read::{read_all, read_all_strings};
pub use span::Span;
pub use strings::Strings;
pub use writer::{
    ArrayData, ArraySpec, Compression, StoreWriter, check_data, check_growing, check_path,
    check_rows,
};

/// What stands at a path of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    /// A group, which has children and attributes.
    Group,
    /// An array, which has elements and attributes.
    Array,
    /// Something that can't be opened, such as a link that leads nowhere. [`Store::children`] lists
    /// it; asking for it by its path gives the error that says why.
    Unreadable,
}

/// Shape, type and layout of one array.
#[derive(Debug, Clone, PartialEq)]
pub struct ArrayInfo {
    /// The type of one element after decoding.
    pub data_type: DataType,
    /// Extent along each axis, in elements; empty for a scalar.
    pub shape: Vec<u64>,
    /// Extent of the smallest piece that is decoded at once; `None` where the array is stored
    /// whole and uncompressed.
    pub chunk_shape: Option<Vec<u64>>,
    /// Extent of a shard (a stored object of many chunks), if the array is sharded.
    pub shard_shape: Option<Vec<u64>>,
    /// Filters and codecs in the order in which a writer applies them, such as
    /// `["shuffle", "deflate(4)"]`.
    pub filters: Vec<String>,
    /// Bytes that the elements occupy in storage, if that is known without reading them.
    pub stored_bytes: Option<u64>,
}

impl ArrayInfo {
    /// The number of elements of one step along axis 0 (1 for scalars and vectors).
    ///
    /// # Errors
    /// `Corrupt` if the product does not fit 64 bits.
    pub fn row_elements(&self) -> Result<u64> {
        self.shape
            .iter()
            .skip(1)
            .try_fold(1u64, |product, &n| product.checked_mul(n))
            .ok_or_else(|| Error::corrupt(format!("the shape {:?} is not possible", self.shape)))
    }

    /// The number of rows: the extent along axis 0, or 1 for a scalar.
    pub fn rows(&self) -> u64 {
        self.shape.first().copied().unwrap_or(1)
    }

    /// The number of bytes of one decoded row.
    ///
    /// # Errors
    /// `Unsupported` if the elements have no fixed size, `Corrupt` if the product overflows.
    pub fn row_bytes(&self) -> Result<usize> {
        let size = self.data_type.fixed_size()?;
        usize::try_from(self.row_elements()?)
            .ok()
            .and_then(|n| n.checked_mul(size))
            .ok_or_else(|| Error::corrupt(format!("the shape {:?} is not possible", self.shape)))
    }

    /// The memory that the elements take at least, in bytes: 8 for each text, none for what can't
    /// be decoded.
    pub fn memory_bytes(&self) -> u64 {
        self.shape
            .iter()
            .fold(self.data_type.memory_bytes(), |product, &extent| {
                product.saturating_mul(extent)
            })
    }
}

/// An opened container of groups and arrays.
///
/// Paths are relative to the root, without a leading slash: `""`, `"X"`, `"obs/cell_type"`.
pub trait Store: Send + Sync + Debug {
    /// The path or URL that the store was opened from, without secrets, for messages.
    fn location(&self) -> &str;

    /// The format's name and version for people, such as `"HDF5"` or `"Zarr v3"`.
    fn format(&self) -> &str;

    /// Whether it is on a server, so that what belongs together is better read together: each read
    /// takes at least as long as a request.
    fn is_remote(&self) -> bool {
        false
    }

    /// What stands at `path`; `None` if nothing does.
    ///
    /// # Errors
    /// `Corrupt` or `Storage` if the store can't tell.
    fn node(&self, path: &str) -> Result<Option<NodeKind>>;

    /// The names directly below the group at `path`, sorted, with their kinds. One that can't be
    /// opened hides none of the others.
    ///
    /// # Errors
    /// `NotFound` if there is no group at `path`.
    fn children(&self, path: &str) -> Result<Vec<(String, NodeKind)>>;

    /// The attributes of the group or array at `path`.
    ///
    /// One that can't be decoded is [`Attribute::Other`], so that it fails nobody who does not need
    /// it.
    ///
    /// # Errors
    /// `NotFound` if nothing stands at `path`; `Corrupt` if they can't be listed.
    fn attributes(&self, path: &str) -> Result<Attributes>;

    /// Opens the array at `path`. Opening reads metadata only, once; the handle is cheap to share.
    ///
    /// # Errors
    /// `NotFound` if there is no array at `path`; `Corrupt` if its metadata are broken. An element
    /// type or filter that can't be decoded is not an error here but on reading, so that such arrays
    /// can be listed.
    fn array(&self, path: &str) -> Result<Arc<dyn Array>>;

    /// How much may be taken for what it says of itself.
    fn limits(&self) -> Limits {
        Limits::DEFAULT
    }

    /// Lets go of what is kept only so that reading structure is fast. To be called when a store
    /// stays open for its elements alone, as thousands may in one collection; it works as before.
    fn release(&self) {}
}

/// An opened array. All reads take `&self`, may run on many threads at once and share no lock.
pub trait Array: Send + Sync + Debug {
    /// Shape, type and layout.
    fn info(&self) -> &ArrayInfo;

    /// Reads rows (steps along axis 0) into `out`, one span after the other, as native
    /// little-endian elements in C order; booleans are one byte, 0 or 1. Each chunk that the
    /// spans touch is decoded at most once per call.
    ///
    /// `spans` are sorted by start and do not overlap; `out` is exactly as long as all their rows
    /// ([`ArrayInfo::row_bytes`] each). A scalar has one row.
    ///
    /// # Errors
    /// `InvalidInput` if the spans or the length of `out` are wrong; `Unsupported` if the type or
    /// a filter can't be decoded; `Corrupt` or `Storage` if the bytes can't be had. `out` holds
    /// unspecified values after an error.
    fn read_spans(&self, spans: &[Span], out: &mut [u8]) -> Result<()>;

    /// The same array, with what `spans` (as in [`Array::read_spans`]) need of a server fetched by
    /// few requests, so that any part of them is read without another one. `None` if the elements
    /// are on this machine.
    ///
    /// # Errors
    /// As [`Array::read_spans`].
    fn read_ahead(&self, spans: &[Span]) -> Result<Option<Arc<dyn Array>>> {
        let _ = spans;
        Ok(None)
    }

    /// Reads the strings of an array of [`DataType::String`], one span after the other, in C
    /// order.
    ///
    /// # Errors
    /// As [`Array::read_spans`]; `InvalidInput` if the elements are not strings.
    fn read_strings(&self, spans: &[Span]) -> Result<Strings>;

    /// The array of one field of a [`DataType::Struct`] array: the same shape, the field's type.
    ///
    /// # Errors
    /// `NotFound` if there is no such field; `InvalidInput` if the elements are not structs.
    fn field(&self, name: &str) -> Result<Arc<dyn Array>>;
}

/// Checks the contract of [`Array::read_spans`]; every implementation calls this first.
///
/// Returns the number of rows in all spans.
///
/// # Errors
/// `InvalidInput` if spans are unsorted, overlapping or out of range, or if `out_len` (bytes, when
/// given) does not fit.
pub fn check_spans(info: &ArrayInfo, spans: &[Span], out_len: Option<usize>) -> Result<u64> {
    let mut rows = 0u64;
    let mut previous_end = 0u64;
    for span in spans {
        if span.start > span.end || span.start < previous_end {
            return Err(Error::invalid_input(
                "spans must be sorted and must not overlap",
            ));
        }
        if span.end > info.rows() {
            return Err(Error::invalid_input(format!(
                "rows {}..{} are out of range: the array has {} rows",
                span.start,
                span.end,
                info.rows()
            )));
        }
        previous_end = span.end;
        rows += span.len();
    }
    if let Some(out_len) = out_len {
        let needed = usize::try_from(rows)
            .ok()
            .and_then(|n| n.checked_mul(info.row_bytes().ok()?));
        if needed != Some(out_len) {
            info.row_bytes()?;
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("the buffer has {out_len} bytes, but {rows} rows were asked for"),
            ));
        }
    }
    Ok(rows)
}
