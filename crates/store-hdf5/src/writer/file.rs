//! The file being written: pieces are appended, text goes to global heaps.

use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anndex_store::{Error, ErrorKind, Result};
use tempfile::NamedTempFile;

use super::message;

/// Bytes of a heap that many strings share.
const HEAP_BYTES: usize = 64 << 10;
const HEAP_HEADER_BYTES: usize = 16;
const OBJECT_HEADER_BYTES: usize = 16;
/// The smallest heap that libhdf5 accepts.
const SMALLEST_HEAP_BYTES: usize = 4096;

/// A file under a temporary name beside its destination.
pub(super) struct OutputFile {
    file: BufWriter<NamedTempFile>,
    destination: PathBuf,
    /// Where the next piece goes.
    end: u64,
    heap: Option<Heap>,
}

/// A heap whose place in the file is reserved and which is not full yet.
struct Heap {
    address: u64,
    bytes: Vec<u8>,
    objects: u16,
}

impl OutputFile {
    pub(super) fn create(destination: &Path) -> Result<Self> {
        let error = |e| Error::io(destination.display(), e);
        if destination.symlink_metadata().is_ok() {
            return Err(already_exists(destination));
        }
        let name = destination.file_name().ok_or_else(|| {
            Error::invalid_input("a file name is missing").with("path", destination.display())
        })?;
        let directory = match destination.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut prefix = std::ffi::OsString::from(".");
        prefix.push(name);
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(".partial");
        // Temporary files are private, but this one becomes an ordinary file.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(directory).map_err(error)?;
        let mut output = Self {
            file: BufWriter::with_capacity(1 << 20, file),
            destination: destination.to_owned(),
            end: 0,
            heap: None,
        };
        output.append(&message::superblock(message::UNDEFINED, 0))?;
        Ok(output)
    }

    /// Appends a piece; returns its address.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<u64> {
        let address = self.end;
        self.file.write_all(bytes).map_err(|e| self.failed(e))?;
        self.end += bytes.len() as u64;
        Ok(address)
    }

    /// The address that the next piece will have.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Stores a text; returns the reference that stands for it in an element.
    ///
    /// # Errors
    /// `InvalidInput` if it holds a NUL, where readers would end it; `Storage` if writing fails.
    pub(super) fn store_text(&mut self, text: &str) -> Result<[u8; message::HEAP_REFERENCE_BYTES]> {
        let mut reference = [0; message::HEAP_REFERENCE_BYTES];
        if text.is_empty() {
            return Ok(reference);
        }
        if text.contains('\0') {
            return Err(Error::invalid_input(
                "HDF5 can't hold text with a NUL in it",
            ));
        }
        let len = u32::try_from(text.len())
            .map_err(|_| Error::unsupported("HDF5 can't hold text of more than 4 GiB"))?;
        let needed = OBJECT_HEADER_BYTES + text.len().next_multiple_of(8);
        let (address, index) = if HEAP_HEADER_BYTES + needed > HEAP_BYTES {
            let mut heap = self.reserve_heap((HEAP_HEADER_BYTES + needed).max(HEAP_BYTES))?;
            let index = heap.add(text);
            let address = heap.address;
            self.write_heap(heap)?;
            (address, index)
        } else {
            if self
                .heap
                .as_ref()
                .is_some_and(|heap| !heap.has_room(needed))
            {
                self.close_heap()?;
            }
            let mut heap = match self.heap.take() {
                Some(heap) => heap,
                None => self.reserve_heap(HEAP_BYTES)?,
            };
            let index = heap.add(text);
            (self.heap.insert(heap).address, index)
        };
        reference[..4].copy_from_slice(&len.to_le_bytes());
        reference[4..12].copy_from_slice(&address.to_le_bytes());
        reference[12..].copy_from_slice(&u32::from(index).to_le_bytes());
        Ok(reference)
    }

    fn reserve_heap(&mut self, len: usize) -> Result<Heap> {
        let mut bytes = Vec::with_capacity(len);
        bytes.extend(b"GCOL\x01\0\0\0");
        bytes.extend((len as u64).to_le_bytes());
        let address = self.append(&vec![0; len])?;
        Ok(Heap {
            address,
            bytes,
            objects: 0,
        })
    }

    /// Writes the heap that is not full yet to its place, if there is one.
    fn close_heap(&mut self) -> Result<()> {
        match self.heap.take() {
            Some(heap) => self.write_heap(heap),
            None => Ok(()),
        }
    }

    fn write_heap(&mut self, heap: Heap) -> Result<()> {
        let address = heap.address;
        self.overwrite(address, &heap.finish())
    }

    fn overwrite(&mut self, address: u64, bytes: &[u8]) -> Result<()> {
        let end = self.end;
        let mut write = || {
            self.file.seek(SeekFrom::Start(address))?;
            self.file.write_all(bytes)?;
            self.file.seek(SeekFrom::Start(end))
        };
        write().map(drop).map_err(|e| self.failed(e))
    }

    /// Completes the file, whose root group's header is at `root`, and gives it its name.
    ///
    /// # Errors
    /// `AlreadyExists` if something came to stand there meanwhile; `Storage` if writing fails.
    pub(super) fn finish(mut self, root: u64) -> Result<()> {
        self.close_heap()?;
        self.overwrite(0, &message::superblock(root, self.end))?;
        let destination = self.destination;
        let failed = |e| Error::io(destination.display(), e);
        let file = self.file.into_inner().map_err(|e| failed(e.into_error()))?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist_noclobber(&destination).map_err(|e| {
            if e.error.kind() == std::io::ErrorKind::AlreadyExists {
                already_exists(&destination)
            } else {
                failed(e.error)
            }
        })?;
        sync_directory(&destination).map_err(failed)
    }

    fn failed(&self, error: std::io::Error) -> Error {
        Error::io(self.destination.display(), error)
    }
}

impl Heap {
    fn has_room(&self, needed: usize) -> bool {
        self.bytes.len() + needed <= HEAP_BYTES
    }

    /// Adds a text; returns its index.
    fn add(&mut self, text: &str) -> u16 {
        self.objects += 1;
        self.object(self.objects, text.len());
        self.bytes.extend(text.as_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        self.objects
    }

    fn object(&mut self, index: u16, len: usize) {
        self.bytes.extend(index.to_le_bytes());
        // One reference to it, and four reserved bytes.
        self.bytes.extend([u8::from(index > 0), 0, 0, 0, 0, 0]);
        self.bytes.extend((len as u64).to_le_bytes());
    }

    /// All bytes, the rest of them marked as free.
    fn finish(mut self) -> Vec<u8> {
        let len = self.bytes.capacity().max(SMALLEST_HEAP_BYTES);
        let free = len - self.bytes.len();
        if free >= OBJECT_HEADER_BYTES {
            self.object(0, free);
        }
        self.bytes.resize(len, 0);
        self.bytes
    }
}

fn already_exists(path: &Path) -> Error {
    Error::new(
        ErrorKind::AlreadyExists,
        "something exists at the destination already; remove it or choose another name",
    )
    .with("path", path.display())
}

/// Makes the new name durable.
fn sync_directory(path: &Path) -> std::io::Result<()> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    if cfg!(unix) {
        std::fs::File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}
