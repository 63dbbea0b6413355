//! Several codecs on one chunk: from buffer to buffer, and the last one straight to its place.

use std::ops::Range;

use anndex_store::{Error, Result};

use crate::decoders::Decoders;
use crate::scratch::Buffer;

/// One codec of a chain.
pub trait Codec {
    /// Where the content stands in `stored`, for codecs that leave it as it is, such as
    /// checksums, which are verified here; `None` for all others.
    ///
    /// # Errors
    /// `Corrupt` if a checksum is wrong.
    fn content(&self, stored: &[u8]) -> Result<Option<Range<usize>>>;

    /// Decodes `stored` into the beginning of `out`; returns the length.
    ///
    /// # Errors
    /// `Corrupt` if the bytes are damaged or do not fit `out`; `Unsupported` if they can't be
    /// decoded at all.
    fn decode(&self, decoders: &mut Decoders, stored: &[u8], out: &mut [u8]) -> Result<usize>;
}

impl Decoders {
    /// Undoes codecs, which come with the most bytes that each may give, in the order in which
    /// they are to be undone. Their output fills `out` exactly.
    ///
    /// # Errors
    /// Those of the codecs; `Corrupt` if the output has another length.
    pub fn chain<'c, C: Codec + 'c>(
        &mut self,
        codecs: impl Iterator<Item = (&'c C, usize)>,
        stored: &[u8],
        out: &mut [u8],
    ) -> Result<()> {
        let mut steps = std::mem::take(&mut self.steps);
        let result = self.walk(codecs, &mut steps, stored, out);
        self.steps = steps;
        result
    }

    fn walk<'c, C: Codec + 'c>(
        &mut self,
        codecs: impl Iterator<Item = (&'c C, usize)>,
        [front, back]: &mut [Buffer; 2],
        stored: &[u8],
        out: &mut [u8],
    ) -> Result<()> {
        let (mut front, mut back) = (front, back);
        let mut codecs = codecs.peekable();
        // The bytes are in `stored` until a codec has put them into `front`.
        let mut is_stored = true;
        let mut content = 0..stored.len();
        while let Some((codec, limit)) = codecs.next() {
            let all = if is_stored { stored } else { front.bytes() };
            let input = all.get(content.clone()).unwrap_or_default();
            if let Some(inner) = codec.content(input)? {
                content = content.start + inner.start..content.start + inner.end;
            } else if codecs.peek().is_none() {
                let len = codec.decode(self, input, out)?;
                return check_len(len, out.len());
            } else {
                content = 0..codec.decode(self, input, back.room(limit)?)?;
                is_stored = false;
                std::mem::swap(&mut front, &mut back);
            }
        }
        let all = if is_stored { stored } else { front.bytes() };
        let bytes = all.get(content).unwrap_or_default();
        check_len(bytes.len(), out.len())?;
        out.copy_from_slice(bytes);
        Ok(())
    }
}

fn check_len(len: usize, expected: usize) -> Result<()> {
    if len == expected {
        return Ok(());
    }
    Err(Error::corrupt(format!(
        "a chunk has {len} bytes after decoding, not {expected}"
    )))
}
