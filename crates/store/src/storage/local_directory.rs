//! A directory as object storage: the reference that drivers are compared with.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use async_trait::async_trait;
use bytes::Bytes;

use super::object::{ObjectInfo, ObjectStorage, StorageCapabilities, changed, check_range};
use super::{LocalFile, ReadAt};
use crate::error::{Error, ErrorKind, Result};
use crate::{hash, key};

/// A local directory whose files are objects. Calls block.
#[derive(Debug)]
pub struct LocalDirectory {
    root: PathBuf,
    location: String,
}

impl LocalDirectory {
    /// The directory at `root`.
    ///
    /// # Errors
    /// As [`Error::io`] if there is none.
    pub fn open(root: &Path) -> Result<Self> {
        let root = root
            .canonicalize()
            .map_err(|e| Error::io(root.display(), e))?;
        Ok(Self {
            location: root.display().to_string(),
            root,
        })
    }

    /// The file of a key, which no link leads out of the directory.
    fn path(&self, key: &str) -> Result<PathBuf> {
        key::check(key)?;
        let mut path = self.root.clone();
        path.extend(key.split('/'));
        let real = path.canonicalize().map_err(|e| match e.kind() {
            // A file is not a directory, so nothing is in it.
            io::ErrorKind::NotADirectory => Error::not_found("there is no such file")
                .with("path", path.display())
                .source_error(e),
            _ => Error::io(path.display(), e),
        })?;
        if !real.starts_with(&self.root) {
            return Err(
                Error::invalid_input("this leads out of the storage through a link")
                    .with("path", path.display()),
            );
        }
        Ok(path)
    }

    fn info(&self, key: &str, path: &Path) -> Result<ObjectInfo> {
        let at = |e| Error::io(path.display(), e);
        let metadata = path.metadata().map_err(at)?;
        if !metadata.is_file() {
            return Err(Error::not_found("this is not a file").with("path", path.display()));
        }
        let modified = metadata.modified().map_err(at)?;
        let modified = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(ObjectInfo {
            key: key.to_owned(),
            size: metadata.len(),
            etag: Some(format!("{:x}-{:x}", modified.as_nanos(), metadata.len())),
            modified: i64::try_from(modified.as_secs()).ok(),
        })
    }
}

#[async_trait]
impl ObjectStorage for LocalDirectory {
    fn location(&self) -> &str {
        &self.location
    }

    fn capabilities(&self) -> StorageCapabilities {
        StorageCapabilities {
            list: true,
            write: true,
        }
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        self.info(key, &self.path(key)?)
    }

    async fn read(&self, object: &ObjectInfo, range: Range<u64>) -> Result<Bytes> {
        check_range(object, &range)?;
        let path = self.path(&object.key)?;
        let length = usize::try_from(range.end - range.start)
            .map_err(|_| Error::invalid_input("the range does not fit the memory"))?;
        if !self.info(&object.key, &path)?.is_same_content(object) {
            return Err(changed(&self.location, &object.key));
        }
        let mut bytes = vec![0; length];
        let read = LocalFile::open(&path)?.read_exact_at(range.start, &mut bytes);
        read.map_err(|e| Error::io(path.display(), e))?;
        Ok(bytes.into())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>> {
        let directory = match prefix {
            "" => self.root.clone(),
            prefix => match self.path(prefix) {
                Ok(path) if path.is_dir() => path,
                Ok(_) => return Ok(Vec::new()),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(error),
            },
        };
        let mut objects = Vec::new();
        for file in hash::files_of(&directory)? {
            let relative = file.strip_prefix(&self.root).unwrap_or(&file);
            let parts: Option<Vec<_>> = relative.iter().map(|part| part.to_str()).collect();
            let Some(parts) = parts else {
                return Err(Error::invalid_input("the name is not UTF-8; rename it")
                    .with("path", file.display()));
            };
            objects.push(self.info(&parts.join("/"), &file)?);
        }
        objects.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }

    async fn write(&self, key: &str, source: Arc<dyn ReadAt>) -> Result<ObjectInfo> {
        key::check(key)?;
        let mut path = self.root.clone();
        path.extend(key.split('/'));
        let at = |e| Error::io(path.display(), e);
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Error::invalid_input("the key has no name").with("object", key));
        };
        std::fs::create_dir_all(directory).map_err(at)?;
        let partial = format!(".partial-{}", name.to_string_lossy());
        let partial = directory.join(partial);
        let written =
            copy(source.as_ref(), &partial).and_then(|()| std::fs::rename(&partial, &path));
        if let Err(error) = written {
            // The error matters more than what it leaves.
            let _ = std::fs::remove_file(&partial);
            return Err(at(error));
        }
        self.head(key).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let path = match self.path(key) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            path => path?,
        };
        std::fs::remove_file(&path).map_err(|e| Error::io(path.display(), e))
    }
}

/// Writes all bytes to a file.
fn copy(source: &dyn ReadAt, path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    let mut buffer = vec![0; 1 << 20];
    let mut position = 0;
    while position < source.len() {
        let length = usize::try_from(source.len() - position).unwrap_or(usize::MAX);
        let part = &mut buffer[..length.min(1 << 20)];
        source.read_exact_at(position, part)?;
        file.write_all(part)?;
        position += part.len() as u64;
    }
    file.sync_all()
}
