//! Directories that are anndex's own, in places where others may write, too: a storage that many
//! people share, a cache on a shared disk.
//!
//! What is in such a directory is reached from an open handle, one name after the other, and no
//! link is followed on the way: a link that somebody planted there would lead to files that are
//! not ours. Only the path to the directory where this begins may go through links, since it is
//! what the user named.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Component, Path, PathBuf};

use cap_fs_ext::{DirExt, FollowSymlinks, MetadataExt, OpenOptionsFollowExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};

use super::cache_directory;
use crate::error::{Error, ErrorKind, Result};

/// An open directory, below which no link is followed.
#[derive(Debug)]
pub struct OwnDirectory {
    directory: Dir,
    path: PathBuf,
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// For reading.
    Read,
    /// For a lock, and made if it is not there. Nothing is written to it.
    Lock,
    /// For reading and writing, and made if it is not there. It must have one name only, since
    /// another one could be a file of somebody else.
    Write,
    /// For reading and writing; it must not be there.
    New,
}

impl OwnDirectory {
    /// The directory at a path; `None` if there is none.
    pub fn open(path: &Path) -> Result<Option<Self>> {
        match Dir::open_ambient_dir(path, ambient_authority()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(path.display(), error)),
            Ok(directory) => Ok(Some(Self {
                directory,
                path: path.to_owned(),
            })),
        }
    }

    /// As [`OwnDirectory::open`], and makes it and those above it if they are not there (see
    /// [`cache_directory::create`]).
    pub fn create(path: &Path) -> Result<Self> {
        cache_directory::create(path)?;
        Self::open(path)?.ok_or_else(|| gone(path))
    }

    /// The directory with this relative path in it; `None` if there is none.
    pub fn below(&self, relative: &Path) -> Result<Option<Self>> {
        self.walk(relative, false)
    }

    /// As [`OwnDirectory::below`], and makes the directories that are not there.
    pub fn create_below(&self, relative: &Path) -> Result<Self> {
        let made = self.walk(relative, true)?;
        made.ok_or_else(|| gone(&self.path.join(relative)))
    }

    fn walk(&self, relative: &Path, create: bool) -> Result<Option<Self>> {
        let mut at = Self {
            directory: self
                .directory
                .try_clone()
                .map_err(|e| Error::io(self.path.display(), e))?,
            path: self.path.clone(),
        };
        for component in relative.components() {
            let Component::Normal(name) = component else {
                return Err(Error::invalid_input("this leads out of its directory")
                    .with("path", self.path.join(relative).display()));
            };
            if create {
                match at.directory.create_dir(name) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(Error::io(at.path.join(name).display(), error));
                    }
                    _ => {}
                }
            }
            let opened = at.directory.open_dir_nofollow(name);
            at.path.push(name);
            match opened {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(at.refusal(error)),
                Ok(directory) => at.directory = directory,
            }
        }
        Ok(Some(at))
    }

    /// Why what is at the path was not opened as a directory.
    fn refusal(&self, error: io::Error) -> Error {
        match self.path.symlink_metadata() {
            Ok(metadata) if metadata.is_symlink() => link(&self.path),
            Ok(metadata) if !metadata.is_dir() => Error::new(
                ErrorKind::InvalidInput,
                "this is in the place of a directory; move it elsewhere",
            )
            .with("path", self.path.display()),
            _ => Error::io(self.path.display(), error),
        }
    }

    /// The path, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a directory in it, which must not be there.
    pub fn create_new(&self, name: &str) -> Result<Self> {
        let path = self.path.join(single(name.as_ref())?);
        let made = self.directory.create_dir(name);
        made.map_err(|e| Error::io(path.display(), e))?;
        self.create_below(Path::new(name))
    }

    /// Opens a plain file in it; `None` if there is none.
    ///
    /// # Errors
    /// `InvalidInput` if it is a link or no plain file.
    pub fn file(&self, name: impl AsRef<Path>, access: Access) -> Result<Option<File>> {
        let name = single(name.as_ref())?;
        let path = self.path.join(name);
        let at = |e| Error::io(path.display(), e);
        // Opening a pipe would wait for somebody at its other end.
        match self.directory.symlink_metadata(name) {
            Ok(metadata) if metadata.is_symlink() => return Err(link(&path)),
            Ok(metadata) if !metadata.is_file() => return Err(no_file(&path)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if access == Access::Read {
                    return Ok(None);
                }
            }
            Err(error) => return Err(at(error)),
        }
        let mut options = OpenOptions::new();
        options.read(true).follow(FollowSymlinks::No);
        match access {
            Access::Read => {}
            Access::Lock | Access::Write => {
                options.write(true).create(true);
            }
            Access::New => {
                options.write(true).create_new(true);
            }
        }
        let file = match self.directory.open_with(name, &options) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(at)?,
        };
        let metadata = file.metadata().map_err(at)?;
        if !metadata.is_file() {
            return Err(no_file(&path));
        }
        if access == Access::Write && metadata.nlink() > 1 {
            return Err(Error::invalid_input(
                "this file has another name, too, so writing it could change a file of somebody \
                 else; remove it",
            )
            .with("path", path.display()));
        }
        Ok(Some(file.into_std()))
    }

    /// Opens a file for reading and writing, and makes it if it is not there.
    ///
    /// # Errors
    /// As [`OwnDirectory::file`].
    pub fn create_file(&self, name: impl AsRef<Path>, access: Access) -> Result<File> {
        let file = self.file(&name, access)?;
        file.ok_or_else(|| gone(&self.path.join(name)))
    }

    /// The size of the plain file with this relative path in it; `None` if there is none.
    ///
    /// # Errors
    /// `InvalidInput` if it is a link or no plain file, or a link leads to it.
    pub fn size(&self, relative: &Path) -> Result<Option<u64>> {
        let (Some(parent), Some(name)) = (relative.parent(), relative.file_name()) else {
            return Err(no_file(&self.path.join(relative)));
        };
        let Some(parent) = self.below(parent)? else {
            return Ok(None);
        };
        let path = parent.path.join(name);
        match parent.directory.symlink_metadata(name) {
            Ok(metadata) if metadata.is_symlink() => Err(link(&path)),
            Ok(metadata) if !metadata.is_file() => Err(no_file(&path)),
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(path.display(), error)),
        }
    }

    /// Removes a file, a link or a directory with what is in it. Gives back whether it was there.
    pub fn remove(&self, name: &str) -> Result<bool> {
        single(name.as_ref())?;
        let removed = match self.directory.symlink_metadata(name) {
            Ok(metadata) if metadata.is_dir() => self.directory.remove_dir_all(name),
            Ok(_) => self.directory.remove_file_or_symlink(name),
            Err(error) => Err(error),
        };
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::io(self.path.join(name).display(), error)),
            Ok(()) => Ok(true),
        }
    }

    /// Gives something in it another name; what has that name is replaced as by the system.
    pub fn rename(&self, from: &str, to: &str) -> Result<()> {
        let renamed = self.directory.rename(from, &self.directory, to);
        renamed.map_err(|e| Error::io(self.path.join(to).display(), e))
    }

    /// Whether there is something with this name, a link included.
    pub fn has(&self, name: &str) -> Result<bool> {
        match self.directory.symlink_metadata(name) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::io(self.path.join(name).display(), error)),
        }
    }

    /// The names of all that is in it, sorted.
    pub fn names(&self) -> Result<Vec<OsString>> {
        let at = |e| Error::io(self.path.display(), e);
        let mut names = Vec::new();
        for entry in self.directory.entries().map_err(at)? {
            names.push(entry.map_err(at)?.file_name());
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Makes the names in it last.
    pub fn sync(&self) -> Result<()> {
        if cfg!(unix) {
            // The handle itself may be one that is only good for looking up names.
            let synced = self.directory.open(".").and_then(|file| file.sync_all());
            synced.map_err(|e| Error::io(self.path.display(), e))?;
        }
        Ok(())
    }
}

/// Opens a plain file in a directory that the user named; `None` if there is none.
///
/// # Errors
/// As [`OwnDirectory::file`].
pub fn open_file(path: &Path, access: Access) -> Result<Option<File>> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(no_file(path));
    };
    match OwnDirectory::open(directory)? {
        Some(directory) => directory.file(name, access),
        None if access == Access::Read => Ok(None),
        None => Err(gone(directory)),
    }
}

