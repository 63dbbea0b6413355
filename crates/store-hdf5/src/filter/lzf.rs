//! LZF (32000), the fast filter of h5py: literals and references to what was decoded before.

use anndex_core::{Error, Result};

/// Decodes one stream of at most `limit` bytes.
pub(super) fn decode(limit: usize, stored: &[u8], out: &mut Vec<u8>) -> Result<()> {
    out.clear();
    out.try_reserve_exact(limit).map_err(|_| damaged())?;
    let mut input = Input(stored);
    while let Some(control) = input.byte() {
        if control < 32 {
            literal(limit, &mut input, control + 1, out)?;
        } else {
            let mut count = (control >> 5) + 2;
            if count == 9 {
                count += input.byte().ok_or_else(damaged)?;
            }
            let low = input.byte().ok_or_else(damaged)?;
            repeat(limit, ((control & 31) << 8 | low) + 1, count, out)?;
        }
    }
    Ok(())
}

/// Compressed bytes that were not used yet.
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl Input<'_> {
    pub(super) fn byte(&mut self) -> Option<usize> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(usize::from(*first))
    }
}

/// Appends the next `count` bytes of the input.
pub(super) fn literal(
    limit: usize,
    input: &mut Input<'_>,
    count: usize,
    out: &mut Vec<u8>,
) -> Result<()> {
    let (bytes, rest) = input.0.split_at_checked(count).ok_or_else(damaged)?;
    check_room(limit, out, count)?;
    out.extend_from_slice(bytes);
    input.0 = rest;
    Ok(())
}

/// Appends `count` bytes from `distance` before the end; what is appended may be repeated, too.
pub(super) fn repeat(
    limit: usize,
    distance: usize,
    mut count: usize,
    out: &mut Vec<u8>,
) -> Result<()> {
    check_room(limit, out, count)?;
    let start = out.len().checked_sub(distance).ok_or_else(damaged)?;
    while count > 0 {
        let step = count.min(out.len() - start);
        out.extend_from_within(start..start + step);
        count -= step;
    }
    Ok(())
}

fn check_room(limit: usize, out: &[u8], count: usize) -> Result<()> {
    if count > limit - out.len() {
        return Err(Error::corrupt("a chunk has more bytes than its shape"));
    }
    Ok(())
}

fn damaged() -> Error {
    Error::corrupt("a compressed chunk is damaged")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_overlapping_references() {
        let mut out = Vec::new();
        // "ab", then 6 bytes from 2 back, then 12 bytes from 1 back (long form: 9 + 3).
        decode(64, &[1, b'a', b'b', 4 << 5, 1, 7 << 5, 3, 0], &mut out).unwrap();
        assert_eq!(out, b"ababababbbbbbbbbbbbb");
    }

    #[test]
    fn damage_is_an_error() {
        let mut out = Vec::new();
        for stored in [
            &[5, b'a'][..],
            &[4 << 5, 9],
            &[7 << 5],
            &[0, b'a', 7 << 5, 255, 0],
        ] {
            assert!(decode(8, stored, &mut out).is_err(), "{stored:?}");
        }
    }
}
