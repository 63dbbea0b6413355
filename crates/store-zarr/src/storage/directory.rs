//! A hierarchy in a directory of the file system.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anndex_core::{Error, Result};

use super::{Storage, read_exact_at, too_large};

/// A directory that is never left, not even through symbolic links.
#[derive(Debug)]
pub(crate) struct Directory {
    /// The directory without symbolic links.
    root: PathBuf,
}

impl Directory {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let root = fs::canonicalize(path).map_err(|e| Error::io(path.display(), e))?;
        Ok(Self { root })
    }

    /// The real path of a key and what stands there; `None` if nothing does.
    fn resolve(&self, key: &str) -> Result<Option<(PathBuf, fs::Metadata)>> {
        let resolved = fs::canonicalize(self.root.join(key))
            .and_then(|path| fs::metadata(&path).map(|metadata| (path, metadata)));
        match resolved {
            Ok((path, _)) if !path.starts_with(&self.root) => {
                Err(Error::corrupt("a symbolic link leads out of the store").with("file", key))
            }
            Ok(found) => Ok(Some(found)),
            // A chunk that is not stored is a fill value, but not in a store that is gone.
            Err(error) if is_absence(&error) && self.root.is_dir() => Ok(None),
            Err(error) => Err(Error::io(self.root.join(key).display(), error).with("file", key)),
        }
    }

    fn file(&self, key: &str) -> Result<Option<(File, u64)>> {
        match self.resolve(key)? {
            // Anything but a regular file could block (a pipe) or never end (a device).
            Some((path, metadata)) if metadata.is_file() => {
                let file = File::open(&path).map_err(|e| Error::io(path.display(), e))?;
                Ok(Some((file, metadata.len())))
            }
            _ => Ok(None),
        }
    }
}

fn is_absence(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | InvalidFilename)
}

impl Storage for Directory {
    fn read(&self, key: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let Some((file, size)) = self.file(key)? else {
            return Ok(None);
        };
        if size > limit {
            return Err(too_large(size, limit).with("file", key));
        }
        let mut bytes = Vec::with_capacity(size as usize);
        // A file that grows meanwhile must not grow the buffer.
        let read = file.take(limit).read_to_end(&mut bytes);
        read.map_err(|e| Error::io(self.root.join(key).display(), e))?;
        Ok(Some(bytes))
    }

    fn read_ranges(&self, key: &str, ranges: &mut [(u64, &mut [u8])]) -> Result<bool> {
        let Some((file, _)) = self.file(key)? else {
            return Ok(false);
        };
        for (position, out) in ranges {
            read_exact_at(&file, out, *position)
                .map_err(|e| Error::io(self.root.join(key).display(), e).with("file", key))?;
        }
        Ok(true)
    }

    fn size(&self, key: &str) -> Result<Option<u64>> {
        let found = self.resolve(key)?;
        Ok(found.and_then(|(_, metadata)| metadata.is_file().then_some(metadata.len())))
    }

    fn directories(&self, key: &str) -> Result<Vec<String>> {
        let Some((path, _)) = self.resolve(key)? else {
            return Ok(Vec::new());
        };
        let failed = |e| Error::io(path.display(), e);
        let mut names = Vec::new();
        for entry in fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // A link may lead to a directory; whether it is a node is found out by its metadata.
            let is_file = entry.file_type().map_err(failed)?.is_file();
            if let (false, Ok(name)) = (is_file, entry.file_name().into_string()) {
                names.push(name);
            }
        }
        Ok(names)
    }
}
