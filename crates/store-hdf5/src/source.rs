//! The bytes of one file: for the elements as they are, and for `hdf5-reader` through its trait.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anndex_core::storage::ReadAt;
use anndex_core::{Error, Result};
use hdf5_reader::error::Error as Hdf5Error;
use hdf5_reader::{BlockCacheStorage, Storage, StorageBuffer};

/// Metadata come in many tiny reads that lie close together: blocks of 16 KiB, 4 MiB a file.
const METADATA_BLOCK_BYTES: usize = 16 << 10;
const METADATA_BLOCKS: usize = 256;

/// Bytes addressed as HDF5 does: relative to the superblock, which follows a user block.
#[derive(Clone)]
pub(crate) struct Source {
    metadata: Arc<MetadataCache>,
    base: u64,
    location: Arc<str>,
}

impl Source {
    pub(crate) fn new(metadata: Arc<MetadataCache>, base: u64, location: Arc<str>) -> Self {
        Self {
            metadata,
            base,
            location,
        }
    }

    /// Lets go of what was kept to read structure faster.
    pub(crate) fn release(&self) {
        *self.metadata.kept() = None;
    }

    /// The path or URL, for messages.
    pub(crate) fn location(&self) -> &str {
        &self.location
    }

    /// The number of addressable bytes.
    pub(crate) fn len(&self) -> u64 {
        self.metadata.bytes.len().saturating_sub(self.base)
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
        self.metadata
            .bytes
            .read_exact_at(self.base + address, out)
            .map_err(|e| Error::io(&self.location, e))
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("location", &self.location)
            .finish_non_exhaustive()
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

/// The bytes of a file, with what was read of its structure in blocks that are kept until
/// [`Source::release`].
pub(crate) struct MetadataCache {
    bytes: Arc<dyn ReadAt>,
    /// Made when something is read: even without blocks it takes kilobytes.
    kept: Mutex<Option<Arc<BlockCacheStorage>>>,
}

impl MetadataCache {
    pub(crate) fn new(bytes: Arc<dyn ReadAt>) -> Self {
        let kept = Mutex::default();
        Self { bytes, kept }
    }

    fn kept(&self) -> MutexGuard<'_, Option<Arc<BlockCacheStorage>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn blocks(&self) -> Arc<BlockCacheStorage> {
        let made = || {
            let storage = Arc::new(MetadataStorage(self.bytes.clone()));
            BlockCacheStorage::new(storage, METADATA_BLOCK_BYTES, METADATA_BLOCKS).into()
        };
        self.kept().get_or_insert_with(made).clone()
    }
}

impl Storage for MetadataCache {
    fn len(&self) -> u64 {
        self.bytes.len()
    }

    fn read_range(&self, offset: u64, len: usize) -> hdf5_reader::error::Result<StorageBuffer> {
        self.blocks().read_range(offset, len)
    }
}
