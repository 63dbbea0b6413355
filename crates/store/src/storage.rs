//! Where bytes come from: positioned reads that many threads do at once, and objects at URLs.
//!
//! Stores that read byte ranges of one file stand on [`ReadAt`], be it a [`LocalFile`] or a
//! [`RemoteFile`]. Nothing is mapped into memory: a file that shrinks under a reader is an error,
//! not a crash. Storages at URLs are [`ObjectStorage`]s, which drivers open; no driver is known
//! here.

mod bounded;
mod cache;
pub mod cache_directory;
mod drivers;
mod journal;
mod local_directory;
mod local_file;
mod object;
mod open_files;
pub mod own_directory;
mod per_process;
pub mod pieces;
mod ranges;
mod remote_content;
mod remote_file;
mod remote_storages;
mod seen;
mod url;
pub mod wait;

use std::fmt::Debug;
use std::io;

pub use cache::{Cache, CacheEntry, CacheRequest, Cleared, Freed};
pub use drivers::{StorageDriver, StorageDrivers};
pub use journal::{Journal, Plan, Version};
pub use local_directory::LocalDirectory;
pub use local_file::{LocalFile, read_exact_at};
pub use object::{
    ObjectInfo, ObjectStorage, PartialUpload, StorageCapabilities, UploadNotes, changed,
    check_range,
};
pub use open_files::open_file;
pub use per_process::PerProcess;
pub use ranges::{Fetched, Ranges};
pub use remote_content::RemoteContent;
pub use remote_file::{ObjectReader, RemoteFile, StreamOptions};
pub use remote_storages::RemoteStorages;
pub use seen::{OBJECTS_AT_ONCE, Seen};
pub use url::StorageUrl;

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
