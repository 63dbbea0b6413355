//! One opened file: its structure and its attributes. A store has one, and one more for each file
//! that links of it lead into.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use anndex_store::storage::ReadAt;
use anndex_store::{Attribute, Attributes, NodeKind};
use anndex_store::{Error, ErrorKind, Limits, Result};
use hdf5_reader::group::Group;
use hdf5_reader::messages::link::LinkTarget;
use hdf5_reader::superblock::Superblock;
use hdf5_reader::{Dataset, Hdf5File, OpenOptions};

use crate::attribute::AttributeDecoder;
use crate::error::{from_hdf5, is_absent};
use crate::filter;
use crate::links::{self, Links};
use crate::source::{MetadataCache, Source};
use crate::strings::{HeapSource, Heaps};

/// The largest selection that `hdf5-reader` reads, which is asked for structure only.
const LARGEST_READ_BYTES: usize = 256 << 20;
/// The largest object header that is read; real ones have some KiB.
const LARGEST_HEADER_BYTES: usize = 16 << 20;

/// A file that is open for reading.
pub(crate) struct Opened {
    pub(crate) file: Hdf5File,
    pub(crate) source: Source,
    pub(crate) heaps: HeapSource,
    /// Those heaps, for attributes; opened when one is read.
    attribute_heaps: Mutex<Option<Heaps>>,
    /// The path of each object by its address; made when the first reference is met.
    paths: OnceLock<HashMap<u64, String>>,
    /// The links of groups that were listed or in which a name was not found, by the address.
    links: Mutex<HashMap<u64, Arc<Links>>>,
}

pub(crate) enum Node {
    Group(Group),
    Array(Box<Dataset>),
}

impl Node {
    pub(crate) fn kind(&self) -> NodeKind {
        match self {
            Self::Group(_) => NodeKind::Group,
            Self::Array(_) => NodeKind::Array,
        }
    }
}

impl Opened {
    /// Opens the bytes of a file; `location` names it in messages.
    pub(crate) fn parse(bytes: Arc<dyn ReadAt>, location: &str) -> Result<Self> {
        let metadata = Arc::new(MetadataCache::new(bytes.clone()));
        let options = OpenOptions::default()
            .with_max_chunk_bytes(LARGEST_READ_BYTES)
            .with_max_read_bytes(LARGEST_READ_BYTES)
            // Chunks are read here, so its cache of them stays empty, and need not have room.
            .with_chunk_cache_bytes(0)
            .with_chunk_cache_slots(1)
            .with_max_object_header_bytes(LARGEST_HEADER_BYTES)
            .with_filter_registry(filter::registry());
        let file =
            Hdf5File::from_storage_with_options(metadata.clone(), options).map_err(from_hdf5)?;
        let superblock = file.superblock();
        check_closed(superblock)?;
        if superblock.eof_address != u64::MAX && bytes.len() < superblock.eof_address {
            return Err(Error::corrupt(format!(
                "the file is cut off: it should have {} bytes but has {}; copy or download it again",
                superblock.eof_address,
                bytes.len()
            )));
        }
        let base = superblock.base_address;
        let heaps = HeapSource::new(metadata.clone(), base, superblock.offset_size);
        let source = Source::new(metadata, base, location.into(), Limits::DEFAULT);
        // What a request has brought is of use for what is read next.
        if source.remote().is_none() {
            source.release();
        }
        Ok(Self {
            file,
            source,
            heaps,
            attribute_heaps: Mutex::default(),
            paths: OnceLock::new(),
            links: Mutex::default(),
        })
    }

    pub(crate) fn root(&self) -> Result<Node> {
        self.file.root_group().map(Node::Group).map_err(from_hdf5)
    }

    /// The group or array called `name` in `group`, if it is in this file.
    pub(crate) fn child(&self, group: &Group, name: &str) -> Result<Option<Node>> {
        match group.group(name) {
            Ok(inner) => return Ok(Some(Node::Group(inner))),
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(from_hdf5(error)),
        }
        match group.dataset(name) {
            Ok(dataset) => Ok(Some(Node::Array(Box::new(dataset)))),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(from_hdf5(error)),
        }
    }

