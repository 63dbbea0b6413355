//! Zstandard (32015).

use anndex_core::{Error, Result};
use zstd::bulk::Decompressor;

use super::scratch::{Scratch, resize};

pub(super) fn decode(limit: usize, scratch: &mut Scratch) -> Result<()> {
    let mut decoder = match scratch.zstd.take() {
        Some(decoder) => decoder,
        None => Decompressor::new().map_err(damaged)?,
    };
    let result = scratch.step(|stored, out| frame(&mut decoder, limit, stored, out));
    scratch.zstd = Some(decoder);
    result
}

/// Decodes one frame of at most `limit` bytes.
pub(super) fn frame(
    decoder: &mut Decompressor<'static>,
    limit: usize,
    stored: &[u8],
    out: &mut Vec<u8>,
) -> Result<()> {
    resize(out, limit)?;
    let len = decoder
        .decompress_to_buffer(stored, out.as_mut_slice())
        .map_err(damaged)?;
    out.truncate(len);
    Ok(())
}

pub(super) fn damaged(error: std::io::Error) -> Error {
    Error::corrupt("a compressed chunk is damaged").source_error(error)
}
