//! What pages claim to be once they are decompressed, checked before the decoder makes room for
//! them: it believes them.
//!
//! A page begins with a header in Thrift's compact protocol, of which the first three fields are its
//! type and its sizes. The others are passed over, to find where the page is.

use anndex_core::storage::{LocalFile, ReadAt};
use anndex_core::{Error, Limits, Result};
use parquet::basic::Compression;
use parquet::file::metadata::ParquetMetaData;

/// Most headers are shorter; those with long statistics are read again.
const HEADER_BYTES: u64 = 256;
const LONGEST_HEADER: u64 = 16 << 20;
/// Structures in a header are not nested deeper.
const DEEPEST: u32 = 16;

/// Checks all pages of a file. Where there is no page, the decoder says so.
///
/// # Errors
/// `Corrupt` if a page can't be as large as it says; otherwise what reading gives.
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
                page => return Ok(page),
            }
        }
    }

    /// `None` if the bytes end before the header does, or are none.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut thrift = Thrift(bytes);
        let (mut stored, mut decoded) = (None, None);
        let mut field = 0i64;
        while let Some(kind) = thrift.field(&mut field)? {
            match (field, kind) {
                (2, Thrift::I32) => decoded = Some(thrift.signed()?),
                (3, Thrift::I32) => stored = Some(thrift.signed()?),
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
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let number = self.unsigned()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// The type of the next field, whose number becomes `last`; nothing at the end of a structure.
    fn field(&mut self, last: &mut i64) -> Option<Option<u8>> {
        let head = self.byte()?;
        if head == 0 {
            return Some(None);
        }
        *last = match head >> 4 {
            0 => self.signed()?,
            more => last.checked_add(more.into())?,
        };
        Some(Some(head & 0x0f))
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
                // Booleans in a list are bytes.
                let kind = if head & 0x0f <= 2 { 3 } else { head & 0x0f };
                (0..count).try_for_each(|_| self.skip(kind, depth))
            }
            12 => {
                let mut last = 0;
                while let Some(kind) = self.field(&mut last)? {
                    self.skip(kind, depth)?;
                }
                Some(())
            }
            _ => None,
        }
    }
}
