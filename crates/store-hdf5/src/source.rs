//! The bytes of one file: for the elements as they are, and for `hdf5-reader` through its trait.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anndex_core::storage::{Fetched, Ranges, ReadAt, RemoteFile};
use anndex_core::{Error, Result};
use hdf5_reader::error::Error as Hdf5Error;
use hdf5_reader::{BlockCacheStorage, Storage, StorageBuffer};

/// Metadata come in many tiny reads that lie close together: blocks of 16 KiB, 4 MiB a file.
const METADATA_BLOCK_BYTES: usize = 16 << 10;
const METADATA_BLOCKS: usize = 256;
/// From a server, a larger block takes no longer.
const REMOTE_BLOCK_BYTES: usize = 64 << 10;

/// Bytes addressed as HDF5 does: relative to the superblock, which follows a user block.
#[derive(Clone)]
pub(crate) struct Source {
    metadata: Arc<MetadataCache>,
    base: u64,
    location: Arc<str>,
    /// What was read ahead.
    fetched: Fetched,
}

impl Source {
    pub(crate) fn new(metadata: Arc<MetadataCache>, base: u64, location: Arc<str>) -> Self {
        Self {
            metadata,
            base,
            location,
            fetched: Fetched::default(),
        }
    }

    /// The file if it is on a server.
    pub(crate) fn remote(&self) -> Option<&RemoteFile> {
        self.metadata.bytes.as_remote()
    }

    /// The same bytes, of which those in `ranges` (of addresses) come by few requests now.
    ///
    /// # Errors
    /// `Storage` or what else a request gives.
    pub(crate) fn read_ahead(
        &self,
        file: &RemoteFile,
        ranges: impl IntoIterator<Item = Range<u64>>,
    ) -> Result<Self> {
        let mut wanted = Ranges::new();
        for range in ranges {
            // What is not in the file is an error where it is read.
            if self.contains(range.start, range.end.saturating_sub(range.start)) {
                wanted.add(file, self.base + range.start..self.base + range.end);
            }
        }
        let fetched = wanted.fetch().map_err(|e| e.with("path", &self.location))?;
        Ok(Self {
            fetched,
            ..self.clone()
        })
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
        let position = self.base + address;
        let read = match self.remote() {
            None => self.metadata.bytes.read_exact_at(position, out),
            Some(file) => self.fetched.read_exact_at(file, position, out),
        };
        read.map_err(|e| Error::io(&self.location, e))
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

/// The bytes of a file as blocks, of which some are kept.
pub(crate) fn blocks(bytes: Arc<dyn ReadAt>) -> BlockCacheStorage {
    let size = match bytes.as_remote() {
        None => METADATA_BLOCK_BYTES,
        Some(_) => REMOTE_BLOCK_BYTES,
    };
    BlockCacheStorage::new(Arc::new(MetadataStorage(bytes)), size, METADATA_BLOCKS)
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
        let made = || blocks(self.bytes.clone()).into();
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
