//! A vector of plain elements in a file of its own, for what anndex caches.

use std::path::Path;
use std::sync::Arc;

use super::{Array, ArrayInfo, DataType, Span, Strings, check_spans};
use crate::error::{Error, Result};
use crate::storage::{LocalFile, ReadAt};

/// Native little-endian elements, one after the other, in one file.
#[derive(Debug)]
pub struct RawArray {
    info: ArrayInfo,
    file: LocalFile,
    path: String,
}

impl RawArray {
    /// Opens a file of `len` elements.
    ///
    /// # Errors
    /// `Corrupt` if the file is not exactly as long; else as [`LocalFile::open`].
    pub fn open(path: &Path, data_type: DataType, len: u64) -> Result<Self> {
        let file = LocalFile::open(path)?;
        let size = data_type.fixed_size()? as u64;
        if len.checked_mul(size) != Some(file.len()) {
            return Err(Error::corrupt(format!(
                "a cached array of {} bytes should hold {len} elements of {size} bytes; delete it",
                file.len()
            ))
            .with("path", path.display()));
        }
        let info = ArrayInfo {
            data_type,
            shape: vec![len],
            chunk_shape: None,
            shard_shape: None,
            filters: Vec::new(),
            stored_bytes: Some(file.len()),
        };
        Ok(Self {
            info,
            file,
            path: path.display().to_string(),
        })
    }
}

impl Array for RawArray {
    fn info(&self) -> &ArrayInfo {
        &self.info
    }

    fn read_spans(&self, spans: &[Span], out: &mut [u8]) -> Result<()> {
        check_spans(&self.info, spans, Some(out.len()))?;
        let size = self.info.row_bytes()?;
        let mut rest = out;
        for span in spans {
            let (head, tail) = rest.split_at_mut(span.len() as usize * size);
            let offset = span.start * size as u64;
            self.file
                .read_exact_at(offset, head)
                .map_err(|e| Error::io(&self.path, e))?;
            rest = tail;
        }
        Ok(())
    }

    fn read_strings(&self, _spans: &[Span]) -> Result<Strings> {
        Err(Error::invalid_input("the elements are not strings"))
    }

    fn field(&self, _name: &str) -> Result<Arc<dyn Array>> {
        Err(Error::invalid_input("the elements are not structs"))
    }
}
