//! Writing stores, parents before children: arrays as a whole, or in pieces where they do not fit
//! into memory.

use super::{Attributes, DataType, Strings};
use crate::error::{Error, Result};

/// How chunks are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Compression {
    /// As they are.
    #[default]
    None,
    /// Deflate (gzip) at a level from 1 to 9; understood by every reader of HDF5 and Zarr.
    Gzip(u32),
    /// Zstandard at a level from 1 to 22. In HDF5 others need a plugin to read it.
    Zstd(i32),
    /// Blosc: byte shuffle and LZ4 at a level from 1 to 9, in blocks; what is fastest to decode.
    BloscLz4(u32),
}

/// What to write: type, extents and layout of an array.
#[derive(Debug, Clone, PartialEq)]
pub struct ArraySpec {
    /// The type of one element.
    pub data_type: DataType,
    /// Extent along each axis, in elements; empty for a scalar.
    pub shape: Vec<u64>,
    /// Extent of a chunk along each axis; `None` stores the array in one piece.
    pub chunk_shape: Option<Vec<u64>>,
    /// Extent of a shard along each axis, a multiple of the chunk's; only formats that shard
    /// accept it.
    pub shard_shape: Option<Vec<u64>>,
    /// How chunks are compressed. Needs a `chunk_shape` in HDF5.
    pub compression: Compression,
}

impl ArraySpec {
    /// An array stored in one piece, uncompressed.
    pub fn new(data_type: DataType, shape: impl Into<Vec<u64>>) -> Self {
        Self {
            data_type,
            shape: shape.into(),
            chunk_shape: None,
            shard_shape: None,
            compression: Compression::None,
        }
    }

    /// Sets the chunk's extents.
    pub fn chunked(mut self, chunk_shape: impl Into<Vec<u64>>) -> Self {
        self.chunk_shape = Some(chunk_shape.into());
        self
    }

    /// Sets the shard's extents.
    pub fn sharded(mut self, shard_shape: impl Into<Vec<u64>>) -> Self {
        self.shard_shape = Some(shard_shape.into());
        self
    }

    /// Sets the compression.
    pub fn compressed(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }
}

