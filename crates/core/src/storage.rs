//! Where bytes come from: positioned reads that many threads do at once, and objects at URLs.
//!
//! Stores that read byte ranges of one file stand on [`ReadAt`], be it a [`LocalFile`] or a
//! [`RemoteFile`]. Nothing is mapped into memory: a file that shrinks under a reader is an error,
//! not a crash. Storages at URLs are [`ObjectStorage`]s, which drivers open; no driver is known
//! here.

mod cache;
mod drivers;
mod journal;
mod local_directory;
mod object;
pub(crate) mod own_directory;
mod per_process;
pub(crate) mod pieces;
mod ranges;
mod remote_content;
mod remote_file;
mod remote_storages;
mod seen;
mod url;
pub(crate) mod wait;

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::path::Path;

pub use cache::{Cache, CacheEntry, CacheRequest, Cleared, Freed};
pub use drivers::{StorageDriver, StorageDrivers};
pub(crate) use journal::{Journal, Plan, Version};
pub use local_directory::LocalDirectory;
pub use object::{
    ObjectInfo, ObjectStorage, PartialUpload, StorageCapabilities, UploadNotes, changed,
    check_range,
};
pub use per_process::PerProcess;
pub use ranges::{Fetched, Ranges};
pub use remote_content::RemoteContent;
pub use remote_file::{ObjectReader, RemoteFile, StreamOptions};
pub use remote_storages::RemoteStorages;
pub(crate) use seen::Seen;
pub use url::StorageUrl;

use crate::error::{Error, Result};

/// Bytes of a fixed length that can be read at any position, by many threads at once.
pub trait ReadAt: Send + Sync + Debug {
    /// The length in bytes when it was opened.
    fn len(&self) -> u64;

    /// Whether there are no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `out` with the bytes that start at `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` if there are fewer bytes, anything else if reading fails.
    fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// The object whose bytes these are; `None` if they are on this machine. Ranges of an object
    /// are better read together (see [`Ranges`]).
    fn as_remote(&self) -> Option<&RemoteFile> {
        None
    }
}

/// A file of the local file system.
#[derive(Debug)]
pub struct LocalFile {
    file: File,
    len: u64,
}

impl LocalFile {
    /// As [`LocalFile::open`], but not what a symbolic link at `path` leads to.
    ///
    /// # Errors
    /// `InvalidInput` if there is a link; else as [`LocalFile::open`].
    pub fn open_itself(path: &Path) -> Result<Self> {
        let itself = std::fs::symlink_metadata(path).map_err(|e| Error::io(path.display(), e))?;
        let refused = || {
            let error = Error::invalid_input("this is a link or no file, or has just become one");
            error.with("path", path.display())
        };
        if !itself.is_file() {
            return Err(refused());
        }
        let file = Self::open(path)?;
        let opened = file.file.metadata();
        let opened = opened.map_err(|e| Error::io(path.display(), e))?;
        // A link could have taken its place in between.
        match is_same(&itself, &opened) {
            true => Ok(file),
            false => Err(refused()),
        }
    }

    /// Opens the file at `path` for reading.
    ///
    /// # Errors
    /// `InvalidInput` if it is not a regular file; otherwise as [`Error::io`].
    pub fn open(path: &Path) -> Result<Self> {
        // Asked before opening, because opening a named pipe blocks until somebody writes to it.
        let metadata = std::fs::metadata(path).map_err(|e| Error::io(path.display(), e))?;
        if !metadata.is_file() {
            return Err(
                Error::invalid_input("this is not a regular file").with("path", path.display())
            );
        }
        let file = File::open(path).map_err(|e| Error::io(path.display(), e))?;
        let len = file
            .metadata()
            .map_err(|e| Error::io(path.display(), e))?
            .len();
        Ok(Self { file, len })
    }
}

#[cfg(unix)]
fn is_same(one: &std::fs::Metadata, other: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(one: &std::fs::Metadata, other: &std::fs::Metadata) -> bool {
    one.len() == other.len() && one.modified().ok() == other.modified().ok()
}

impl ReadAt for LocalFile {
    fn len(&self) -> u64 {
        self.len
    }

    #[cfg(unix)]
    fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, out, offset)
    }

    #[cfg(windows)]
    fn read_exact_at(&self, mut offset: u64, mut out: &mut [u8]) -> io::Result<()> {
        use std::os::windows::fs::FileExt;
        while !out.is_empty() {
            match self.file.seek_read(out, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    out = &mut out[count..];
                    offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn reads_at_any_position_and_never_past_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bytes");
        std::fs::write(&path, b"abcdef").unwrap();
        let file = LocalFile::open(&path).unwrap();
        let mut out = [0; 3];
        file.read_exact_at(2, &mut out).unwrap();
        assert_eq!((file.len(), &out), (6, b"cde"));
        let error = file.read_exact_at(4, &mut out).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_directory_is_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let error = LocalFile::open(directory.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}
