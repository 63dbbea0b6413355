//! An object as a file that is read at positions.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::wait::wait;
use super::{ObjectInfo, ObjectStorage, PerProcess, ReadAt};
use crate::error::{Error, ErrorKind, Result};

/// How objects are read in place, without a copy of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamOptions {
    /// Ranges of an object are read by one request if no more bytes than this lie between them.
    /// More of it means fewer requests and more bytes. Default: 64 KiB.
    pub gap: u64,
    /// How many requests are made at the same time, at least one. Default: 64.
    pub requests: usize,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            gap: 64 << 10,
            requests: 64,
        }
    }
}

impl StreamOptions {
    /// Sets [`StreamOptions::gap`].
    pub fn gap(mut self, gap: u64) -> Self {
        self.gap = gap;
        self
    }

    /// Sets [`StreamOptions::requests`].
    pub fn requests(mut self, requests: usize) -> Self {
        self.requests = requests.max(1);
        self
    }
}

/// A storage whose objects are read in ranges, with a limit on how many of them at the same time.
#[derive(Debug)]
pub struct ObjectReader {
    storage: Arc<dyn ObjectStorage>,
    options: StreamOptions,
    /// A forked process would wait for what threads have that it does not.
    permits: PerProcess<Arc<Semaphore>>,
}

impl ObjectReader {
    /// Reads objects of a storage.
    pub fn new(storage: Arc<dyn ObjectStorage>, options: StreamOptions) -> Self {
        Self {
            storage,
            options,
            permits: PerProcess::new(),
        }
    }

    /// The URL of the storage, for messages.
    pub fn location(&self) -> &str {
        self.storage.location()
    }

    pub(super) fn storage(&self) -> &dyn ObjectStorage {
        &*self.storage
    }

    pub(super) fn options(&self) -> StreamOptions {
        self.options
    }

    /// One request, when it is its turn.
    pub(super) async fn read(&self, object: &ObjectInfo, range: Range<u64>) -> Result<Bytes> {
        let most = self.options.requests.clamp(1, Semaphore::MAX_PERMITS);
        let permits = self
            .permits
            .get_or_make(|| Ok(Arc::new(Semaphore::new(most))))?;
        // Nobody closes it, so there always is one.
        let _permit = permits.acquire().await;
        self.storage.read(object, range).await
    }
}

/// An object that is read in ranges, as it was when it was seen: if it changes meanwhile, reading
/// is an error. Every read is one request; [`Ranges`](super::Ranges) makes many at once.
#[derive(Debug, Clone)]
pub struct RemoteFile {
    reader: Arc<ObjectReader>,
    object: Arc<ObjectInfo>,
}

impl RemoteFile {
    /// An object that was seen.
    pub fn new(reader: Arc<ObjectReader>, object: Arc<ObjectInfo>) -> Self {
        Self { reader, object }
    }

    /// Looks at the object.
    ///
    /// # Errors
    /// As [`ObjectStorage::head`].
    pub async fn open(storage: Arc<dyn ObjectStorage>, key: &str) -> Result<Self> {
        let object = storage.head(key).await?;
        let reader = ObjectReader::new(storage, StreamOptions::default());
        Ok(Self::new(Arc::new(reader), Arc::new(object)))
    }

    /// What was seen of it.
    pub fn object(&self) -> &ObjectInfo {
        &self.object
    }

    pub(super) fn reader(&self) -> &Arc<ObjectReader> {
        &self.reader
    }

    /// Tells files apart: copies of one are the same.
    pub(super) fn id(&self) -> usize {
        Arc::as_ptr(&self.object) as usize
    }
}

impl ReadAt for RemoteFile {
    fn len(&self) -> u64 {
        self.object.size
    }

    fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(out.len() as u64);
        let Some(end) = end.filter(|end| *end <= self.object.size) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        if out.is_empty() {
            return Ok(());
        }
        let read = wait(self.reader.read(&self.object, offset..end));
        let bytes = read.map_err(into_io)?;
        if bytes.len() != out.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        out.copy_from_slice(&bytes);
        Ok(())
    }

    fn as_remote(&self) -> Option<&RemoteFile> {
        Some(self)
    }
}

fn into_io(error: Error) -> io::Error {
    let kind = match error.kind() {
        ErrorKind::NotFound => io::ErrorKind::NotFound,
        ErrorKind::PermissionDenied => io::ErrorKind::PermissionDenied,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}
