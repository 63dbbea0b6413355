//! What pages claim to be once they are decompressed, checked before the decoder makes room for
//! them: it believes them.
//!
//! A page begins with a header in Thrift's compact protocol, of which the first three fields are its
//! type and its sizes. The others are passed over, to find where the page is, and just as the
//! decoder does it: a header that only the decoder understood would be unchecked.

use anndex_store::storage::{LocalFile, ReadAt};
use anndex_store::{Error, Limits, Result};
use parquet::basic::Compression;
use parquet::file::metadata::ParquetMetaData;

/// Most headers are shorter; those with long statistics are read again.
const HEADER_BYTES: u64 = 256;
const LONGEST_HEADER: u64 = 16 << 20;
/// The decoder goes no deeper into what it does not know.
const DEEPEST: u32 = 64;

/// Checks all pages of a file.
///
/// # Errors
/// `Corrupt` if a page can't be as large as it says, or if there is something else than a page;
/// otherwise what reading gives.
pub(super) fn check(file: &LocalFile, metadata: &ParquetMetaData, limits: &Limits) -> Result<()> {
    let mut decoded = 0u64;
    let groups = metadata.row_groups().iter();
    for column in groups.flat_map(|group| group.columns()) {
        if column.compression() == Compression::UNCOMPRESSED {
            continue;
        }
        let start = column.dictionary_page_offset();
        let start = u64::try_from(start.unwrap_or(column.data_page_offset()));
        let length = u64::try_from(column.compressed_size());
        let (Ok(mut position), Ok(length)) = (start, length) else {
            continue;
        };
        let end = position.saturating_add(length).min(file.len());
        while position < end
            && let Some(page) = Page::read(file, position, end)?
        {
            if !limits.is_plausible(page.decoded, page.stored) {
                return Err(Error::corrupt(format!(
                    "a page of {} bytes claims to be {} bytes when decompressed",
                    page.stored, page.decoded
                )));
            }
            decoded = decoded.saturating_add(page.decoded);
            position = position
                .saturating_add(page.header)
                .saturating_add(page.stored);
        }
    }
    limits.check_decoded(decoded, file.len())
}

/// The sizes of a page.
struct Page {
    header: u64,
    stored: u64,
    decoded: u64,
}

impl Page {
    fn read(file: &LocalFile, position: u64, end: u64) -> Result<Option<Self>> {
        let mut length = HEADER_BYTES;
        loop {
            let mut bytes = vec![0; length.min(end - position) as usize];
            file.read_exact_at(position, &mut bytes)
                .map_err(|error| Error::io("the table", error))?;
            match Self::parse(&bytes) {
                None if length < (end - position).min(LONGEST_HEADER) => length *= 8,
                // What follows the last page is not looked at by the decoder, or refused.
                None if bytes.first().is_none_or(|head| head & 0x0f == 0) => return Ok(None),
                None => return Err(Error::corrupt("a page of it has no valid header")),
                page => return Ok(page),
            }
        }
    }

    /// `None` if the bytes end before the header does, or are none.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut thrift = Thrift(bytes);
        let (mut stored, mut decoded) = (None, None);
        let mut field = 0;
        while let Some(kind) = thrift.field(&mut field)? {
            match (field, kind) {
                (2, Thrift::I32) => decoded = Some(thrift.signed()? as i32),
                (3, Thrift::I32) => stored = Some(thrift.signed()? as i32),
                (1 | 4, Thrift::I32) => thrift.skip(kind, DEEPEST)?,
                (5, Thrift::STRUCTURE) => thrift.known(4)?,
                (6, Thrift::STRUCTURE) => thrift.known(0)?,
                (7, Thrift::STRUCTURE) => thrift.known(2)?,
                (8, Thrift::STRUCTURE) => thrift.known(6)?,
                // The decoder does not look what they say they are.
                (1..=8, _) => return None,
                _ => thrift.skip(kind, DEEPEST)?,
            }
        }
        Some(Self {
            header: (bytes.len() - thrift.0.len()) as u64,
            stored: u64::try_from(stored?).ok()?,
            decoded: u64::try_from(decoded?).ok()?,
        })
    }
}

