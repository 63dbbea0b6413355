//! The bytes of header messages: types, extents, layouts, links.
//!
//! Version numbers are the oldest that say what is needed, so that every HDF5 since 1.8 reads
//! them.

use anndex_store::DataType;
use anndex_store::{Error, Result};

/// An address that means "nowhere".
pub(super) const UNDEFINED: u64 = u64::MAX;
/// Bytes of a stored reference to a variable-length value: length, address, index.
pub(super) const HEAP_REFERENCE_BYTES: usize = 16;
/// A message has at most this many bytes.
const LARGEST_MESSAGE: usize = u16::MAX as usize;

/// The kinds of header messages.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(super) enum Kind {
    Dataspace = 0x01,
    LinkInfo = 0x02,
    Datatype = 0x03,
    FillValue = 0x05,
    Link = 0x06,
    Layout = 0x08,
    GroupInfo = 0x0a,
    Filters = 0x0b,
    Attribute = 0x0c,
}

/// An object header from its messages, complete with checksum.
///
/// # Errors
/// `Unsupported` if a message is too long.
pub(super) fn object_header(messages: &[(Kind, Vec<u8>)]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    for (kind, message) in messages {
        if message.len() > LARGEST_MESSAGE {
            return Err(Error::unsupported(format!(
                "an attribute of {} bytes is too large for HDF5, which holds up to \
                 {LARGEST_MESSAGE}; store it as an array",
                message.len()
            )));
        }
        body.push(*kind as u8);
        body.extend((message.len() as u16).to_le_bytes());
        body.push(0);
        body.extend(message);
    }
    let len = u32::try_from(body.len())
        .map_err(|_| Error::unsupported("an object of more than 4 GiB of metadata"))?;
    // Version 2, with a length of four bytes and nothing optional.
    let mut header = b"OHDR\x02\x02".to_vec();
    header.extend(len.to_le_bytes());
    header.extend(body);
    Ok(with_checksum(header))
}

/// Appends the checksum that metadata end with.
pub(super) fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = hdf5_reader::checksum::jenkins_lookup3(&bytes);
    bytes.extend(checksum.to_le_bytes());
    bytes
}

/// The superblock, which begins the file.
pub(super) fn superblock(root: u64, end: u64) -> Vec<u8> {
    let mut bytes = b"\x89HDF\r\n\x1a\n\x02\x08\x08\x00".to_vec();
    for address in [0, UNDEFINED, end, root] {
        bytes.extend(address.to_le_bytes());
    }
    with_checksum(bytes)
}

/// The extents of an array; none for a scalar.
pub(super) fn dataspace(shape: &[u64]) -> Vec<u8> {
    let mut bytes = vec![2, shape.len() as u8, 0, u8::from(!shape.is_empty())];
    bytes.extend(shape.iter().flat_map(|n| n.to_le_bytes()));
    bytes
}

/// The extents of a value that is absent.
pub(super) fn null_dataspace() -> Vec<u8> {
    vec![2, 0, 0, 2]
}

/// The type of elements, and the bytes of one of them.
///
/// # Errors
/// `Unsupported` for structs and types of other stores.
pub(super) fn datatype(data_type: &DataType) -> Result<(Vec<u8>, usize)> {
    let bytes = match data_type {
        DataType::Bool => boolean(),
        DataType::Int8 => integer(1, true),
        DataType::Int16 => integer(2, true),
        DataType::Int32 => integer(4, true),
        DataType::Int64 => integer(8, true),
        DataType::UInt8 => integer(1, false),
        DataType::UInt16 => integer(2, false),
        DataType::UInt32 => integer(4, false),
        DataType::UInt64 => integer(8, false),
        DataType::Float16 => float(2, 5, 10),
        DataType::Float32 => float(4, 8, 23),
        DataType::Float64 => float(8, 11, 52),
        DataType::String => {
            return Ok((variable_string(), HEAP_REFERENCE_BYTES));
        }
        other => {
            return Err(Error::unsupported(format!(
                "elements of type {other} can't be written to HDF5"
            )));
        }
    };
    Ok((bytes, data_type.fixed_size()?))
}

fn description(class: u8, flags: [u8; 3], size: u32) -> Vec<u8> {
    let mut bytes = vec![1 << 4 | class];
    bytes.extend(flags);
    bytes.extend(size.to_le_bytes());
    bytes
}

