//! The decompressors of C libraries, made once per thread.

use anndex_store::{Error, Result};
use libdeflater::{DecompressionError, Decompressor as Inflater};
use zstd::bulk::Decompressor as ZstdDecoder;

use crate::scratch::Buffer;
use crate::{damaged, too_long};

/// Decompressors that are costly to make, and memory for what is decoded in several steps.
#[derive(Default)]
pub struct Decoders {
    inflater: Option<Inflater>,
    zstd: Option<ZstdDecoder<'static>>,
    /// Between two codecs of a chain.
    pub(crate) steps: [Buffer; 2],
    /// A block of Blosc before its bytes are put together.
    pub(crate) block: Buffer,
}

impl Decoders {
    /// Decodes a zlib stream (deflate with a checksum); returns the length.
    ///
    /// # Errors
    /// `Corrupt` if it is damaged or longer than `out`.
    pub fn zlib(&mut self, stored: &[u8], out: &mut [u8]) -> Result<usize> {
        let inflater = self.inflater.get_or_insert_default();
        inflater.zlib_decompress(stored, out).map_err(inflating)
    }

    /// Decodes the first member of a gzip file; returns its length.
    ///
    /// # Errors
    /// `Corrupt` if it is damaged or longer than `out`.
    pub fn gzip(&mut self, stored: &[u8], out: &mut [u8]) -> Result<usize> {
        let inflater = self.inflater.get_or_insert_default();
        inflater.gzip_decompress(stored, out).map_err(inflating)
    }

    /// Decodes frames of Zstandard; returns the length.
    ///
    /// # Errors
    /// `Corrupt` if they are damaged or longer than `out`.
    pub fn zstd(&mut self, stored: &[u8], out: &mut [u8]) -> Result<usize> {
        let failed = |error: std::io::Error| damaged().source_error(error);
        let decoder = match &mut self.zstd {
            Some(decoder) => decoder,
            none => none.insert(ZstdDecoder::new().map_err(failed)?),
        };
        decoder.decompress_to_buffer(stored, out).map_err(failed)
    }
}

fn inflating(error: DecompressionError) -> Error {
    match error {
        DecompressionError::BadData => damaged(),
        DecompressionError::InsufficientSpace => too_long(),
    }
    .source_error(error)
}
