//! Taking the text of a chunk apart.

use anndex_store::{Error, Limits, Result};
use serde_json::Value;
use zarrs::array::codec::api::{ArrayBytes, ArrayBytesOffsets};

use super::undecodable;
use crate::json::spend_values;

/// How the strings of a chunk are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextEncoding {
    /// `vlen-utf8`, of v2 and v3.
    Lengths,
    /// numcodecs' `json2` of v2, in which anndata before 0.7 wrote strings.
    Json,
}

impl TextEncoding {
    /// Takes `count` strings apart.
    pub(super) fn split(self, stored: Vec<u8>, count: usize) -> Result<ArrayBytes<'static>> {
        match self {
            Self::Lengths => split_lengths(&stored, count),
            Self::Json => split_json(&stored, count),
        }
    }
}

/// The number of elements, then length and bytes of each, in 32-bit little-endian numbers. zarrs
/// has the same, but panics where a length is damaged.
fn split_lengths(stored: &[u8], count: usize) -> Result<ArrayBytes<'static>> {
    fn number(rest: &mut &[u8]) -> Option<usize> {
        let (number, tail) = rest.split_first_chunk::<4>()?;
        *rest = tail;
        usize::try_from(u32::from_le_bytes(*number)).ok()
    }
    let damaged = || Error::corrupt("the lengths of the strings in a chunk are damaged");
    let mut rest = stored;
    // Each string takes at least the four bytes of its length.
    if number(&mut rest) != Some(count) || rest.len() / 4 < count {
        return Err(damaged());
    }
    let mut bytes = Vec::with_capacity(rest.len() - 4 * count);
    let mut offsets = Vec::with_capacity(count + 1);
    offsets.push(0);
    for _ in 0..count {
        let length = number(&mut rest).ok_or_else(damaged)?;
        let (text, tail) = rest.split_at_checked(length).ok_or_else(damaged)?;
        bytes.extend_from_slice(text);
        offsets.push(bytes.len());
        rest = tail;
    }
    let offsets = ArrayBytesOffsets::new(offsets).map_err(undecodable)?;
    ArrayBytes::new_vlen(bytes, offsets).map_err(undecodable)
}

/// A list of the elements (nested, if there are several axes), then NumPy's name of their type,
/// then the shape. A null among them is a missing string, which is empty here.
fn split_json(stored: &[u8], count: usize) -> Result<ArrayBytes<'static>> {
    fn collect(items: &[Value], bytes: &mut Vec<u8>, offsets: &mut Vec<usize>) -> Option<()> {
        for item in items {
            match item {
                Value::Array(nested) => collect(nested, bytes, offsets)?,
                Value::String(text) => {
                    bytes.extend_from_slice(text.as_bytes());
                    offsets.push(bytes.len());
                }
                Value::Null => offsets.push(bytes.len()),
                _ => return None,
            }
        }
        Some(())
    }
    // Besides the texts there may be lists around them, and the type and the shape behind them.
    let limits = Limits {
        elements: 4 * count as u64 + 1024,
        ..Limits::DEFAULT
    };
    spend_values(stored, &mut limits.values())?;
    let items: Vec<Value> = serde_json::from_slice(stored).map_err(undecodable)?;
    let strings = items
        .get(..items.len().saturating_sub(2))
        .unwrap_or_default();
    let mut bytes = Vec::new();
    let mut offsets = vec![0];
    collect(strings, &mut bytes, &mut offsets)
        .ok_or_else(|| Error::unsupported("a chunk of objects holds something else than text"))?;
    if offsets.len() != count + 1 {
        return Err(Error::corrupt(format!(
            "a chunk holds {} strings instead of {count}",
            offsets.len() - 1
        )));
    }
    let offsets = ArrayBytesOffsets::new(offsets).map_err(undecodable)?;
    ArrayBytes::new_vlen(bytes, offsets).map_err(undecodable)
}
