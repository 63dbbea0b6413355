//! Blosc 1 (32001): blocks that are shuffled, split and compressed with one of several codecs.
//!
//! Decoded here rather than by the C library, so that damaged bytes meet only checked code.

mod bitshuffle;
mod blosclz;

use anndex_core::{Error, Result};
use libdeflater::Decompressor as Inflater;
use zstd::bulk::Decompressor as ZstdDecoder;

use super::scratch::{Scratch, resize};
use super::{inflate, lz4, shuffle, zstandard};

const HEADER_BYTES: usize = 16;
const SHUFFLE: u8 = 1;
const STORED: u8 = 2;
const BITSHUFFLE: u8 = 4;
const NOT_SPLIT: u8 = 16;
/// Blocks are split into one stream per byte of the elements only within these limits.
const LARGEST_SPLIT: usize = 16;
const SMALLEST_SPLIT_BYTES: usize = 128;

/// The name of a codec by its number in the settings of the filter.
pub(super) fn compressor_name(codec: u32) -> &'static str {
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

pub(super) fn decode(limit: usize, scratch: &mut Scratch) -> Result<()> {
    let mut codec = Codec {
        inflater: scratch.inflater.take(),
        zstd: scratch.zstd.take(),
        stream: Vec::new(),
    };
    let result = scratch.step(|stored, out| decode_with(&mut codec, limit, stored, out));
    scratch.inflater = codec.inflater;
    scratch.zstd = codec.zstd;
    result
}

fn decode_with(codec: &mut Codec, limit: usize, stored: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let header = Header::parse(stored)?;
    if header.len > limit {
        return Err(Error::corrupt("a chunk has more bytes than its shape"));
    }
    resize(out, header.len)?;
    if header.flags & STORED != 0 {
        let bytes = stored.get(HEADER_BYTES..HEADER_BYTES + header.len);
        out.copy_from_slice(bytes.ok_or_else(damaged)?);
        return Ok(());
    }
    let mut block_out = Vec::new();
    for (index, block) in out.chunks_mut(header.block_len).enumerate() {
        let start = read_u32(stored, HEADER_BYTES + 4 * index)?;
        let streams = stored.get(start..).ok_or_else(damaged)?;
        resize(&mut block_out, block.len())?;
        header.decode_block(codec, streams, &mut block_out)?;
        if header.flags & SHUFFLE != 0 && header.element_size > 1 {
            shuffle::unshuffle(header.element_size, &block_out, block);
        } else if header.flags & BITSHUFFLE != 0 && block.len() >= header.element_size {
            bitshuffle::unshuffle(header.element_size, &block_out, block);
        } else {
            block.copy_from_slice(&block_out);
        }
    }
    Ok(())
}

struct Header {
    flags: u8,
    element_size: usize,
    /// Bytes after decoding.
    len: usize,
    block_len: usize,
}

impl Header {
    fn parse(stored: &[u8]) -> Result<Self> {
        let (header, _) = stored
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or_else(damaged)?;
        let [version, _, flags, element_size, ..] = *header;
        if version != 2 {
            return Err(Error::unsupported(format!(
                "version {version} of the Blosc format can't be decoded"
            )));
        }
        let parsed = Self {
            flags,
            element_size: usize::from(element_size),
            len: read_u32(stored, 4)?,
            block_len: read_u32(stored, 8)?,
        };
        if flags & 8 != 0 || element_size == 0 || (parsed.block_len == 0 && parsed.len > 0) {
            return Err(damaged());
        }
        Ok(Self {
            block_len: parsed.block_len.max(1),
            ..parsed
        })
    }

    /// Decodes the streams of one block, one after the other.
    fn decode_block(&self, codec: &mut Codec, mut streams: &[u8], out: &mut [u8]) -> Result<()> {
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
                codec.decode(self.flags >> 5, stored, part)?;
            }
        }
        Ok(())
    }
}

/// The compressors that Blosc can use.
struct Codec {
    inflater: Option<Inflater>,
    zstd: Option<ZstdDecoder<'static>>,
    stream: Vec<u8>,
}

impl Codec {
    /// Decodes one stream, which fills `out` exactly.
    fn decode(&mut self, format: u8, stored: &[u8], out: &mut [u8]) -> Result<()> {
        match format {
            0 => blosclz::decode(out.len(), stored, &mut self.stream)?,
            1 => return lz4::decode_block(stored, out),
            3 => {
                let inflater = self.inflater.get_or_insert_default();
                inflate::zlib(inflater, out.len(), stored, &mut self.stream)?;
            }
            4 => {
                let mut decoder = match self.zstd.take() {
                    Some(decoder) => decoder,
                    None => ZstdDecoder::new().map_err(zstandard::damaged)?,
                };
                let result = zstandard::frame(&mut decoder, out.len(), stored, &mut self.stream);
                self.zstd = Some(decoder);
                result?;
            }
            2 => {
                return Err(Error::unsupported(
                    "Blosc with Snappy can't be decoded; write the file again with LZ4 or zstd",
                ));
            }
            _ => return Err(damaged()),
        }
        if self.stream.len() != out.len() {
            return Err(damaged());
        }
        out.copy_from_slice(&self.stream);
        Ok(())
    }
}

fn read_u32(bytes: &[u8], position: usize) -> Result<usize> {
    bytes
        .get(position..)
        .and_then(|rest| rest.first_chunk::<4>())
        .map(|bytes| u32::from_le_bytes(*bytes) as usize)
        .ok_or_else(damaged)
}

fn damaged() -> Error {
    Error::corrupt("a compressed chunk is damaged")
}