/// The elements of an array to write, in C order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ArrayData<'a> {
    /// Native little-endian elements, as [`crate::Array::read_spans`] gives them.
    Bytes(&'a [u8]),
    /// Text, for [`DataType::String`].
    Strings(&'a Strings),
}

/// Writes one store. Nothing is visible at the destination until [`StoreWriter::finish`]
/// succeeds; a writer that is dropped before leaves nothing behind.
pub trait StoreWriter: Send {
    /// Writes a group at `path` (`""` is the root, which must come first).
    ///
    /// # Errors
    /// `InvalidInput` if the parent is missing or `path` is taken; `Storage` if writing fails.
    fn write_group(&mut self, path: &str, attributes: &Attributes) -> Result<()>;

    /// Writes a whole array at `path`.
    ///
    /// # Errors
    /// `InvalidInput` if the parent is missing, `path` is taken or `data` does not fit `spec`;
    /// `Unsupported` if the format can't hold it; `Storage` if writing fails.
    fn write_array(
        &mut self,
        path: &str,
        spec: &ArraySpec,
        data: ArrayData<'_>,
        attributes: &Attributes,
    ) -> Result<()>;

    /// Starts an array that grows along axis 0: it has no rows (`spec.shape` begins with 0) until
    /// some are appended. Its chunks and shards span all other axes.
    ///
    /// # Errors
    /// As [`StoreWriter::write_array`]; `InvalidInput` if the array has no chunks or is of text.
    fn start_array(&mut self, path: &str, spec: &ArraySpec, attributes: &Attributes) -> Result<()>;

    /// Appends rows, as native little-endian elements in C order, to an array that was started.
    /// Of all that was appended, no more than one chunk is kept in memory.
    ///
    /// # Errors
    /// `InvalidInput` if no array was started at `path` or `rows` are not whole ones; `Storage` if
    /// writing fails.
    fn append(&mut self, path: &str, rows: &[u8]) -> Result<()>;

    /// Completes the store and moves it to its place at once.
    ///
    /// # Errors
    /// `AlreadyExists` if something stands at the destination; `Storage` if writing fails.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// Checks that `data` fits `spec`; every writer calls this first.
///
/// # Errors
/// `InvalidInput` if the number of elements or their kind differs, the shape overflows, or the
/// extents of chunks and shards do not suit the shape and each other.
pub fn check_data(spec: &ArraySpec, data: ArrayData<'_>) -> Result<()> {
    check_layout(spec)?;
    let elements = spec
        .shape
        .iter()
        .try_fold(1usize, |product, &n| {
            product.checked_mul(usize::try_from(n).ok()?)
        })
        .ok_or_else(|| Error::invalid_input(format!("the shape {:?} is too large", spec.shape)))?;
    let fits = match data {
        ArrayData::Bytes(bytes) => {
            elements.checked_mul(spec.data_type.fixed_size()?) == Some(bytes.len())
        }
        ArrayData::Strings(strings) => {
            spec.data_type == DataType::String && strings.len() == elements
        }
    };
    if fits {
        Ok(())
    } else {
        Err(Error::invalid_input(format!(
            "the data do not fit shape {:?} of type {}",
            spec.shape, spec.data_type
        )))
    }
}

/// Checks what [`StoreWriter::start_array`] takes; every writer calls this first. Returns the bytes
/// of one row.
///
/// # Errors
/// `InvalidInput` if the array has rows already, no chunks, chunks or shards that do not span all
/// axes but the first, elements of no fixed size, or none in a row.
pub fn check_growing(spec: &ArraySpec) -> Result<usize> {
    check_layout(spec)?;
    let refused = |what: &str| Err(Error::invalid_input(what));
    if spec.shape.first() != Some(&0) {
        return refused("an array that grows begins with 0 rows");
    }
    let Some(chunk) = &spec.chunk_shape else {
        return refused("an array that grows needs a chunk shape");
    };
    let outer = spec.shard_shape.as_ref().unwrap_or(chunk);
    let spans = |extents: &[u64]| extents.get(1..) == spec.shape.get(1..);
    if !spans(chunk) || !spans(outer) {
        return refused("the chunks and shards of an array that grows span all axes but the first");
    }
    let size = spec
        .data_type
        .fixed_size()
        .map_err(|_| Error::invalid_input("arrays of text do not grow; write them as a whole"))?;
    let bytes = spec.shape.iter().skip(1).try_fold(size, |bytes, &n| {
        bytes.checked_mul(usize::try_from(n).ok()?)
    });
    match bytes {
        Some(0) => refused("rows without elements are not appended; write the array as a whole"),
        Some(bytes) => Ok(bytes),
        None => Err(Error::invalid_input(format!(
            "the shape {:?} is too large",
            spec.shape
        ))),
    }
}

/// The number of rows in what is appended to an array whose rows have so many bytes.
///
/// # Errors
/// `InvalidInput` if these are not whole rows.
pub fn check_rows(row_bytes: usize, rows: &[u8]) -> Result<u64> {
    match rows.len() % row_bytes {
        0 => Ok((rows.len() / row_bytes) as u64),
        _ => Err(Error::invalid_input(format!(
            "{} bytes are not whole rows of {row_bytes}",
            rows.len()
        ))),
    }
}

/// Checks that chunks have an extent above 0 along each axis of the shape, and that shards hold
/// whole chunks.
fn check_layout(spec: &ArraySpec) -> Result<()> {
    let Some(chunk) = &spec.chunk_shape else {
        return match &spec.shard_shape {
            None => Ok(()),
            Some(_) => Err(Error::invalid_input("a sharded array needs a chunk shape")),
        };
    };
    if chunk.len() != spec.shape.len() || chunk.contains(&0) {
        return Err(Error::invalid_input(format!(
            "chunks of {chunk:?} do not suit the shape {:?}",
            spec.shape
        )));
    }
    let Some(shard) = &spec.shard_shape else {
        return Ok(());
    };
    let whole = |(&shard, &chunk): (&u64, &u64)| shard != 0 && shard % chunk == 0;
    if shard.len() != chunk.len() || !shard.iter().zip(chunk).all(whole) {
        return Err(Error::invalid_input(format!(
            "shards of {shard:?} are not a multiple of the chunks of {chunk:?}"
        )));
    }
    Ok(())
}

/// Checks that `path` names a node that every format can hold: `""`, or names joined by `/` that
/// are neither empty, nor `.` or `..`, and hold no NUL. Every writer calls this first.
///
/// # Errors
/// `InvalidInput` if it does not.
pub fn check_path(path: &str) -> Result<()> {
    let sound = |name: &str| !matches!(name, "" | "." | "..") && !name.contains('\0');
    if path.is_empty() || path.split('/').all(sound) {
        Ok(())
    } else {
        Err(Error::invalid_input("this is not a path inside a store")
            .with("node", format!("/{path}")))
    }
}
