//! Reads of stored elements straight into an output buffer.

use anndex_store::{Error, Result};

use crate::source::Source;

/// The error for an array of which fewer bytes are stored than it has.
pub(crate) fn too_short() -> Error {
    Error::corrupt("fewer elements are stored than the shape of the array says")
}

/// Repeats `element` over `out`.
pub(crate) fn fill(element: &[u8], out: &mut [u8]) {
    if element.iter().all(|&b| b == 0) {
        out.fill(0);
    } else {
        for place in out.chunks_exact_mut(element.len()) {
            place.copy_from_slice(element);
        }
    }
}

/// Reads straight into an output buffer, joining reads that follow each other in the file.
pub(crate) struct Reads<'a> {
    source: &'a Source,
    out: &'a mut [u8],
    address: u64,
    position: usize,
    len: usize,
}

impl<'a> Reads<'a> {
    pub(crate) fn new(source: &'a Source, out: &'a mut [u8]) -> Self {
        Self {
            source,
            out,
            address: 0,
            position: 0,
            len: 0,
        }
    }

    /// Reads `len` bytes at `address` to `position` of the output, now or with the next flush.
    pub(crate) fn read(&mut self, address: u64, position: usize, len: usize) -> Result<()> {
        let follows = self.address.checked_add(self.len as u64) == Some(address)
            && self.position + self.len == position;
        if !follows {
            self.flush()?;
            self.address = address;
            self.position = position;
        }
        self.len += len;
        Ok(())
    }

    /// Does the reads that wait.
    pub(crate) fn flush(&mut self) -> Result<()> {
        let len = std::mem::take(&mut self.len);
        let out = self
            .out
            .get_mut(self.position..)
            .and_then(|out| out.get_mut(..len))
            .ok_or_else(too_short)?;
        self.source.read(self.address, out)
    }

    /// The file and the output, for reads of another kind.
    pub(crate) fn parts(&mut self) -> Result<(&'a Source, &mut [u8])> {
        self.flush()?;
        Ok((self.source, self.out))
    }
}
