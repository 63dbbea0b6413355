//! An object as a file that is read at positions.

use std::io;
use std::sync::Arc;

use super::{ObjectInfo, ObjectStorage, ReadAt};
use crate::error::{Error, ErrorKind, Result};

/// An object that is read in ranges, as it was when it was opened: if it changes meanwhile, reading
/// is an error. Every read is one request.
#[derive(Debug)]
pub struct RemoteFile {
    storage: Arc<dyn ObjectStorage>,
    object: ObjectInfo,
}

impl RemoteFile {
    /// Looks at the object.
    ///
    /// # Errors
    /// As [`ObjectStorage::head`].
    pub async fn open(storage: Arc<dyn ObjectStorage>, key: &str) -> Result<Self> {
        let object = storage.head(key).await?;
        Ok(Self { storage, object })
    }

    /// What was seen when it was opened.
    pub fn object(&self) -> &ObjectInfo {
        &self.object
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
        let read = pollster::block_on(self.storage.read(&self.object, offset..end));
        let bytes = read.map_err(into_io)?;
        if bytes.len() != out.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        out.copy_from_slice(&bytes);
        Ok(())
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