fn integer(size: u8, signed: bool) -> Vec<u8> {
    let mut bytes = description(0, [u8::from(signed) << 3, 0, 0], size.into());
    bytes.extend([0, 0, size * 8, 0]);
    bytes
}

fn float(size: u8, exponent_bits: u8, mantissa_bits: u8) -> Vec<u8> {
    let sign = size * 8 - 1;
    // 0x20: the mantissa's leading bit is not stored.
    let mut bytes = description(1, [0x20, sign, 0], size.into());
    bytes.extend([0, 0, size * 8, 0]);
    bytes.extend([mantissa_bits, exponent_bits, 0, mantissa_bits]);
    bytes.extend(((1u32 << (exponent_bits - 1)) - 1).to_le_bytes());
    bytes
}

/// An enum of `FALSE` and `TRUE`, as h5py writes booleans.
fn boolean() -> Vec<u8> {
    let mut bytes = description(8, [2, 0, 0], 1);
    bytes.extend(integer(1, true));
    bytes.extend(b"FALSE\0\0\0TRUE\0\0\0\0\x00\x01");
    bytes
}

/// UTF-8 text of any length.
fn variable_string() -> Vec<u8> {
    let mut bytes = description(9, [1, 1, 0], HEAP_REFERENCE_BYTES as u32);
    bytes.extend(integer(1, false));
    bytes
}

/// References to objects of the file.
pub(super) fn reference() -> Vec<u8> {
    description(7, [0, 0, 0], 8)
}

/// Elements in one piece.
pub(super) fn contiguous_layout(address: u64, len: u64) -> Vec<u8> {
    let mut bytes = vec![3, 1];
    bytes.extend(address.to_le_bytes());
    bytes.extend(len.to_le_bytes());
    bytes
}

/// Elements in chunks, indexed by a B-tree of version 1.
pub(super) fn chunked_layout(index: u64, chunk_shape: &[u32], element_size: usize) -> Vec<u8> {
    let mut bytes = vec![3, 2, chunk_shape.len() as u8 + 1];
    bytes.extend(index.to_le_bytes());
    bytes.extend(chunk_shape.iter().flat_map(|n| n.to_le_bytes()));
    bytes.extend((element_size as u32).to_le_bytes());
    bytes
}

/// What stands for elements that were never written: zero.
pub(super) fn fill_value(is_chunked: bool) -> Vec<u8> {
    let allocation = if is_chunked { 3 } else { 2 };
    let written_if_set = 2 << 2;
    vec![3, allocation | written_if_set]
}

/// One filter and its settings.
pub(super) fn filters(id: u16, setting: u32) -> Vec<u8> {
    let mut bytes = vec![2, 1];
    bytes.extend(id.to_le_bytes());
    if id >= 256 {
        // Filters from outside HDF5 have a name, here an empty one.
        bytes.extend([0, 0]);
    }
    bytes.extend([1, 0, 1, 0]);
    bytes.extend(setting.to_le_bytes());
    bytes
}

/// A group whose links stand in its header.
pub(super) fn link_info() -> Vec<u8> {
    let mut bytes = vec![0, 0];
    bytes.extend([UNDEFINED; 2].iter().flat_map(|n| n.to_le_bytes()));
    bytes
}

/// Nothing out of the ordinary about a group.
pub(super) fn group_info() -> Vec<u8> {
    vec![0, 0]
}

/// A link to a child.
pub(super) fn link(name: &str, address: u64) -> Vec<u8> {
    // 0x12: the name is UTF-8, its length has four bytes.
    let mut bytes = vec![1, 0x12, 1];
    bytes.extend((name.len() as u32).to_le_bytes());
    bytes.extend(name.as_bytes());
    bytes.extend(address.to_le_bytes());
    bytes
}

/// An attribute with a name in UTF-8.
pub(super) fn attribute(name: &str, datatype: &[u8], dataspace: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![3, 0];
    for len in [name.len() + 1, datatype.len(), dataspace.len()] {
        bytes.extend((len as u16).to_le_bytes());
    }
    bytes.push(1);
    bytes.extend(name.as_bytes());
    bytes.push(0);
    bytes.extend(datatype);
    bytes.extend(dataspace);
    bytes.extend(value);
    bytes
}
