//! Pages of columns in which nothing is missing, without the definition levels that say so: to
//! decode a level for each value takes about as long as to decode the value.
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
