//! The buffers and decoders of one thread, kept from chunk to chunk.

use std::cell::RefCell;

use anndex_store::{Error, Result};

use crate::decoders::Decoders;

/// Buffers above this are given back after use.
const KEPT_BYTES: usize = 32 << 20;

/// Memory that is used again and again without being cleared.
#[derive(Debug, Default)]
pub struct Buffer(Vec<u8>);

impl Buffer {
    /// `len` bytes with unspecified content.
    ///
    /// # Errors
    /// `Corrupt` if memory does not suffice.
    pub fn room(&mut self, len: usize) -> Result<&mut [u8]> {
        // Never made shorter, because growing again would clear what is about to be overwritten.
        if let Some(missing) = len.checked_sub(self.0.len()) {
            self.0.try_reserve_exact(missing).map_err(|_| {
                Error::corrupt(format!("a chunk of {len} bytes does not fit memory"))
            })?;
            self.0.resize(len, 0);
        }
        Ok(&mut self.0[..len])
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn trim(&mut self) {
        self.0.truncate(KEPT_BYTES);
        self.0.shrink_to(KEPT_BYTES);
    }
}

/// What reading and decoding a chunk takes.
#[derive(Default)]
pub struct Scratch {
    /// The chunk as stored.
    pub stored: Buffer,
    /// The chunk as decoded, where not all of it is wanted.
    pub chunk: Buffer,
    /// Decompressors.
    pub decoders: Decoders,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Scratch {
    /// Runs `work` with the scratch of this thread.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn with<T>(work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        SCRATCH.with(|scratch| {
            // Not borrowed while working, should `work` ever come back here.
            let mut own = scratch.take();
            let result = work(&mut own);
            let [front, back] = &mut own.decoders.steps;
            for buffer in [
                &mut own.stored,
                &mut own.chunk,
                front,
                back,
                &mut own.decoders.block,
            ] {
                buffer.trim();
            }
            scratch.replace(own);
            result
        })
    }
}
