//! Where the bytes of a hierarchy come from. Keys are paths relative to its root, joined by `/`.

mod directory;
mod zip;

mod value;

use std::fmt::Debug;
use std::fs::File;
use std::io;

use anndex_core::Result;

pub(crate) use directory::Directory;
pub(crate) use value::Value;
pub(crate) use zip::Zip;

/// A place of the values of a hierarchy, read by many threads at once.
pub(crate) trait Storage: Send + Sync + Debug {
    /// The value at `key`, ready to be read; `None` if there is none.
    fn open(&self, key: &str) -> Result<Option<Value>>;

    /// The length of a value in bytes; `None` if there is none.
    fn size(&self, key: &str) -> Result<Option<u64>>;

    /// The names of the directories directly below `key`, in any order.
    fn directories(&self, key: &str) -> Result<Vec<String>>;

    /// The whole value; `None` if there is none. A value of more than `limit` bytes is refused.
    fn read(&self, key: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let value = self.open(key)?.map(|value| value.into_bytes(limit));
        value.transpose().map_err(|e| e.with("file", key))
    }
}

/// Reads at a position without moving a cursor, so that threads can share the file.
#[cfg(unix)]
fn read_exact_at(file: &File, out: &mut [u8], position: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, position)
}

/// Reads at a position; the cursor that Windows moves is never used.
#[cfg(windows)]
fn read_exact_at(file: &File, mut out: &mut [u8], mut position: u64) -> io::Result<()> {
    while !out.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, out, position)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                out = &mut out[count..];
                position += count as u64;
            }
        }
    }
    Ok(())
}
