//! A hierarchy in a directory of the file system.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use anndex_store::storage::open_file;
use anndex_store::{Error, Result};

use super::{Storage, Value};

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

    /// As [`Directory::resolve`], for paths without links and of names only, at the cost of one
    /// look at each part; `None` for all others.
    fn resolve_plain(&self, key: &str) -> Option<(PathBuf, fs::Metadata)> {
        let mut path = self.root.clone();
        let mut found = None;
        for part in Path::new(key).components() {
            path.push(matches!(part, Component::Normal(_)).then_some(part)?);
            let metadata = fs::symlink_metadata(&path).ok()?;
            found = (!metadata.is_symlink()).then_some(metadata);
            found.as_ref()?;
        }
        Some((path, found?))
    }
}

fn is_absence(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | InvalidFilename)
}

impl Storage for Directory {
    fn open(&self, key: &str) -> Result<Option<Value>> {
        let found = match self.resolve_plain(key) {
            None => self.resolve(key)?,
            plain => plain,
        };
        match found {
            // Anything but a regular file could block (a pipe) or never end (a device).
            Some((path, metadata)) if metadata.is_file() => {
                let file =
                    open_file(&path).map_err(|e| Error::io(path.display(), e).with("file", key))?;
                Ok(Some(Value::file(file, path, metadata.len())))
            }
            _ => Ok(None),
        }
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
