//! Reading strings, stored with their lengths or padded to one.

use anndex_store::{ArrayInfo, Span, Strings};
use anndex_store::{Error, Result};

use super::chunks::Chunks;
use super::view::View;
use crate::decoder::Decoded;
use crate::element::Element;

/// More strings in one row of chunks than this are refused.
const ROW_LIMIT: u64 = 1 << 25;
/// And so is one that decodes to more bytes.
const ROW_BYTES: usize = 1 << 30;

/// Reads the strings of `spans` in C order.
pub(super) fn read(
    chunks: &Chunks,
    view: &View,
    info: &ArrayInfo,
    spans: &[Span],
) -> Result<Strings> {
    let mut strings = Strings::new();
    let row_elements = info.row_elements()?;
    if row_elements == 0 {
        return Ok(strings);
    }
    let fill = fill_texts(view, &chunks.codecs()?.fill);
    chunks.check_decoded(spans, row_elements.saturating_mul(8))?;
    // A fill value stands for any number of texts that are not stored.
    let mut filled = chunks.limits().text(0);
    chunks.layout.for_each_row(spans, |row, pieces| {
        let mut decoded = Vec::new();
        let mut trailing_indices = Vec::new();
        let mut held = 0;
        let stored = row_elements / view.count.max(1) as u64;
        if stored
            .checked_mul(pieces.iter().map(|p| p.len()).sum())
            .is_none_or(|n| n > ROW_LIMIT)
        {
            return Err(Error::unsupported("too many strings for one read"));
        }
        chunks.layout.for_each_in_row(row, |trailing, index| {
            let chunk = chunks.fetch(index)?;
            held += chunk.as_ref().map_or(0, Decoded::bytes);
            if held > ROW_BYTES {
                return Err(Error::unsupported("too much text for one read"));
            }
            decoded.push(chunk);
            trailing_indices.push(trailing.to_vec());
            Ok(())
        })?;
        for piece in pieces {
            // Which chunk and which of its elements each element of the output comes from.
            let mut sources = vec![(0usize, 0usize); (piece.len() * stored) as usize];
            for (chunk, trailing) in trailing_indices.iter().enumerate() {
                let placed =
                    chunks
                        .layout
                        .for_each_run(trailing, &piece.rows, |from, to, count| {
                            let targets = sources.get_mut(to..to + count)?;
                            for (at, target) in targets.iter_mut().enumerate() {
                                *target = (chunk, from + at);
                            }
                            Some(())
                        });
                placed.ok_or_else(|| chunks.damaged(&[row]))?;
            }
            for (chunk, element) in sources {
                match decoded.get(chunk).and_then(Option::as_ref) {
                    Some(chunk) => {
                        let first = element * view.count;
                        for index in first..first + view.count {
                            let bytes = value_of(view, chunk, index);
                            bytes
                                .and_then(|bytes| push(&mut strings, view, bytes))
                                .ok_or_else(no_text)?;
                        }
                    }
                    None => {
                        for text in fill.as_ref().ok_or_else(no_text)?.iter() {
                            filled.spend(text.len() as u64)?;
                            strings.push(text);
                        }
                    }
                }
            }
        }
        Ok(())
    })?;
    Ok(strings)
}

fn no_text() -> Error {
    Error::corrupt("a string is not valid Unicode")
}

/// The texts of an element that is not stored.
fn fill_texts(view: &View, fill: &[u8]) -> Option<Strings> {
    let mut texts = Strings::new();
    if view.element == Element::Text {
        push(&mut texts, view, fill)?;
        return Some(texts);
    }
    for index in 0..view.count {
        push(&mut texts, view, view.value(fill, index)?)?;
    }
    Some(texts)
}

/// The bytes of one value of a chunk.
fn value_of<'a>(view: &View, chunk: &'a Decoded, index: usize) -> Option<&'a [u8]> {
    match chunk {
        Decoded::Text { bytes, offsets } => {
            bytes.get(*offsets.get(index)?..*offsets.get(index + 1)?)
        }
        Decoded::Fixed(bytes) => view.value(bytes, index),
    }
}

/// Appends the text in these bytes.
fn push(strings: &mut Strings, view: &View, bytes: &[u8]) -> Option<()> {
    match view.element {
        Element::Utf32 { big_endian, .. } => {
            let codes = bytes.chunks_exact(4).map(|code| {
                let code: [u8; 4] = code.try_into().unwrap_or_default();
                match big_endian {
                    true => u32::from_be_bytes(code),
                    false => u32::from_le_bytes(code),
                }
            });
            let codes: Vec<u32> = codes.collect();
            let length = codes
                .iter()
                .rposition(|&code| code != 0)
                .map_or(0, |last| last + 1);
            let text = codes[..length].iter().map(|&code| char::from_u32(code));
            strings.push(&text.collect::<Option<String>>()?);
        }
        Element::Utf8 { .. } => {
            let length = bytes
                .iter()
                .rposition(|&byte| byte != 0)
                .map_or(0, |last| last + 1);
            strings.push(std::str::from_utf8(&bytes[..length]).ok()?);
        }
        _ => strings.push(std::str::from_utf8(bytes).ok()?),
    }
    Some(())
}
