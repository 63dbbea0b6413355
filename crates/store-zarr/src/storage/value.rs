//! One stored value, opened: a file, a part of one, an object, or bytes that were inflated.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anndex_core::storage::{Fetched, ReadAt, RemoteFile};
use anndex_core::{Error, Result};

use super::read_exact_at;

/// Files that may be held open from one read to the next, in all stores together.
const KEPT_FILES: usize = 256;

static KEPT: AtomicUsize = AtomicUsize::new(0);

/// A value whose length is known. Reading it takes no lock.
#[derive(Debug)]
pub(crate) struct Value {
    bytes: Bytes,
    len: u64,
    /// Whether it counts among those that are held open.
    is_kept: bool,
}

#[derive(Debug)]
enum Bytes {
    /// A file of its own.
    File(File, PathBuf),
    /// The part of a file that begins here.
    Part(Arc<File>, Arc<Path>, u64),
    Memory(Vec<u8>),
    /// An object on a server.
    Remote(RemoteFile),
}

impl Value {
    pub(super) fn file(file: File, path: PathBuf, len: u64) -> Self {
        Self::new(Bytes::File(file, path), len)
    }

    pub(super) fn part(file: Arc<File>, path: Arc<Path>, position: u64, len: u64) -> Self {
        Self::new(Bytes::Part(file, path, position), len)
    }

    pub(super) fn memory(bytes: Vec<u8>) -> Self {
        let len = bytes.len() as u64;
        Self::new(Bytes::Memory(bytes), len)
    }

    pub(super) fn remote(file: RemoteFile) -> Self {
        let len = file.len();
        Self::new(Bytes::Remote(file), len)
    }

    fn new(bytes: Bytes, len: u64) -> Self {
        Self {
            bytes,
            len,
            is_kept: false,
        }
    }

    /// The length in bytes when it was opened.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The value, to be held open; `None` if too many are, or if it takes memory.
    pub(crate) fn keep(mut self) -> Option<Self> {
        match self.bytes {
            Bytes::Part(..) | Bytes::Remote(_) => Some(self),
            Bytes::Memory(_) => None,
            Bytes::File(..) => {
                // Only a number is shared, which orders nothing else.
                let more = |kept: usize| (kept < KEPT_FILES).then_some(kept + 1);
                KEPT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
                    .ok()?;
                self.is_kept = true;
                Some(self)
            }
        }
    }

    /// The object that it is; `None` if it is on this machine.
    pub(crate) fn as_remote(&self) -> Option<&RemoteFile> {
        match &self.bytes {
            Bytes::Remote(file) => Some(file),
            _ => None,
        }
    }

    /// Fills `out` with the bytes from `position` on, of which some may have been fetched.
    ///
    /// # Errors
    /// `Corrupt` if there are fewer, otherwise what reading gives.
    pub(crate) fn read(&self, position: u64, fetched: &Fetched, out: &mut [u8]) -> Result<()> {
        let early = || Error::corrupt("the file ends too early");
        let end = position.checked_add(out.len() as u64);
        if end.is_none_or(|end| end > self.len) {
            return Err(early());
        }
        let (file, path, position) = match &self.bytes {
            Bytes::File(file, path) => (file, path.as_path(), position),
            Bytes::Part(file, path, start) => (&**file, &**path, start.saturating_add(position)),
            Bytes::Memory(bytes) => {
                let bytes = bytes.get(position as usize..).unwrap_or_default();
                let bytes = bytes.get(..out.len()).ok_or_else(early)?;
                out.copy_from_slice(bytes);
                return Ok(());
            }
            Bytes::Remote(file) => {
                let read = fetched.read_exact_at(file, position, out);
                return read.map_err(|e| Error::io(&file.object().key, e));
            }
        };
        read_exact_at(file, out, position).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => early().with("path", path.display()),
            _ => Error::io(path.display(), error),
        })
    }

    /// All bytes.
    ///
    /// # Errors
    /// `Unsupported` if there are more than `limit`, otherwise as [`Value::read`].
    pub(super) fn into_bytes(self, limit: u64, fetched: &Fetched) -> Result<Vec<u8>> {
        if self.len > limit {
            return Err(Error::unsupported(format!(
                "a value of {} bytes is stored here, more than the {limit} that are read at once",
                self.len
            )));
        }
        let mut bytes = vec![0; self.len as usize];
        self.read(0, fetched, &mut bytes)?;
        Ok(bytes)
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        if self.is_kept {
            KEPT.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
