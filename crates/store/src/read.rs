//! Reading whole arrays, on all cores: stores decode on the thread that asks.

use rayon::prelude::*;

use super::{Array, ArrayInfo, NumericArray, Span, Strings};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::operation::carried;

/// About as many decoded bytes are read by one thread at a time.
const BLOCK_BYTES: u64 = 2 << 20;

/// Reads a whole array of booleans or numbers, on rayon's threads.
///
/// # Errors
/// As [`Array::read_spans`]; `Corrupt` if the array claims to be implausibly larger than what is
/// stored of it, so that a damaged shape can't exhaust memory.
pub fn read_all(array: &dyn Array) -> Result<NumericArray> {
    let info = array.info();
    check_plausible(info)?;
    let extents = info.shape.iter().map(|&extent| usize::try_from(extent));
    let shape: Vec<usize> = extents
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| implausible(info))?;
    let mut values = NumericArray::zeros(info.data_type.clone(), shape)?;
    read_into(array, Span::new(0, info.rows()), values.bytes_mut())?;
    Ok(values)
}

/// Reads rows into `out`, which is exactly as long, on rayon's threads.
///
/// # Errors
/// As [`Array::read_spans`].
pub fn read_into(array: &dyn Array, rows: Span, out: &mut [u8]) -> Result<()> {
    let row_bytes = array.info().row_bytes()?;
    let blocks = row_blocks(array.info(), rows)?;
    let mut rest = out;
    let mut tasks = Vec::with_capacity(blocks.len());
    for block in blocks {
        let bytes = (block.len() as usize).saturating_mul(row_bytes);
        let (head, tail) = rest.split_at_mut_checked(bytes).ok_or_else(|| {
            Error::invalid_input("the buffer is shorter than the rows that were asked for")
        })?;
        tasks.push((block, head));
        rest = tail;
    }
    let read = |(block, out): (Span, &mut [u8])| array.read_spans(&[block], out);
    match tasks.len() {
        // Without a detour over other threads.
        0 | 1 => tasks.into_iter().try_for_each(read),
        _ => tasks.into_par_iter().try_for_each(carried(read)),
    }
}

/// Reads rows block by block on rayon's threads, and hands each block with its rows to `visit`,
/// in any order.
///
/// # Errors
/// As [`Array::read_spans`]; what `visit` gives.
pub fn read_blocks(
    array: &dyn Array,
    blocks: &[Span],
    visit: impl Fn(usize, NumericArray) -> Result<()> + Sync,
) -> Result<()> {
    let read = |(number, block): (usize, &Span)| {
        visit(
            number,
            NumericArray::read(array, std::slice::from_ref(block))?,
        )
    };
    blocks.par_iter().enumerate().try_for_each(carried(read))
}

/// Cuts rows into blocks of whole chunks, each for one thread.
///
/// # Errors
/// `Unsupported` if the elements have no fixed size, `Corrupt` if the shape is not possible.
pub fn row_blocks(info: &ArrayInfo, rows: Span) -> Result<Vec<Span>> {
    let row_bytes = (info.row_bytes()? as u64).max(1);
    let chunk = info.chunk_shape.as_ref().and_then(|chunk| chunk.first());
    let chunk = chunk.copied().unwrap_or(1).max(1);
    let chunks = (BLOCK_BYTES / row_bytes.saturating_mul(chunk)).max(1);
    let step = chunks.saturating_mul(chunk);
    let mut blocks = Vec::new();
    let mut start = rows.start;
    while start < rows.end {
        // Up to the next border between chunks.
        let end = (start - start % step).saturating_add(step).min(rows.end);
        blocks.push(Span::new(start, end));
        start = end;
    }
    Ok(blocks)
}

/// Reads all strings of an array of [`DataType::String`](super::DataType::String) in C order.
///
/// # Errors
/// As [`Array::read_strings`]; `Corrupt` if the array claims to be implausibly larger than what
/// is stored of it.
pub fn read_all_strings(array: &dyn Array) -> Result<Strings> {
    let info = array.info();
    let count = info.row_elements()?.checked_mul(info.rows());
    if !count.is_some_and(|n| plausible(n.saturating_mul(8), info.stored_bytes)) {
        return Err(implausible(info));
    }
    array.read_strings(&[Span::new(0, info.rows())])
}

/// Refuses an array that claims to be implausibly larger than what is stored of it.
///
/// # Errors
/// `Corrupt` if it does; `Unsupported` if its elements have no fixed size.
pub fn check_plausible(info: &ArrayInfo) -> Result<()> {
    let decoded = (info.row_bytes()? as u64).checked_mul(info.rows());
    match decoded.is_some_and(|bytes| plausible(bytes, info.stored_bytes)) {
        true => Ok(()),
        false => Err(implausible(info)),
    }
}

fn plausible(decoded: u64, stored: Option<u64>) -> bool {
    stored.is_none_or(|stored| Limits::DEFAULT.is_plausible(decoded, stored))
}

fn implausible(info: &ArrayInfo) -> Error {
    Error::corrupt(format!(
        "the array claims the shape {:?}, which can't come from the {} bytes stored for it",
        info.shape,
        info.stored_bytes
            .map_or_else(|| "unknown number of".to_owned(), |n| n.to_string()),
    ))
}
