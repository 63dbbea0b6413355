//! Blocks of LZ4, whose container (Blosc, HDF5) knows their length.

use anndex_store::Result;

use crate::damaged;

/// Decodes one block, which fills `out` exactly.
///
/// # Errors
/// `Corrupt` if it does not.
pub fn decode_block(stored: &[u8], out: &mut [u8]) -> Result<()> {
    let len = i32::try_from(out.len()).map_err(|_| damaged())?;
    match lz4::block::decompress_to_buffer(stored, Some(len), out) {
        Ok(len) if len == out.len() => Ok(()),
        Ok(_) => Err(damaged()),
        Err(error) => Err(damaged().source_error(error)),
    }
}
