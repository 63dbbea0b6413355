//! A file of this machine: open while there is room for it among the descriptors of the process,
//! else opened again when it is read, as the file that it was.

use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use arc_swap::ArcSwapOption;

use super::ReadAt;
use super::open_files::OpenFiles;
use crate::error::{Error, Result};

/// A file of the local file system.
///
/// Any number of them can be had at the same time. Those that were not read for a while are closed
/// when the process has many open, and opened again when they are read. A file that is another one
/// by then, or has another size or time of change, is an error.
#[derive(Debug)]
pub struct LocalFile(Arc<Handle>);

/// What tells a file from another one, and from itself before it was changed.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    len: u64,
    changed: Option<SystemTime>,
    /// Device and inode.
    number: (u64, u64),
}

/// A file, with its descriptor if it is open.
pub(super) struct Handle {
    path: PathBuf,
    identity: Identity,
    file: ArcSwapOption<File>,
    /// Whether it was read since its place was looked at.
    used: AtomicBool,
    files: Arc<OpenFiles>,
}

impl LocalFile {
    /// Opens the file at `path` for reading.
    ///
    /// # Errors
    /// `InvalidInput` if it is not a regular file; otherwise as [`Error::io`].
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_among(OpenFiles::of_this_process(), path)
    }

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
        // A link could have taken its place in between.
        match Identity::of(&itself) == file.0.identity {
            true => Ok(file),
            false => Err(refused()),
        }
    }

    fn open_among(files: Arc<OpenFiles>, path: &Path) -> Result<Self> {
        // Asked before opening, because opening a named pipe blocks until somebody writes to it.
        let metadata = std::fs::metadata(path).map_err(|e| Error::io(path.display(), e))?;
        check_regular(path, &metadata)?;
        let file = files.open(path).map_err(|e| Error::io(path.display(), e))?;
        Self::keep(files, path, file)
    }

    /// Takes over a file that was opened at `path`.
    ///
    /// # Errors
    /// As [`LocalFile::open`].
    pub fn from_file(path: &Path, file: File) -> Result<Self> {
        Self::keep(OpenFiles::of_this_process(), path, file)
    }

    fn keep(files: Arc<OpenFiles>, path: &Path, file: File) -> Result<Self> {
        let at = |e| Error::io(path.display(), e);
        let metadata = file.metadata().map_err(at)?;
        check_regular(path, &metadata)?;
        let handle = Arc::new(Handle {
            // The working directory may be another one when it is opened again.
            path: std::path::absolute(path).map_err(at)?,
            identity: Identity::of(&metadata),
            file: ArcSwapOption::from_pointee(file),
            used: AtomicBool::new(false),
            files,
        });
        handle.files.count(true);
        handle.files.keep(&handle);
        Ok(Self(handle))
    }

    /// Where it is, as an absolute path.
    pub fn path(&self) -> &Path {
        &self.0.path
    }
}

impl Drop for LocalFile {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl ReadAt for LocalFile {
    fn len(&self) -> u64 {
        self.0.identity.len
    }

    fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match &*self.0.file.load() {
            Some(file) => {
                self.0.mark_used();
                read_exact_at(file, offset, out)
            }
            None => read_exact_at(&*self.0.open_again()?, offset, out),
        }
    }
}

impl Handle {
    /// Whether it has a descriptor.
    pub(super) fn is_open(&self) -> bool {
        self.file.load().is_some()
    }

    /// Gives the descriptor back once nobody reads from it; `false` if there is none.
    pub(super) fn close(&self) -> bool {
        let was_open = self.file.swap(None).is_some();
        if was_open {
            self.files.count(false);
        }
        was_open
    }

    /// Whether it was read since this was asked last.
    pub(super) fn take_used(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }

