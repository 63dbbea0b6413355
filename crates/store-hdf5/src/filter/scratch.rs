//! The buffers and decoders of one thread, kept from chunk to chunk.

use std::cell::RefCell;

use anndex_core::{Error, Result};

/// Buffers above this are given back after use.
const KEPT_BYTES: usize = 32 << 20;

/// Two buffers that filters decode to and fro, and decoders that are costly to make.
#[derive(Default)]
pub(crate) struct Scratch {
    front: Vec<u8>,
    back: Vec<u8>,
    pub(super) inflater: Option<libdeflater::Decompressor>,
    pub(super) zstd: Option<zstd::bulk::Decompressor<'static>>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Scratch {
    /// Runs `work` with the buffers of this thread.
    pub(crate) fn with<T>(work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        SCRATCH.with(|scratch| {
            // Not borrowed while working, should `work` ever come back here.
            let mut own = scratch.take();
            let result = work(&mut own);
            own.front.truncate(KEPT_BYTES);
            own.front.shrink_to(KEPT_BYTES);
            own.back.truncate(KEPT_BYTES);
            own.back.shrink_to(KEPT_BYTES);
            scratch.replace(own);
            result
        })
    }

    /// The bytes as decoded so far.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.front
    }

    /// Room for `len` bytes to decode, with unspecified content.
    pub(crate) fn room(&mut self, len: usize) -> Result<&mut [u8]> {
        resize(&mut self.front, len)?;
        Ok(&mut self.front)
    }

    pub(super) fn load(&mut self, bytes: &[u8]) {
        self.front.clear();
        self.front.extend_from_slice(bytes);
    }

    /// Drops all but the first `len` bytes.
    pub(super) fn shorten(&mut self, len: usize) {
        self.front.truncate(len);
    }

    /// One filter: `decode(stored, out)`.
    pub(super) fn step(
        &mut self,
        decode: impl FnOnce(&[u8], &mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        decode(&self.front, &mut self.back)?;
        std::mem::swap(&mut self.front, &mut self.back);
        Ok(())
    }
}

/// Sets the length, keeping old content where there is some: it is overwritten anyway.
pub(super) fn resize(buffer: &mut Vec<u8>, len: usize) -> Result<()> {
    let missing = len.saturating_sub(buffer.len());
    buffer
        .try_reserve_exact(missing)
        .map_err(|_| Error::corrupt(format!("a chunk of {len} bytes does not fit memory")))?;
    buffer.resize(len, 0);
    Ok(())
}
