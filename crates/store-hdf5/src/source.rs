//! The bytes of one file: for the elements as they are, and for `hdf5-reader` through its trait.

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anndex_store::storage::{Fetched, Ranges, ReadAt, RemoteFile};
use anndex_store::{Error, Limits, Result};
use hdf5_reader::error::Error as Hdf5Error;
use hdf5_reader::{BlockCacheStorage, Storage, StorageBuffer};

use crate::remote_blocks::RemoteBlocks;

/// Metadata come in many tiny reads that lie close together: blocks of 16 KiB, 4 MiB a file.
const METADATA_BLOCK_BYTES: usize = 16 << 10;
const METADATA_BLOCKS: usize = 256;

/// Bytes addressed as HDF5 does: relative to the superblock, which follows a user block.
#[derive(Clone)]
pub(crate) struct Source {
    metadata: Arc<MetadataCache>,
    base: u64,
    location: Arc<str>,
    limits: Limits,
    /// What was read ahead.
    fetched: Fetched,
}

impl Source {
    pub(crate) fn new(
        metadata: Arc<MetadataCache>,
        base: u64,
        location: Arc<str>,
        limits: Limits,
    ) -> Self {
        Self {
            metadata,
            base,
            location,
            limits,
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
        self.fetch(file, Ranges::new(), ranges)
    }

    /// The same, with no more than `gap` bytes between ranges read along. What was read ahead before
    /// stays.
    ///
    /// # Errors
    /// As [`Source::read_ahead`].
    pub(crate) fn read_ahead_within(
        &self,
        file: &RemoteFile,
        gap: u64,
        ranges: impl IntoIterator<Item = Range<u64>>,
    ) -> Result<Self> {
        let more = self.fetch(file, Ranges::within(gap), ranges)?;
        Ok(Self {
            fetched: self.fetched.and(&more.fetched),
            ..more
        })
    }

    fn fetch(
        &self,
        file: &RemoteFile,
        mut wanted: Ranges,
        ranges: impl IntoIterator<Item = Range<u64>>,
    ) -> Result<Self> {
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
        self.metadata.release();
    }

    /// How much may be taken for what the file says of itself.
    pub(crate) fn limits(&self) -> Limits {
        self.limits
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
        let read = self.read_exact(address, out);
        read.map_err(|e| Error::io(&self.location, e))
    }

    /// Fills `out` from `address`, which lies in the file.
    fn read_exact(&self, address: u64, out: &mut [u8]) -> io::Result<()> {
        let position = self.base + address;
        match self.remote() {
            None => self.metadata.bytes.read_exact_at(position, out),
            Some(file) => self.fetched.read_exact_at(file, position, out),
        }
    }
}

/// What was read ahead, for structure that is there.
impl Storage for Source {
    fn len(&self) -> u64 {
        self.len()
    }

    fn read_range(&self, offset: u64, len: usize) -> hdf5_reader::error::Result<StorageBuffer> {
        check_range(self.len(), offset, len)?;
        let mut bytes = vec![0; len];
        self.read_exact(offset, &mut bytes)?;
        Ok(StorageBuffer::from_vec(bytes))
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
        check_range(self.0.len(), offset, len)?;
        let mut bytes = vec![0; len];
        self.0.read_exact_at(offset, &mut bytes)?;
        Ok(StorageBuffer::from_vec(bytes))
    }
}

/// Refuses what is not in a file of `size` bytes.
pub(crate) fn check_range(size: u64, offset: u64, len: usize) -> hdf5_reader::error::Result<()> {
    // Not even nothing can be read past the end: where that would begin is not a place of the file.
    match offset.checked_add(len as u64) {
        Some(end) if end <= size => Ok(()),
        _ => Err(Hdf5Error::UnexpectedEof {
            offset,
            needed: len as u64,
            available: size.saturating_sub(offset),
        }),
    }
}

/// The bytes of a file, with what was read of its structure in blocks that are kept until
/// [`Source::release`].
pub(crate) struct MetadataCache {
    bytes: Arc<dyn ReadAt>,
    /// Of a file on a server.
    remote: Option<RemoteBlocks>,
    /// Of one on this machine. Made when something is read: even without blocks it takes kilobytes.
    kept: Mutex<Option<Arc<BlockCacheStorage>>>,
}

impl MetadataCache {
    pub(crate) fn new(bytes: Arc<dyn ReadAt>) -> Self {
        Self {
            remote: bytes.as_remote().cloned().map(RemoteBlocks::new),
            kept: Mutex::default(),
            bytes,
        }
    }

    /// The bytes as they are.
    pub(crate) fn bytes(&self) -> &Arc<dyn ReadAt> {
        &self.bytes
    }

    /// The blocks of a file on a server.
    pub(crate) fn remote(&self) -> Option<&RemoteBlocks> {
        self.remote.as_ref()
    }

    fn release(&self) {
        *self.kept() = None;
        if let Some(remote) = &self.remote {
            remote.release();
        }
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
        match &self.remote {
            None => self.blocks().read_range(offset, len),
            Some(remote) => remote.read(offset, len),
        }
    }
}
