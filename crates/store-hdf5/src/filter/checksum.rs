//! Fletcher32 (3): the last four bytes of a chunk are a checksum of the others.

use anndex_store::{Error, Result};

/// The length without the checksum, which is right.
pub(super) fn verified(stored: &[u8]) -> Result<usize> {
    let Some((data, stored)) = stored.split_last_chunk::<4>() else {
        return Err(Error::corrupt("a chunk is too short for its checksum"));
    };
    let expected = hdf5_reader::checksum::fletcher32(data).to_le_bytes();
    let [a, b, c, d] = expected;
    // HDF5 before 1.6.3 swapped the bytes within each half.
    if *stored != expected && *stored != [b, a, d, c] {
        return Err(Error::corrupt(
            "the checksum of a chunk is wrong: its bytes have changed since they were written",
        ));
    }
    Ok(data.len())
}
