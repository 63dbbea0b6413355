//! Output that refers to itself, as the LZ77 family of codecs writes it.

use anndex_store::Result;

use crate::lzf::Input;
use crate::{damaged, too_long};

/// Bytes that are copied at once where there is room for more than are needed: one register.
const STEP: usize = 16;

/// What was decoded so far, and the room for what follows.
pub(crate) struct Output<'a> {
    bytes: &'a mut [u8],
    len: usize,
}

impl<'a> Output<'a> {
    pub(crate) fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, len: 0 }
    }

    /// Bytes decoded so far.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Appends the next `count` bytes of the input.
    pub(crate) fn literal(&mut self, input: &mut Input<'_>, count: usize) -> Result<()> {
        let (bytes, rest) = input.0.split_at_checked(count).ok_or_else(damaged)?;
        let room = self.bytes.get_mut(self.len..).unwrap_or_default();
        // Two registers hold most literals; what is copied too much is overwritten later.
        if let (Some(from), Some(to)) = (
            input.0.first_chunk::<{ 2 * STEP }>(),
            room.first_chunk_mut::<{ 2 * STEP }>(),
        ) && count <= 2 * STEP
        {
            *to = *from;
        } else {
            room.get_mut(..count)
                .ok_or_else(too_long)?
                .copy_from_slice(bytes);
        }
        input.0 = rest;
        self.len += count;
        Ok(())
    }

    /// Appends `count` bytes from `distance` before the end; what is appended may be repeated,
    /// too.
    pub(crate) fn repeat(&mut self, distance: usize, count: usize) -> Result<()> {
        let start = self.len.checked_sub(distance).ok_or_else(damaged)?;
        let end = self.len + count;
        if distance == 0 || end > self.bytes.len() {
            return Err(too_long());
        }
        // Exactly as many bytes as are needed: wider loads would wait for the narrow stores that
        // wrote them. What can be copied doubles with each copy.
        let mut at = self.len;
        while at < end {
            let step = (at - start).min(end - at);
            self.bytes.copy_within(start..start + step, at);
            at += step;
        }
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_like_one_byte_after_the_other() {
        let start: Vec<u8> = (1..=40).collect();
        for distance in 1..=40 {
            for count in 0..=70 {
                for spare in [0, 1, 15, 16, 64] {
                    let mut expected = start.clone();
                    for _ in 0..count {
                        expected.push(expected[expected.len() - distance]);
                    }
                    let mut bytes = vec![0; start.len() + count + spare];
                    let mut out = Output::new(&mut bytes);
                    for part in start.chunks(7) {
                        out.literal(&mut Input(part), part.len()).unwrap();
                    }
                    out.repeat(distance, count).unwrap();
                    let len = out.len();
                    assert_eq!(bytes[..len], expected, "{distance} {count} {spare}");
                }
            }
        }
    }

    #[test]
    fn nothing_is_written_past_the_end() {
        let mut bytes = [0; 20];
        let mut out = Output::new(&mut bytes);
        out.literal(&mut Input(&[7; 19]), 19).unwrap();
        assert!(out.repeat(20, 1).is_err());
        assert!(out.repeat(4, 2).is_err());
        assert!(out.literal(&mut Input(&[7; 40]), 2).is_err());
        out.repeat(4, 1).unwrap();
        assert_eq!((out.len(), bytes), (20, [7; 20]));
    }
}
