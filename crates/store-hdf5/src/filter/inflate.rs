//! Deflate (1), the gzip of h5py.

use anndex_core::{Error, Result};
use libdeflater::{DecompressionError, Decompressor};

use super::scratch::{Scratch, resize};

pub(super) fn decode(limit: usize, scratch: &mut Scratch) -> Result<()> {
    let mut inflater = scratch.inflater.take().unwrap_or_default();
    let result = scratch.step(|stored, out| zlib(&mut inflater, limit, stored, out));
    scratch.inflater = Some(inflater);
    result
}

/// Decodes one zlib stream of at most `limit` bytes.
pub(super) fn zlib(
    inflater: &mut Decompressor,
    limit: usize,
    stored: &[u8],
    out: &mut Vec<u8>,
) -> Result<()> {
    resize(out, limit)?;
    let len = inflater.zlib_decompress(stored, out).map_err(|error| {
        Error::corrupt(match error {
            DecompressionError::BadData => "a compressed chunk is damaged",
            DecompressionError::InsufficientSpace => "a chunk has more bytes than its shape",
        })
        .source_error(error)
    })?;
    out.truncate(len);
    Ok(())
}
