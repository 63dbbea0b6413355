//! BloscLZ, the codec of Blosc's own: literals and references to what was decoded before.

use anndex_store::Result;

use crate::copy::Output;
use crate::damaged;
use crate::lzf::Input;

/// References further back than this carry 16 more bits of distance.
const LARGEST_SHORT_DISTANCE: usize = 8191;

/// Decodes one stream into the beginning of `out`; returns the length.
pub(super) fn decode(stored: &[u8], out: &mut [u8]) -> Result<usize> {
    let mut out = Output::new(out);
    let mut input = Input(stored);
    // The first control byte is always a literal; its upper bits name the level.
    let mut next = input.byte().map(|control| control & 31);
    while let Some(control) = next {
        if control < 32 {
            out.literal(&mut input, control + 1)?;
        } else {
            let mut byte = || input.byte().ok_or_else(damaged);
            let high = control & 31;
            let mut count = (control >> 5) + 2;
            if count == 9 {
                loop {
                    let more = byte()?;
                    count += more;
                    if more != 255 {
                        break;
                    }
                }
            }
            let low = byte()?;
            let mut distance = (high << 8) + low + 1;
            if high == 31 && low == 255 {
                distance = (byte()? << 8) + byte()? + LARGEST_SHORT_DISTANCE + 1;
            }
            out.repeat(distance, count)?;
        }
        next = input.byte();
    }
    Ok(out.len())
}
