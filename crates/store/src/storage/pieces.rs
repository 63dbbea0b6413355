//! Reading more of an object than should be in memory at once.

use std::ops::Range;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{ObjectInfo, ObjectStorage};
use crate::error::Result;

/// The bytes of one request.
pub const PIECE_BYTES: u64 = 8 << 20;

/// How many requests are made ahead of what is taken.
const AHEAD: usize = 4;

/// Hands on the bytes of a range in their order, while the next ones are on their way.
///
/// # Errors
/// As [`ObjectStorage::read`], and those of `take`.
pub async fn read_in_order(
    storage: &dyn ObjectStorage,
    object: &ObjectInfo,
    range: Range<u64>,
    mut take: impl FnMut(Bytes) -> Result<()> + Send,
) -> Result<()> {
    let starts = (range.start..range.end).step_by(PIECE_BYTES as usize);
    let pieces = starts.map(|start| start..range.end.min(start + PIECE_BYTES));
    let reads = pieces.map(|piece| storage.read(object, piece));
    let mut read = stream::iter(reads.collect::<Vec<_>>()).buffered(AHEAD);
    while let Some(bytes) = read.try_next().await? {
        take(bytes)?;
    }
    Ok(())
}
