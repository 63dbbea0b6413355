//! The bytes of one file: for the elements as they are, and for `hdf5-reader` through its trait.

use std::sync::Arc;

use anndex_core::storage::ReadAt;
use anndex_core::{Error, Result};
use hdf5_reader::error::Error as Hdf5Error;
use hdf5_reader::{Storage, StorageBuffer};

/// Bytes addressed as HDF5 does: relative to the superblock, which follows a user block.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    bytes: Arc<dyn ReadAt>,
    base: u64,
    location: Arc<str>,
}

impl Source {
    pub(crate) fn new(bytes: Arc<dyn ReadAt>, base: u64, location: Arc<str>) -> Self {
        Self {
            bytes,
            base,
            location,
        }
    }

    /// The path or URL, for messages.
    pub(crate) fn location(&self) -> &str {
        &self.location
    }

    /// The number of addressable bytes.
    pub(crate) fn len(&self) -> u64 {
        self.bytes.len().saturating_sub(self.base)
    }

    /// Whether `address..address + len` lies in the file.
    pub(crate) fn contains(&self, address: u64, len: u64) -> bool {
        address
            .checked_add(len)
            .is_some_and(|end| end <= self.len())
    }

    /// Fills `out` from `address`.
    ///
    /// # Errors
    /// `Corrupt` if the range is not in the file, otherwise what reading gives.
    pub(crate) fn read(&self, address: u64, out: &mut [u8]) -> Result<()> {
        if out.is_empty() {
            return Ok(());
        }
        if !self.contains(address, out.len() as u64) {
            return Err(Error::corrupt(format!(
                "the file ends too early: {} bytes at {address} are missing or cut off",
                out.len()
            )));
        }
        self.bytes
            .read_exact_at(self.base + address, out)
            .map_err(|e| Error::io(&self.location, e))
    }
}

/// [`ReadAt`] as the storage of `hdf5-reader`.
pub(crate) struct MetadataStorage(pub(crate) Arc<dyn ReadAt>);

impl Storage for MetadataStorage {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_range(&self, offset: u64, len: usize) -> hdf5_reader::error::Result<StorageBuffer> {
        let available = self.0.len().saturating_sub(offset);
        if len as u64 > available {
            return Err(Hdf5Error::UnexpectedEof {
                offset,
                needed: len as u64,
                available,
            });
        }
        let mut bytes = vec![0; len];
        self.0.read_exact_at(offset, &mut bytes)?;
        Ok(StorageBuffer::from_vec(bytes))
    }
}