/// The rest of a message in the compact protocol.
struct Thrift<'a>(&'a [u8]);

impl Thrift<'_> {
    const I32: u8 = 5;
    const STRUCTURE: u8 = 12;

    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    fn pass(&mut self, count: u64) -> Option<()> {
        self.0 = self.0.get(usize::try_from(count).ok()?..)?;
        Some(())
    }

    fn unsigned(&mut self) -> Option<u64> {
        let (mut number, mut shift) = (0u64, 0u32);
        loop {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f).wrapping_shl(shift);
            if byte & 0x80 == 0 {
                return Some(number);
            }
            shift = shift.wrapping_add(7);
        }
    }

    fn signed(&mut self) -> Option<i64> {
        let number = self.unsigned()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// The type of the next field, whose number becomes `last`; nothing at the end of a structure.
    fn field(&mut self, last: &mut i16) -> Option<Option<u8>> {
        let head = self.byte()?;
        if head & 0x0f == 0 {
            return Some(None);
        }
        *last = match head >> 4 {
            0 => self.signed()? as i16,
            more => last.checked_add(i16::from(more))?,
        };
        Some(Some(head & 0x0f))
    }

    /// Passes over a structure of which the decoder takes the first fields for integers, whatever
    /// they say they are.
    fn known(&mut self, integers: i16) -> Option<()> {
        let mut field = 0;
        while let Some(kind) = self.field(&mut field)? {
            if (1..=integers).contains(&field) && kind != Self::I32 {
                return None;
            }
            self.skip(kind, DEEPEST)?;
        }
        Some(())
    }

    fn skip(&mut self, kind: u8, depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            // Booleans are in their type.
            1 | 2 => Some(()),
            3 => self.pass(1),
            4..=6 => self.unsigned().map(drop),
            7 => self.pass(8),
            8 => {
                let length = self.unsigned()?;
                self.pass(length)
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = match head >> 4 {
                    15 => self.unsigned()?,
                    count => count.into(),
                };
                (0..count).try_for_each(|_| self.skip_element(head & 0x0f, depth))
            }
            11 => {
                let count = self.unsigned()?;
                if count == 0 {
                    return Some(());
                }
                let kinds = self.byte()?;
                (0..count).try_for_each(|_| {
                    self.skip_element(kinds >> 4, depth)?;
                    self.skip_element(kinds & 0x0f, depth)
                })
            }
            Self::STRUCTURE => {
                while let Some(kind) = self.field(&mut 0)? {
                    self.skip(kind, depth)?;
                }
                Some(())
            }
            13 => self.pass(16),
            _ => None,
        }
    }

    /// Passes over what is in a list or a map. Booleans are bytes there, but not to the decoder; no
    /// header has any.
    fn skip_element(&mut self, kind: u8, depth: u32) -> Option<()> {
        match kind {
            0..=2 => None,
            _ => self.skip(kind, depth),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of a page of 1 byte that claims to be 2, with one more field.
    fn parsed(field: &[u8]) -> Option<(u64, u64, u64)> {
        let begin = [0x15u8, 0, 0x15, 4, 0x15, 2];
        let page = Page::parse(&[&begin[..], field, &[0]].concat())?;
        Some((page.header, page.stored, page.decoded))
    }

    #[test]
    fn headers_are_understood_as_the_decoder_does() {
        assert_eq!(parsed(&[]), Some((7, 1, 2)));
        // A map of integers to texts, and an empty one.
        assert_eq!(parsed(&[0x8b, 1, 0x58, 2, 1, b'a']), Some((13, 1, 2)));
        assert_eq!(parsed(&[0x8b, 0]), Some((9, 1, 2)));
        let nested = |levels: usize| [vec![0x89u8], vec![0x19u8; levels], vec![0x03u8]].concat();
        assert_eq!(parsed(&nested(62)), Some((71, 1, 2)));
        assert_eq!(parsed(&nested(64)), None);
        // The second field again, as one of 64 bits.
        assert_eq!(parsed(&[0x06, 4, 2]), None);
        // A list of booleans.
        assert_eq!(parsed(&[0x89, 0x12, 1]), None);
    }
}
