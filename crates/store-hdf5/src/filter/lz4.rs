//! LZ4 (32004): blocks of LZ4, each with its lengths before it.

use anndex_codec::lz4_block;
use anndex_store::{Error, Result};

/// Decodes a chunk into the beginning of `out`: its length (8 bytes, big-endian), the length of a
/// block (4), then for each block its stored length (4) and its bytes. A block that does not get
/// smaller is stored as it is.
pub(super) fn decode(stored: &[u8], out: &mut [u8]) -> Result<usize> {
    let (len, rest) = stored.split_first_chunk::<8>().ok_or_else(damaged)?;
    let (block_len, mut rest) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
    let len = usize::try_from(u64::from_be_bytes(*len)).map_err(|_| damaged())?;
    let block_len = u32::from_be_bytes(*block_len) as usize;
    let out = out.get_mut(..len).filter(|_| block_len > 0);
    let out = out.ok_or_else(damaged)?;
    for block in out.chunks_mut(block_len) {
        let (stored_len, tail) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
        let stored_len = u32::from_be_bytes(*stored_len) as usize;
        let (stored, tail) = tail.split_at_checked(stored_len).ok_or_else(damaged)?;
        rest = tail;
        if stored_len == block.len() {
            block.copy_from_slice(stored);
        } else {
            lz4_block(stored, block)?;
        }
    }
    Ok(len)
}

fn damaged() -> Error {
    Error::corrupt("a compressed chunk is damaged")
}
