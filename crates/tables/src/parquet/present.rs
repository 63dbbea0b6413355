//! Pages of columns in which nothing is missing, without the definition levels that say so. To look
//! at them as the runs that they are stored as is less work than to decode one for each value.
//!
//! Levels are stored as the [encoding specification] of Parquet says, under "Run Length Encoding /
//! Bit-Packing Hybrid".
//!
//! [encoding specification]: https://parquet.apache.org/docs/file-format/data-pages/encodings/

use std::sync::Arc;

use parquet::basic::Encoding;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::schema::types::{ColumnDescPtr, ColumnDescriptor};

/// Whether a flat column that may lack values has all of them in a row group, as far as its
/// statistics know.
pub(super) fn is_present(chunk: &ColumnChunkMetaData) -> bool {
    let missing = chunk.statistics().and_then(|one| one.null_count_opt());
    let descriptor = chunk.column_descr();
    descriptor.max_rep_level() == 0
        && descriptor.max_def_level() == 1
        && missing == Some(0)
        // Which stands for levels that are stored in another way than is known here.
        && !chunk.encodings().any(|encoding| is_deprecated(&encoding))
}

#[expect(deprecated, reason = "files of that time are still there")]
fn is_deprecated(encoding: &Encoding) -> bool {
    *encoding == Encoding::BIT_PACKED
}

/// A column like this one that can't lack values.
pub(super) fn required(column: &ColumnDescriptor) -> ColumnDescPtr {
    let (kind, path) = (column.self_type_ptr(), column.path().clone());
    Arc::new(ColumnDescriptor::new(kind, 0, 0, path))
}

/// Pages without their definition levels, which must all be 1.
pub(super) struct Present<P>(pub(super) P);

impl<P: PageReader> Iterator for Present<P> {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl<P: PageReader> PageReader for Present<P> {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        self.0.get_next_page()?.map(without_levels).transpose()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.0.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.0.skip_next_page()
    }
}

fn without_levels(mut page: Page) -> Result<Page> {
    match &mut page {
        Page::DataPage {
            buf, num_values, ..
        } => {
            let (length, rest) = buf.split_first_chunk::<4>().ok_or_else(too_short)?;
            let length = u32::from_le_bytes(*length) as usize;
            let levels = rest.get(..length).ok_or_else(too_short)?;
            check(levels, *num_values)?;
            *buf = buf.slice(4 + length..);
        }
        Page::DataPageV2 {
            buf,
            num_values,
            def_levels_byte_len,
            ..
        } => {
            let length = *def_levels_byte_len as usize;
            check(buf.get(..length).ok_or_else(too_short)?, *num_values)?;
            *buf = buf.slice(length..);
            *def_levels_byte_len = 0;
        }
        Page::DictionaryPage { .. } => {}
    }
    Ok(page)
}

fn too_short() -> ParquetError {
    ParquetError::EOF("a page ends within its levels".to_owned())
}

/// Checks that all levels are 1.
fn check(mut levels: &[u8], count: u32) -> Result<()> {
    let mut left = u64::from(count);
    while left > 0 {
        let header = number(&mut levels)?;
        let (is_packed, length) = (header & 1 == 1, header >> 1);
        let (bytes, values) = match is_packed {
            true => (length, length.saturating_mul(8)),
            false => (1, length),
        };
        let bytes = usize::try_from(bytes).map_err(|_| too_short())?;
        let (run, rest) = levels.split_at_checked(bytes).ok_or_else(too_short)?;
        levels = rest;
        let values = values.min(left);
        let are_ones = match is_packed {
            // What fills the last byte up may be anything.
            true => run.iter().zip(0..).all(|(byte, place)| {
                let used = (values - (place * 8).min(values)).min(8);
                byte.trailing_ones() as u64 >= used
            }),
            false => run == [1],
        };
        if values == 0 || !are_ones {
            return Err(ParquetError::General(
                "the column lacks values, of which its statistics know nothing".to_owned(),
            ));
        }
        left -= values;
    }
    Ok(())
}

/// Takes an integer of variable length, as LEB128 has it.
fn number(bytes: &mut &[u8]) -> Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or_else(too_short)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(too_short())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use parquet::basic::Encoding;
    use parquet::column::page::Page;

    use super::{check, without_levels};

    #[test]
    fn levels_are_all_ones_or_an_error() {
        for (levels, count) in [
            (&[][..], 0),
            // 100 times 1; more than are needed; two runs.
            (&[0xc8, 0x01, 1], 100),
            (&[0xc8, 0x01, 1], 3),
            (&[6, 1, 4, 1], 5),
            // Packed: one byte; two of them, the last one filled up with zeros; mixed.
            (&[3, 0xff], 8),
            (&[5, 0xff, 0x07], 11),
            (&[5, 0xff, 0x00], 8),
            (&[3, 0xff, 4, 1], 10),
        ] {
            assert!(check(levels, count).is_ok(), "{levels:?} {count}");
        }
        for (levels, count) in [
            // Too short, or without an end.
            (&[][..], 1),
            (&[0xc8], 100),
            (&[0xc8, 0x01], 100),
            (&[0xc8, 0x01, 1], 101),
            (&[5, 0xff], 16),
            (&[0xff; 20], 1),
            // Something is missing, or is not a level.
            (&[0xc8, 0x01, 0], 100),
            (&[0xc8, 0x01, 2], 100),
            (&[6, 1, 4, 0], 5),
            (&[3, 0xfe], 8),
            (&[5, 0xff, 0x03], 11),
            (&[0, 1], 1),
        ] {
            assert!(check(levels, count).is_err(), "{levels:?} {count}");
        }
    }

    fn v1(content: &'static [u8]) -> Page {
        Page::DataPage {
            buf: Bytes::from_static(content),
            num_values: 2,
            encoding: Encoding::PLAIN,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        }
    }

    fn v2(content: &'static [u8], levels: u32) -> Page {
        Page::DataPageV2 {
            buf: Bytes::from_static(content),
            num_values: 2,
            encoding: Encoding::PLAIN,
            num_nulls: 0,
            num_rows: 2,
            def_levels_byte_len: levels,
            rep_levels_byte_len: 0,
            is_compressed: false,
            statistics: None,
        }
    }

    #[test]
    fn pages_of_both_versions_are_their_values() {
        for page in [v1(&[2, 0, 0, 0, 4, 1, 7, 8]), v2(&[4, 1, 7, 8], 2)] {
            let values = without_levels(page).unwrap();
            assert_eq!(values.buffer()[..], [7, 8]);
        }
        for page in [
            v1(&[2, 0, 0]),
            v1(&[9, 0, 0, 0, 4, 1]),
            v1(&[2, 0, 0, 0, 4, 0, 7]),
            v2(&[4], 2),
            v2(&[4, 0, 7], 2),
        ] {
            assert!(without_levels(page).is_err());
        }
    }
}
