//! Text of fixed length, and text in global heaps.

use std::sync::Arc;

use anndex_store::{Error, Result};
use hdf5_reader::StringPadding;
use hdf5_reader::group::Group;
use hdf5_reader::{Hdf5File, OpenOptions, Storage};

use crate::error::from_hdf5;
use crate::source::{MetadataCache, MetadataStorage};

/// What a heap takes in a file, unless one of its values is larger.
const HEAP_BYTES: u64 = 4096;
/// Heaps of so many values are read at the same time: those of names take some MiB.
pub(crate) const VALUES_AHEAD: usize = 32 << 10;

/// Where the global heaps of a file are.
#[derive(Clone)]
pub(crate) struct HeapSource {
    metadata: Arc<MetadataCache>,
    /// Where address 0 is.
    base: u64,
    offset_size: u8,
}

impl HeapSource {
    pub(crate) fn new(metadata: Arc<MetadataCache>, base: u64, offset_size: u8) -> Self {
        Self {
            metadata,
            base,
            offset_size,
        }
    }

    /// Opens the heaps, apart from the file's structure: what `hdf5-reader` keeps of them lives as
    /// long as what they were opened with, and would take megabytes per file for names that are
    /// read once.
    pub(crate) fn open(&self) -> Result<Heaps> {
        let storage: Arc<dyn Storage> = match self.metadata.remote() {
            None => Arc::new(MetadataStorage(self.metadata.bytes().clone())),
            // Heaps are small and many: one request for each would take minutes.
            Some(_) => self.metadata.clone(),
        };
        let options = OpenOptions::default().with_chunk_cache_slots(1);
        let file = Hdf5File::from_storage_with_options(storage, options).map_err(from_hdf5)?;
        let root = file.root_group().map_err(from_hdf5)?;
        let source = self.clone();
        Ok(Heaps { root, source })
    }
}

/// The global heaps of a file, which hold variable-length values.
#[derive(Clone)]
pub(crate) struct Heaps {
    root: Group,
    source: HeapSource,
}

impl Heaps {
    /// Reads the heaps behind stored references at the same time, if they are on a server.
    ///
    /// # Errors
    /// What a request gives.
    pub(crate) fn read_ahead<'a>(&self, references: impl Iterator<Item = &'a [u8]>) -> Result<()> {
        let HeapSource {
            metadata,
            base,
            offset_size,
        } = &self.source;
        let Some(blocks) = metadata.remote() else {
            return Ok(());
        };
        let heaps = references.filter_map(|reference| {
            // Behind the number of values.
            let address = reference.get(4..)?.get(..usize::from(*offset_size))?;
            let bytes = address.iter().rev();
            let address = bytes.fold(0, |address, &byte| address << 8 | u64::from(byte));
            let start = base.checked_add(address).filter(|_| address != 0)?;
            Some(start..start.checked_add(HEAP_BYTES)?)
        });
        blocks.load(heaps)
    }

    /// The bytes behind a stored reference to values of `value_size` bytes each.
    pub(crate) fn resolve(&self, reference: &[u8], value_size: usize) -> Result<Vec<u8>> {
        self.root
            .resolve_vlen_reference_bytes(reference, value_size)
            .map_err(from_hdf5)
    }

    /// The text behind a stored reference.
    pub(crate) fn text(&self, reference: &[u8], padding: StringPadding) -> Result<String> {
        let mut bytes = self.resolve(reference, 1)?;
        // Writers in C may count the terminator; what follows it is no text.
        if let Some(end) = bytes.iter().position(|&b| b == 0) {
            bytes.truncate(end);
        }
        let len = trimmed(&bytes, padding).len();
        bytes.truncate(len);
        String::from_utf8(bytes).map_err(|_| not_utf8())
    }
}

/// The text of a fixed-length string.
pub(crate) fn fixed_text(bytes: &[u8], padding: StringPadding) -> Result<&str> {
    std::str::from_utf8(trimmed(bytes, padding)).map_err(|_| not_utf8())
}

fn trimmed(bytes: &[u8], padding: StringPadding) -> &[u8] {
    let kept = |last: Option<usize>| last.map_or(0, |last| last + 1);
    let end = match padding {
        StringPadding::NullTerminate => bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len()),
        StringPadding::NullPad => kept(bytes.iter().rposition(|&b| b != 0)),
        StringPadding::SpacePad => kept(bytes.iter().rposition(|&b| b != b' ')),
    };
    bytes.get(..end).unwrap_or_default()
}

fn not_utf8() -> Error {
    Error::corrupt("a string is not valid UTF-8; write the file again with UTF-8 text")
}
