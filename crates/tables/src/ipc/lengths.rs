//! The lengths that compressed buffers claim to have, checked before Arrow makes room for them: it
//! believes them, and a program that can't be given the memory ends.

use anndex_store::storage::{LocalFile, ReadAt};
use anndex_store::{Error, Limits, Result};
use arrow_ipc::{
    Block, CompressionType, Message, MessageHeader, RecordBatch, root_as_footer, root_as_message,
};
use arrow_schema::ArrowError;

use crate::error::arrow;

/// At the end of a file: the length of the footer, and the magic number.
const TAIL_BYTES: u64 = 10;
/// What stands before a message since 2019, before its length.
const CONTINUATION: u32 = u32::MAX;
/// LZ4 does not shrink data by more.
const LZ4_RATIO: u64 = 255;

/// What is spent for a file.
pub(super) struct Lengths<'a> {
    file: &'a LocalFile,
    limits: Limits,
    /// Decoded bytes of what was seen so far.
    decoded: u64,
}

impl<'a> Lengths<'a> {
    pub(super) fn new(file: &'a LocalFile, limits: Limits) -> Self {
        Self {
            file,
            limits,
            decoded: 0,
        }
    }

    /// Checks the messages that the footer of a file names.
    ///
    /// # Errors
    /// `Corrupt` if a buffer can't be as long as it says, or what is named is not in the file.
    pub(super) fn check_file(&mut self) -> Result<()> {
        let end = self.file.len().checked_sub(TAIL_BYTES).ok_or_else(early)?;
        let tail = self.bytes(end, TAIL_BYTES)?;
        let length = tail
            .first_chunk::<4>()
            .map(|bytes| u32::from_le_bytes(*bytes));
        let length = u64::from(length.unwrap_or_default());
        let start = end.checked_sub(length).ok_or_else(early)?;
        let footer = self.bytes(start, length)?;
        let footer = root_as_footer(&footer).map_err(damaged)?;
        let blocks = [footer.dictionaries(), footer.recordBatches()];
        for block in blocks.into_iter().flatten().flatten() {
            self.check_block(block)?;
        }
        Ok(())
    }

    fn check_block(&mut self, block: &Block) -> Result<()> {
        let (offset, body) = (
            from_signed(block.offset())?,
            from_signed(block.bodyLength())?,
        );
        let described = from_signed(block.metaDataLength().into())?;
        let metadata = self.bytes(offset, described)?;
        // Its own length, in one or two numbers, stands before a message.
        let skipped = match metadata.first_chunk::<4>() {
            Some(bytes) if u32::from_le_bytes(*bytes) == CONTINUATION => 8,
            _ => 4,
        };
        let message = root_as_message(metadata.get(skipped..).unwrap_or_default());
        let position = offset.saturating_add(described);
        self.check_message(&message.map_err(damaged)?, position, body)
    }

    /// Checks the messages of a stream, one after the other. Where it ends early is left to whoever
    /// reads it.
    ///
    /// # Errors
    /// As [`Lengths::check_file`].
    pub(super) fn check_stream(&mut self) -> Result<()> {
        let mut position = 0;
        while let Some((length, start)) = self.message_at(position)? {
            if length == 0 || start.saturating_add(length) > self.file.len() {
                break;
            }
            let metadata = self.bytes(start, length)?;
            let message = root_as_message(&metadata).map_err(damaged)?;
            let (position_of_body, body) = (start + length, from_signed(message.bodyLength())?);
            self.check_message(&message, position_of_body, body)?;
            position = position_of_body.saturating_add(body);
        }
        Ok(())
    }

    /// The length of the message at a position, and where it begins.
    fn message_at(&self, position: u64) -> Result<Option<(u64, u64)>> {
        let number = |at: u64| {
            let inside = at.checked_add(4).is_some_and(|end| end <= self.file.len());
            let bytes = inside.then(|| self.bytes(at, 4)).transpose()?;
            let number = bytes.and_then(|bytes| bytes.first_chunk().copied());
            Ok::<_, Error>(number.map(u32::from_le_bytes))
        };
        Ok(match number(position)? {
            Some(CONTINUATION) => {
                number(position + 4)?.map(|length| (u64::from(length), position + 8))
            }
            length => length.map(|length| (u64::from(length), position + 4)),
        })
    }

    fn check_message(&mut self, message: &Message<'_>, position: u64, body: u64) -> Result<()> {
        if position
            .checked_add(body)
            .is_none_or(|end| end > self.file.len())
        {
            return Err(early());
        }
        let batch = match message.header_type() {
            MessageHeader::RecordBatch => message.header_as_record_batch(),
            MessageHeader::DictionaryBatch => {
                let dictionary = message.header_as_dictionary_batch();
                dictionary.and_then(|dictionary| dictionary.data())
            }
            _ => None,
        };
        batch.map_or(Ok(()), |batch| self.check_batch(&batch, position))
    }

    fn check_batch(&mut self, batch: &RecordBatch<'_>, position: u64) -> Result<()> {
        // Rows of nothing take no bytes.
        let rows = from_signed(batch.length())?;
        self.decoded = self.decoded.saturating_add(rows / 8);
        if let Some(compression) = batch.compression() {
            let most = match compression.codec() {
                CompressionType::LZ4_FRAME => LZ4_RATIO,
                _ => self.limits.ratio,
            };
            for buffer in batch.buffers().iter().flatten() {
                let (offset, length) =
                    (from_signed(buffer.offset())?, from_signed(buffer.length())?);
                if length < 8 {
                    continue;
                }
                let claimed = self.bytes(position.saturating_add(offset), 8)?;
                let claimed = claimed.first_chunk().copied().map_or(0, i64::from_le_bytes);
                // Below 0 it is stored as it is; what is wrong with it is said by Arrow.
                let claimed = u64::try_from(claimed).unwrap_or(0);
                if claimed / most > length {
                    return Err(Error::corrupt(format!(
                        "a buffer of {length} bytes claims to be {claimed} bytes when decompressed"
                    )));
                }
                self.decoded = self.decoded.saturating_add(claimed);
            }
        }
        self.limits.check_decoded(self.decoded, self.file.len())
    }

    /// Bytes of the file, which are there before memory is taken for them.
    fn bytes(&self, position: u64, length: u64) -> Result<Vec<u8>> {
        let end = position.checked_add(length);
        if end.is_none_or(|end| end > self.file.len()) {
            return Err(early());
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(|_| early())?];
        let read = self.file.read_exact_at(position, &mut bytes);
        read.map_err(|error| arrow(ArrowError::IoError(error.to_string(), error)))?;
        Ok(bytes)
    }
}

fn from_signed(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|_| Error::corrupt("a length in the table is below 0"))
}

fn early() -> Error {
    Error::corrupt("the table refers to bytes past the end of the file; copy it again")
}

fn damaged(error: impl std::fmt::Display) -> Error {
    Error::corrupt("the table can't be read").source_error(error.to_string())
}