    /// All links of a group.
    pub(crate) fn links(&self, group: &Group) -> Result<Arc<Links>> {
        let address = group.address();
        if let Some(links) = locked(&self.links).get(&address) {
            return Ok(links.clone());
        }
        let links = Arc::new(links::links(&self.file, address)?);
        locked(&self.links).insert(address, links.clone());
        Ok(links)
    }

    /// The path of the object whose header is at `address`.
    fn path_of(&self, address: u64) -> Result<String> {
        if self.paths.get().is_none() {
            let _ = self.paths.set(self.all_paths()?);
        }
        self.paths
            .get()
            .and_then(|paths| paths.get(&address))
            .cloned()
            .ok_or_else(|| {
                Error::corrupt("an attribute refers to an object that no readable group holds")
            })
    }

    /// Walks all groups, the shallowest first, so that each object gets its shortest path.
    fn all_paths(&self) -> Result<HashMap<u64, String>> {
        let root = self.file.root_group().map_err(from_hdf5)?.address();
        let mut paths = HashMap::from([(root, String::new())]);
        let mut visited = HashSet::from([root]);
        let mut waiting = VecDeque::from([(root, String::new())]);
        while let Some((group, path)) = waiting.pop_front() {
            // A damaged group hides what it holds; references to the rest must still resolve.
            let links = match links::links(&self.file, group) {
                Err(error) if is_of_the_file(&error) => continue,
                links => links?,
            };
            for (name, target) in links {
                let LinkTarget::Hard { address } = target else {
                    continue;
                };
                let path = match path.as_str() {
                    "" => name,
                    path => format!("{path}/{name}"),
                };
                let is_group = match links::kind(&self.file, address) {
                    Err(error) if is_of_the_file(&error) => false,
                    kind => kind? == NodeKind::Group,
                };
                // Hard links may form cycles.
                if is_group && visited.insert(address) {
                    waiting.push_back((address, path.clone()));
                }
                paths.entry(address).or_insert(path);
            }
        }
        Ok(paths)
    }

    fn attribute_heaps(&self) -> Result<Heaps> {
        if let Some(heaps) = &*locked(&self.attribute_heaps) {
            return Ok(heaps.clone());
        }
        let heaps = self.heaps.open()?;
        *locked(&self.attribute_heaps) = Some(heaps.clone());
        Ok(heaps)
    }

    /// The attributes of a node; those that can't be decoded say why.
    pub(crate) fn attributes(&self, node: &Node) -> Result<Attributes> {
        let raw = match node {
            Node::Group(group) => group.raw_attributes(),
            Node::Array(dataset) => dataset.raw_attributes(),
        }
        .map_err(from_hdf5)?;
        let heaps = self.attribute_heaps()?;
        let path_of = |address| self.path_of(address);
        let offset_size = self.file.superblock().offset_size;
        let mut decoder = AttributeDecoder::new(offset_size, &heaps, &path_of);
        let decoded = raw.iter().map(|attribute| {
            let value = match decoder.decode(attribute.message()) {
                // Whoever needs it says so.
                Err(error) if is_of_the_file(&error) => {
                    Attribute::Other(error.message().to_owned())
                }
                decoded => decoded.map_err(|e| e.with("attribute", attribute.name()))?,
            };
            Ok((attribute.name().to_owned(), value))
        });
        decoded.collect()
    }

    /// Lets go of what is kept so that structure is read faster.
    pub(crate) fn release(&self) {
        self.source.release();
        *locked(&self.attribute_heaps) = None;
        *locked(&self.links) = HashMap::new();
    }
}

/// Whether an error is about what is in the file, and not about reading it.
pub(crate) fn is_of_the_file(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported)
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Refuses a file that a program has open for writing, or had when it was killed: what it holds may
/// not be written yet. Only version 3 of the superblock says so; libhdf5 looks at no other.
fn check_closed(superblock: &Superblock) -> Result<()> {
    const OPEN_FOR_WRITING: u32 = 0x01;
    const OPEN_FOR_SWMR_WRITING: u32 = 0x04;
    let is_open = superblock.consistency_flags & (OPEN_FOR_WRITING | OPEN_FOR_SWMR_WRITING) != 0;
    if superblock.version < 3 || !is_open {
        return Ok(());
    }
    Err(Error::corrupt(
        "a program has this file open for writing, or was killed while it had, so parts may be \
         missing; wait until it is closed, or, if no program writes it any more, run \
         `h5clear -s FILE` and check what it holds",
    ))
}
