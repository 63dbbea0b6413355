//! One stored value, opened: a file, a part of one, an object, or bytes that were inflated.

use std::fs::File;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use anndex_store::storage::{Fetched, LocalFile, ReadAt, RemoteFile, read_exact_at};
use anndex_store::{Error, Result};

/// A value whose length is known. Reading it takes no lock.
#[derive(Debug)]
pub(crate) struct Value {
    bytes: Bytes,
    len: u64,
}

#[derive(Debug)]
enum Bytes {
    /// A file of its own that is read once.
    File(File, PathBuf),
    /// The part of a file that begins here.
    Part(Arc<LocalFile>, u64),
    Memory(Vec<u8>),
    /// An object on a server.
    Remote(RemoteFile),
}

impl Value {
    pub(super) fn file(file: File, path: PathBuf, len: u64) -> Self {
        let bytes = Bytes::File(file, path);
        Self { bytes, len }
    }

    pub(super) fn part(file: Arc<LocalFile>, position: u64, len: u64) -> Self {
        let bytes = Bytes::Part(file, position);
        Self { bytes, len }
    }

    pub(super) fn memory(bytes: Vec<u8>) -> Self {
        let len = bytes.len() as u64;
        let bytes = Bytes::Memory(bytes);
        Self { bytes, len }
    }

    pub(super) fn remote(file: RemoteFile) -> Self {
        let len = file.len();
        let bytes = Bytes::Remote(file);
        Self { bytes, len }
    }

    /// The length in bytes when it was opened.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The value, to be kept from one read to the next; `None` if it takes memory.
    ///
    /// # Errors
    /// As [`LocalFile::from_file`].
    pub(crate) fn keep(self) -> Result<Option<Self>> {
        let bytes = match self.bytes {
            Bytes::Memory(_) => return Ok(None),
            Bytes::File(file, path) => Bytes::Part(LocalFile::from_file(&path, file)?.into(), 0),
            kept => kept,
        };
        Ok(Some(Self { bytes, ..self }))
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
        let (read, path) = match &self.bytes {
            Bytes::File(file, path) => (read_exact_at(file, position, out), path.as_path()),
            Bytes::Part(file, start) => {
                let position = start.saturating_add(position);
                (file.read_exact_at(position, out), file.path())
            }
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
        read.map_err(|error| match error.kind() {
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
