//! LZF, the fast filter of h5py: literals and references to what was decoded before.

use anndex_store::Result;

use crate::copy::Output;
use crate::damaged;

/// Decodes one stream into the beginning of `out`; returns the length.
///
/// # Errors
/// `Corrupt` if it is damaged or longer than `out`.
pub fn decode(stored: &[u8], out: &mut [u8]) -> Result<usize> {
    let mut out = Output::new(out);
    let mut input = Input(stored);
    while let Some(control) = input.byte() {
        if control < 32 {
            out.literal(&mut input, control + 1)?;
        } else {
            let mut count = (control >> 5) + 2;
            if count == 9 {
                count += input.byte().ok_or_else(damaged)?;
            }
            let low = input.byte().ok_or_else(damaged)?;
            out.repeat(((control & 31) << 8 | low) + 1, count)?;
        }
    }
    Ok(out.len())
}

/// Compressed bytes that were not used yet.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl Input<'_> {
    pub(crate) fn byte(&mut self) -> Option<usize> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(usize::from(*first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_overlapping_references() {
        let mut out = [9; 64];
        // "ab", then 6 bytes from 2 back, then 12 bytes from 1 back (long form: 9 + 3).
        let stored = [1, b'a', b'b', 4 << 5, 1, 7 << 5, 3, 0];
        let len = decode(&stored, &mut out).unwrap();
        assert_eq!(&out[..len], b"ababababbbbbbbbbbbbb");
    }

    #[test]
    fn damage_is_an_error() {
        for stored in [
            &[5, b'a'][..],
            &[4 << 5, 9],
            &[7 << 5],
            &[0, b'a', 7 << 5, 255, 0],
        ] {
            assert!(decode(stored, &mut [0; 8]).is_err(), "{stored:?}");
        }
    }
}