/// As [`open_file`], where [`Access`] makes it if it is not there.
///
/// # Errors
/// As [`OwnDirectory::file`].
pub fn create_file(path: &Path, access: Access) -> Result<File> {
    open_file(path, access)?.ok_or_else(|| gone(path))
}

/// A name in a directory, and nothing that leads elsewhere.
fn single(name: &Path) -> Result<&Path> {
    let mut components = name.components();
    match (components.next(), components.next()) {
        (Some(Component::Normal(only)), None) if only == name.as_os_str() => Ok(name),
        _ => {
            Err(Error::invalid_input("this is not a name in a directory")
                .with("path", name.display()))
        }
    }
}

fn link(path: &Path) -> Error {
    Error::invalid_input(
        "this is a link, and anndex follows none in its own directories; put what it leads to in \
         its place",
    )
    .with("path", path.display())
}

fn no_file(path: &Path) -> Error {
    Error::invalid_input("this is not a plain file; move it elsewhere").with("path", path.display())
}

fn gone(path: &Path) -> Error {
    Error::not_found("somebody removed this at the same time; try again")
        .with("path", path.display())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::symlink;

    use super::*;

    fn directory() -> (tempfile::TempDir, OwnDirectory) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("outside/inner")).unwrap();
        fs::write(root.path().join("outside/file"), "of somebody").unwrap();
        let own = OwnDirectory::create(&root.path().join("own")).unwrap();
        (root, own)
    }

    #[test]
    fn no_link_is_followed() {
        let (root, own) = directory();
        let outside = root.path().join("outside");
        symlink(&outside, own.path().join("directory")).unwrap();
        symlink(outside.join("file"), own.path().join("file")).unwrap();
        symlink(outside.join("new"), own.path().join("dangling")).unwrap();
        let refused = |error: Error| {
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.message().contains("link"), "{error}");
        };
        refused(own.below(Path::new("directory/inner")).unwrap_err());
        refused(own.create_below(Path::new("directory")).unwrap_err());
        for name in ["file", "dangling"] {
            for access in [Access::Read, Access::Write, Access::New] {
                refused(own.file(name, access).unwrap_err());
            }
        }
        for name in ["directory", "file", "dangling"] {
            assert!(own.remove(name).unwrap());
            assert!(!own.remove(name).unwrap());
        }
        assert_eq!(fs::read(outside.join("file")).unwrap(), b"of somebody");
        assert!(outside.join("inner").is_dir() && !outside.join("new").exists());
    }

    #[test]
    fn a_directory_is_removed_and_not_what_its_links_lead_to() {
        let (root, own) = directory();
        let outside = root.path().join("outside");
        let inner = own.create_below(Path::new("a/b")).unwrap();
        symlink(&outside, inner.path().join("link")).unwrap();
        inner
            .create_file("plain", Access::New)
            .unwrap()
            .write_all(b"x")
            .unwrap();
        assert!(own.remove("a").unwrap());
        assert!(outside.join("file").is_file() && own.names().unwrap().is_empty());
    }

    #[test]
    fn a_file_with_another_name_is_not_written() {
        let (root, own) = directory();
        fs::hard_link(root.path().join("outside/file"), own.path().join("file")).unwrap();
        let error = own.file("file", Access::Write).unwrap_err();
        assert!(error.message().contains("another name"), "{error}");
        assert!(own.file("file", Access::Read).unwrap().is_some());
    }

    #[test]
    fn nothing_leads_out_of_it() {
        let (_root, own) = directory();
        for path in ["..", "../outside", "/", "a/../../outside"] {
            assert!(own.create_below(Path::new(path)).is_err(), "{path}");
        }
        assert!(own.file("../outside/file", Access::Read).is_err());
    }
}
