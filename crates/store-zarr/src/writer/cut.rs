//! Cutting chunks out of an array in memory.

use anndex_store::{ArrayData, ArraySpec};
use anndex_store::{Error, Result};

/// The elements of one chunk; beyond the edge of the array they are zero or empty.
pub(super) enum Cut {
    Bytes(Vec<u8>),
    Text(Vec<u8>, Vec<usize>),
}

/// Cuts the chunk (or shard) of an index, of the extents `stored`, out of an array.
pub(super) fn cut(
    spec: &ArraySpec,
    stored: &[u64],
    index: &[u64],
    data: ArrayData<'_>,
) -> Result<Cut> {
    let too_large = || Error::invalid_input(format!("chunks of {stored:?} are too large"));
    let count = stored
        .iter()
        .try_fold(1u64, |product, &n| product.checked_mul(n));
    let count = count
        .and_then(|n| usize::try_from(n).ok())
        .ok_or_else(too_large)?;
    // For each element of the chunk its position in the array, if it lies inside.
    let source = |number: usize| {
        let mut rest = number as u64;
        let (mut at, mut stride) = (0, 1);
        for axis in (0..stored.len()).rev() {
            let position = index[axis] * stored[axis] + rest % stored[axis];
            if position >= spec.shape[axis] {
                return None;
            }
            at += position * stride;
            stride *= spec.shape[axis];
            rest /= stored[axis];
        }
        Some(at as usize)
    };
    match data {
        ArrayData::Strings(strings) => {
            let mut bytes = Vec::new();
            let mut offsets = vec![0];
            for number in 0..count {
                let text = source(number).and_then(|at| strings.get(at));
                bytes.extend_from_slice(text.unwrap_or_default().as_bytes());
                offsets.push(bytes.len());
            }
            Ok(Cut::Text(bytes, offsets))
        }
        ArrayData::Bytes(bytes) => {
            let size = spec.data_type.fixed_size()?;
            let mut chunk = vec![0; count.checked_mul(size).ok_or_else(too_large)?];
            // Elements along the last axis lie side by side.
            let run = stored.last().map_or(1, |&n| n as usize);
            for first in (0..count).step_by(run) {
                let Some(at) = source(first) else {
                    continue;
                };
                let left = match (spec.shape.last(), index.last()) {
                    (Some(extent), Some(index)) => (extent - index * run as u64) as usize,
                    _ => 1,
                };
                let length = run.min(left) * size;
                let target = &mut chunk[first * size..first * size + length];
                target.copy_from_slice(&bytes[at * size..at * size + length]);
            }
            Ok(Cut::Bytes(chunk))
        }
    }
}