    fn mark_used(&self) {
        // Seldom written, so that threads do not take it from each other.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    /// Opens the file once more.
    ///
    /// # Errors
    /// `StaleNetworkFileHandle` if it is not what it was, as the system says of files on servers.
    fn open_again(self: &Arc<Self>) -> io::Result<Arc<File>> {
        let check = |metadata: io::Result<Metadata>| match metadata {
            Ok(metadata) if metadata.is_file() && Identity::of(&metadata) == self.identity => {
                Ok(())
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Err(io::Error::from(io::ErrorKind::StaleNetworkFileHandle)),
        };
        // Before it is opened, since a pipe may be there now, and of what was opened.
        check(std::fs::metadata(&self.path))?;
        let file = Arc::new(self.files.open(&self.path)?);
        check(file.metadata())?;
        let before = self
            .file
            .compare_and_swap(&None::<Arc<File>>, Some(file.clone()));
        if let Some(other) = &*before {
            // Another thread was faster.
            return Ok(other.clone());
        }
        self.files.count(true);
        self.files.keep(self);
        Ok(file)
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let number = {
            use std::os::unix::fs::MetadataExt;
            (metadata.dev(), metadata.ino())
        };
        #[cfg(not(unix))]
        let number = (0, 0);
        Self {
            len: metadata.len(),
            changed: metadata.modified().ok(),
            number,
        }
    }
}

fn check_regular(path: &Path, metadata: &Metadata) -> Result<()> {
    match metadata.is_file() {
        true => Ok(()),
        false => {
            Err(Error::invalid_input("this is not a regular file").with("path", path.display()))
        }
    }
}

/// Fills `out` from a position without moving a cursor, so that threads can share the file.
///
/// # Errors
/// `UnexpectedEof` if there are fewer bytes, else those of the system.
#[cfg(unix)]
pub fn read_exact_at(file: &File, offset: u64, out: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, offset)
}

/// Fills `out` from a position; the cursor that Windows moves is never used.
///
/// # Errors
/// `UnexpectedEof` if there are fewer bytes, else those of the system.
#[cfg(windows)]
pub fn read_exact_at(file: &File, mut offset: u64, mut out: &mut [u8]) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !out.is_empty() {
        match file.seek_read(out, offset) {
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::error::ErrorKind;

    fn first(file: &LocalFile) -> io::Result<u8> {
        let mut out = [0];
        file.read_exact_at(0, &mut out).map(|()| out[0])
    }

    fn n_open(files: &[LocalFile]) -> usize {
        files.iter().filter(|file| file.0.is_open()).count()
    }

    /// So many files, of one byte each, of which `capacity` are held open.
    fn some(directory: &Path, count: u8, capacity: usize) -> Vec<LocalFile> {
        let files = Arc::new(OpenFiles::new(capacity));
        let make = |number: u8| {
            let path = directory.join(number.to_string());
            fs::write(&path, [number]).unwrap();
            LocalFile::open_among(files.clone(), &path).unwrap()
        };
        (0..count).map(make).collect()
    }

    #[test]
    fn reads_at_any_position_and_never_past_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bytes");
        fs::write(&path, b"abcdef").unwrap();
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

    #[test]
    fn few_of_many_are_open() {
        let directory = tempfile::tempdir().unwrap();
        let files = some(directory.path(), 40, 3);
        assert_eq!(n_open(&files), 3);
        first(&files[1]).unwrap();
        for turn in 0..200usize {
            // What is read all the time stays open.
            assert!(files[1].0.is_open(), "{turn}");
            assert_eq!(first(&files[1]).unwrap(), 1);
            let number = turn * 7 % files.len();
            assert_eq!(first(&files[number]).unwrap(), number as u8);
            assert!(n_open(&files) <= 3, "{turn}");
        }
    }

    #[test]
    fn what_is_dropped_leaves_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let mut files = some(directory.path(), 4, 4);
        for number in 4..100u8 {
            let path = directory.path().join(number.to_string());
            fs::write(&path, [number]).unwrap();
            let pool = files[0].0.files.clone();
            files.remove(1);
            files.push(LocalFile::open_among(pool, &path).unwrap());
            assert_eq!(n_open(&files), 4, "{number}");
        }
    }

    #[test]
    fn threads_share_few_descriptors() {
        let directory = tempfile::tempdir().unwrap();
        let files = some(directory.path(), 30, 2);
        std::thread::scope(|scope| {
            for thread in 0..4usize {
                let files = &files;
                scope.spawn(move || {
                    for turn in 0..500usize {
                        let number = (turn * (2 * thread + 1) + thread) % files.len();
                        assert_eq!(first(&files[number]).unwrap(), number as u8);
                    }
                });
            }
        });
        assert!(n_open(&files) <= 2);
    }

    #[test]
    fn what_is_opened_again_is_what_it_was() {
        type Change = fn(&Path);
        let changes: [(&str, Change); 5] = [
            ("removed", |path| fs::remove_file(path).unwrap()),
            ("longer", |path| fs::write(path, [9, 9]).unwrap()),
            ("later", |path| {
                let file = File::options().append(true).open(path).unwrap();
                file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
            }),
            ("another of the same time", |path| {
                let time = fs::metadata(path).unwrap().modified().unwrap();
                let other = path.with_extension("new");
                fs::write(&other, [9]).unwrap();
                let file = File::options().append(true).open(&other).unwrap();
                file.set_modified(time).unwrap();
                fs::rename(other, path).unwrap();
            }),
            ("a directory", |path| {
                fs::remove_file(path).unwrap();
                fs::create_dir(path).unwrap();
            }),
        ];
        for (name, change) in changes {
            let directory = tempfile::tempdir().unwrap();
            let files = some(directory.path(), 2, 1);
            assert!(!files[0].0.is_open());
            change(&directory.path().join("0"));
            let error = Error::io("0", first(&files[0]).unwrap_err());
            assert_eq!(error.kind(), ErrorKind::Storage, "{name}");
            assert!(error.message().contains("changed"), "{name}: {error}");
            assert_eq!(first(&files[1]).unwrap(), 1);
        }
    }
}
