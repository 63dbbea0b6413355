//! Blosc 1: blocks that are shuffled, split and compressed with one of several codecs.
//!
//! Decoded here rather than by the C library, so that damaged bytes meet only checked code, and
//! that only the blocks that are wanted are decoded, straight to their place.

mod bitshuffle;
mod blosclz;

use std::ops::Range;

use anndex_store::{Error, Result};

use crate::decoders::Decoders;
use crate::{damaged, lz4, too_long, unshuffle};

const HEADER_BYTES: usize = 16;
const SHUFFLE: u8 = 1;
const STORED: u8 = 2;
const BITSHUFFLE: u8 = 4;
const NOT_SPLIT: u8 = 16;
/// The number of the codec Snappy, which is not decoded.
const SNAPPY: u8 = 2;
/// Blocks are split into one stream per byte of the elements only within these limits.
const LARGEST_SPLIT: usize = 16;
const SMALLEST_SPLIT_BYTES: usize = 128;

/// The name of a codec by its number in the settings of the HDF5 filter.
pub fn compressor_name(codec: u32) -> &'static str {
    match codec {
        0 => "blosclz",
        1 => "lz4",
        2 => "lz4hc",
        3 => "snappy",
        4 => "zlib",
        5 => "zstd",
        _ => "unknown codec",
    }
}

/// A frame: a header, where each block begins, and the blocks.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    stored: &'a [u8],
    flags: u8,
    element_size: usize,
    len: usize,
    block_len: usize,
}

impl<'a> Frame<'a> {
    /// Reads the header of a frame.
    ///
    /// # Errors
    /// `Corrupt` if it is damaged; `Unsupported` if it is of another version of Blosc.
    pub fn new(stored: &'a [u8]) -> Result<Self> {
        let (header, _) = stored
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or_else(damaged)?;
        let [version, _, flags, element_size, ..] = *header;
        if version != 2 {
            return Err(Error::unsupported(format!(
                "version {version} of the Blosc format can't be decoded"
            )));
        }
        let (len, block_len) = (read_u32(stored, 4)?, read_u32(stored, 8)?);
        if flags & 8 != 0 || element_size == 0 || (block_len == 0 && len > 0) {
            return Err(damaged());
        }
        Ok(Self {
            stored,
            flags,
            element_size: usize::from(element_size),
            len,
            block_len: block_len.max(1),
        })
    }

    /// Whether the codec is Snappy, which can't be decoded here.
    pub fn is_snappy(&self) -> bool {
        self.flags & STORED == 0 && self.flags >> 5 == SNAPPY
    }

    /// Decodes the frame into the beginning of `out`; returns its length.
    ///
    /// # Errors
    /// `Corrupt` if the frame is damaged or longer than `out`; `Unsupported` if its codec is
    /// Snappy.
    pub fn decode(&self, decoders: &mut Decoders, out: &mut [u8]) -> Result<usize> {
        let whole = 0..self.len;
        let out = out.get_mut(whole.clone()).ok_or_else(too_long)?;
        self.decode_parts(decoders, &[whole], out)?;
        Ok(self.len)
    }

    /// Decodes the blocks in which `parts` lie (sorted ranges of bytes) to their place in `out`,
    /// which is as long as the whole frame. The other bytes of `out` are left as they are.
    ///
    /// # Errors
    /// As [`Frame::decode`].
    pub fn decode_parts(
        &self,
        decoders: &mut Decoders,
        parts: &[Range<usize>],
        out: &mut [u8],
    ) -> Result<()> {
        if out.len() != self.len {
            return Err(Error::corrupt(format!(
                "a chunk has {} bytes after decoding, not {}",
                self.len,
                out.len()
            )));
        }
        if self.flags & STORED != 0 {
            for part in parts {
                let from = part.start + HEADER_BYTES..part.end + HEADER_BYTES;
                let (Some(from), Some(to)) = (self.stored.get(from), out.get_mut(part.clone()))
                else {
                    return Err(damaged());
                };
                to.copy_from_slice(from);
            }
            return Ok(());
        }
        let mut parts = parts.iter().peekable();
        for (index, block) in out.chunks_mut(self.block_len).enumerate() {
            let start = index * self.block_len;
            while parts.next_if(|part| part.end <= start).is_some() {}
            match parts.peek() {
                None => break,
                Some(part) if part.start >= start + block.len() => {}
                Some(_) => self.decode_block(decoders, index, block)?,
            }
        }
        Ok(())
    }

    fn decode_block(&self, decoders: &mut Decoders, index: usize, out: &mut [u8]) -> Result<()> {
        let start = read_u32(self.stored, HEADER_BYTES + 4 * index)?;
        let streams = self.stored.get(start..).ok_or_else(damaged)?;
        let size = self.element_size;
        let is_shuffled = self.flags & SHUFFLE != 0 && size > 1;
        let is_bitshuffled = self.flags & BITSHUFFLE != 0 && out.len() >= size;
        if !is_shuffled && !is_bitshuffled {
            return self.decode_streams(decoders, streams, out);
        }
        let mut buffer = std::mem::take(&mut decoders.block);
        let shuffled = buffer.room(out.len())?;
        let result = self.decode_streams(decoders, streams, shuffled);
        if result.is_ok() && is_shuffled {
            unshuffle(size, shuffled, out);
        } else if result.is_ok() {
            bitshuffle::unshuffle(size, shuffled, out);
        }
        decoders.block = buffer;
        result
    }

    /// Decodes the streams of one block, one after the other.
    fn decode_streams(
        &self,
        decoders: &mut Decoders,
        mut streams: &[u8],
        out: &mut [u8],
    ) -> Result<()> {
        let is_whole = out.len() == self.block_len;
        let is_split = self.flags & NOT_SPLIT == 0
            && is_whole
            && self.element_size <= LARGEST_SPLIT
            && self.block_len / self.element_size >= SMALLEST_SPLIT_BYTES;
        let count = if is_split { self.element_size } else { 1 };
        let stream_len = out.len() / count;
        if stream_len * count != out.len() {
            return Err(damaged());
        }
        for part in out.chunks_exact_mut(stream_len) {
            let stored_len = read_u32(streams, 0)?;
            let stored = streams
                .get(4..)
                .and_then(|rest| rest.split_at_checked(stored_len));
            let (stored, rest) = stored.ok_or_else(damaged)?;
            streams = rest;
            if stored_len == part.len() {
                part.copy_from_slice(stored);
            } else {
                self.decode_stream(decoders, stored, part)?;
            }
        }
        Ok(())
    }

    /// Decodes one stream, which fills `out` exactly.
    fn decode_stream(&self, decoders: &mut Decoders, stored: &[u8], out: &mut [u8]) -> Result<()> {
        let len = match self.flags >> 5 {
            0 => blosclz::decode(stored, out)?,
            1 => return lz4::decode_block(stored, out),
            SNAPPY => {
                return Err(Error::unsupported(
                    "Blosc with Snappy can't be decoded; write the file again with LZ4 or zstd",
                ));
            }
            3 => decoders.zlib(stored, out)?,
            4 => decoders.zstd(stored, out)?,
            _ => return Err(damaged()),
        };
        if len == out.len() {
            Ok(())
        } else {
            Err(damaged())
        }
    }
}

fn read_u32(bytes: &[u8], position: usize) -> Result<usize> {
    bytes
        .get(position..)
        .and_then(|rest| rest.first_chunk::<4>())
        .map(|bytes| u32::from_le_bytes(*bytes) as usize)
        .ok_or_else(damaged)
}
