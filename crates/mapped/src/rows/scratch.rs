//! The buffer of one thread that stored values are read into before they are packed.

use std::cell::Cell;

use anndex_store::error::{Error, Result};

/// Larger buffers are given back, so that one large row does not stay in memory.
const LARGEST_KEPT_WORDS: usize = (4 << 20) / 8;

thread_local! {
    static BUFFER: Cell<Vec<u64>> = const { Cell::new(Vec::new()) };
}

/// Runs `work` with `bytes` bytes of unspecified content, aligned for every element type.
///
/// The buffer is taken, not borrowed: while `work` waits for other threads, this one may come by
/// here again, and then gets another.
///
/// # Errors
/// `InvalidInput` if there is no memory for so many bytes, and those of `work`.
pub(super) fn with<T>(bytes: usize, work: impl FnOnce(&mut [u8]) -> Result<T>) -> Result<T> {
    let mut words = BUFFER.take();
    let needed = bytes.div_ceil(8);
    if words.len() < needed {
        words.try_reserve_exact(needed - words.len()).map_err(|_| {
            Error::invalid_input(format!(
                "{bytes} bytes to be read at once do not fit into memory"
            ))
        })?;
        words.resize(needed, 0);
    }
    let result = work(&mut bytemuck::cast_slice_mut(&mut words)[..bytes]);
    if words.len() <= LARGEST_KEPT_WORDS {
        BUFFER.set(words);
    }
    result
}
