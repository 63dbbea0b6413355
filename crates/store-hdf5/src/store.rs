//! An opened HDF5 file.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use anndex_core::storage::{LocalFile, ReadAt};
use anndex_core::store::{Array, Attributes, NodeKind, Store, check_path};
use anndex_core::{Error, Result};
use hdf5_reader::group::Group;
use hdf5_reader::{Dataset, ExternalLinkResolver, Hdf5File, OpenOptions};

use crate::array::Hdf5Array;
use crate::attribute::AttributeDecoder;
use crate::error::{from_hdf5, is_absent};
use crate::filter;
use crate::source::{MetadataCache, Source};
use crate::strings::{HeapSource, Heaps};

/// The largest chunk that is decoded, in bytes. Writers make chunks of some MiB at most.
pub(crate) const LARGEST_CHUNK_BYTES: usize = 256 << 20;
/// The largest object header that is read; real ones have some KiB.
const LARGEST_HEADER_BYTES: usize = 16 << 20;

/// An HDF5 file opened for reading.
///
/// All methods may be called from many threads at once. Reading elements shares no lock;
/// reading structure, attributes and strings shares the caches of the file.
pub struct Hdf5Store {
    file: Hdf5File,
    source: Source,
    heaps: HeapSource,
    /// Those heaps, for attributes; opened when one is read.
    attribute_heaps: Mutex<Option<Heaps>>,
    /// The path of each object by its address; made when the first reference is met.
    paths: OnceLock<HashMap<u64, String>>,
}

enum Node {
    Group(Group),
    Array(Box<Dataset>),
}

impl Hdf5Store {
    /// Opens a local file.
    ///
    /// # Errors
    /// `NotFound`, `PermissionDenied` or `Storage` if it can't be read; `InvalidInput` if it is
    /// not a regular file; `Corrupt` if it is not HDF5 or is cut off.
    pub fn open(path: &Path) -> Result<Self> {
        let location = path.display().to_string();
        let file = LocalFile::open(path)?;
        Self::from_bytes(Arc::new(file), &location)
    }

    /// Opens the bytes of a file from any storage; `location` names it in messages.
    ///
    /// # Errors
    /// As [`Hdf5Store::open`].
    pub fn from_bytes(bytes: Arc<dyn ReadAt>, location: &str) -> Result<Self> {
        Self::parse(bytes, location).map_err(|e| e.with("path", location))
    }

    fn parse(bytes: Arc<dyn ReadAt>, location: &str) -> Result<Self> {
        let metadata = Arc::new(MetadataCache::new(bytes.clone()));
        let options = OpenOptions::default()
            .with_max_chunk_bytes(LARGEST_CHUNK_BYTES)
            .with_max_read_bytes(LARGEST_CHUNK_BYTES)
            // Chunks are read here, so its cache of them stays empty, and need not have room.
            .with_chunk_cache_bytes(0)
            .with_chunk_cache_slots(1)
            .with_max_object_header_bytes(LARGEST_HEADER_BYTES)
            .with_filter_registry(filter::registry())
            .with_external_link_resolver(Arc::new(NoteExternalLinks));
        let file =
            Hdf5File::from_storage_with_options(metadata.clone(), options).map_err(from_hdf5)?;
        let superblock = file.superblock();
        if superblock.eof_address != u64::MAX && bytes.len() < superblock.eof_address {
            return Err(Error::corrupt(format!(
                "the file is cut off: it should have {} bytes but has {}; copy or download it again",
                superblock.eof_address,
                bytes.len()
            )));
        }
        let base = superblock.base_address;
        let heaps = HeapSource::new(metadata.clone(), base, superblock.offset_size);
        let source = Source::new(metadata, base, location.into());
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
        })
    }

    fn context(&self, error: Error, path: &str) -> Error {
        error
            .with("path", self.source.location())
            .with("node", format!("/{path}"))
    }

    fn lookup(&self, path: &str) -> Result<Option<Node>> {
        let mut group = self.file.root_group().map_err(from_hdf5)?;
        if path.is_empty() {
            return Ok(Some(Node::Group(group)));
        }
        let mut names = path.split('/').peekable();
        while let Some(name) = names.next() {
            match child(&group, name)? {
                Some(Node::Group(inner)) => group = inner,
                Some(array) if names.peek().is_none() => return Ok(Some(array)),
                _ => return Ok(None),
            }
        }
        Ok(Some(Node::Group(group)))
    }

    fn require(&self, path: &str) -> Result<Node> {
        self.lookup(path)?
            .ok_or_else(|| Error::not_found("nothing is stored here"))
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
        let root = self.file.root_group().map_err(from_hdf5)?;
        let mut paths = HashMap::from([(root.address(), String::new())]);
        let mut visited = HashSet::from([root.address()]);
        let mut waiting = VecDeque::from([(root, String::new())]);
        while let Some((group, path)) = waiting.pop_front() {
            // A damaged group hides what it holds; references to the rest must still resolve.
            let Ok((groups, datasets)) = group.members() else {
                continue;
            };
            let below = |name: &str| match path.as_str() {
                "" => name.to_owned(),
                path => format!("{path}/{name}"),
            };
            for dataset in datasets {
                let path = below(dataset.name());
                paths.entry(dataset.address()).or_insert(path);
            }
            for inner in groups {
                let path = below(inner.name());
                paths.entry(inner.address()).or_insert_with(|| path.clone());
                // Hard links may form cycles.
                if visited.insert(inner.address()) {
                    waiting.push_back((inner, path));
                }
            }
        }
        Ok(paths)
    }

    fn attribute_heaps(&self) -> Result<Heaps> {
        if let Some(heaps) = &*self.kept_heaps() {
            return Ok(heaps.clone());
        }
        let heaps = self.heaps.open()?;
        *self.kept_heaps() = Some(heaps.clone());
        Ok(heaps)
    }

    fn kept_heaps(&self) -> MutexGuard<'_, Option<Heaps>> {
        let kept = self.attribute_heaps.lock();
        kept.unwrap_or_else(PoisonError::into_inner)
    }

    fn decode_attributes(&self, node: &Node) -> Result<Attributes> {
        let raw = match node {
            Node::Group(group) => group.raw_attributes(),
            Node::Array(dataset) => dataset.raw_attributes(),
        }
        .map_err(from_hdf5)?;
        let decoder = AttributeDecoder {
            offset_size: self.file.superblock().offset_size,
            heaps: &self.attribute_heaps()?,
            path_of: &|address| self.path_of(address),
        };
        raw.iter()
            .map(|attribute| {
                let value = decoder
                    .decode(attribute.message())
                    .map_err(|e| e.with("attribute", attribute.name()))?;
                Ok((attribute.name().to_owned(), value))
            })
            .collect()
    }
}

impl Store for Hdf5Store {
    fn location(&self) -> &str {
        self.source.location()
    }

    fn format(&self) -> &str {
        "HDF5"
    }

    fn is_remote(&self) -> bool {
        self.source.remote().is_some()
    }

    fn node(&self, path: &str) -> Result<Option<NodeKind>> {
        let node = self.lookup(path).map_err(|e| self.context(e, path))?;
        Ok(node.map(|node| match node {
            Node::Group(_) => NodeKind::Group,
            Node::Array(_) => NodeKind::Array,
        }))
    }

    fn children(&self, path: &str) -> Result<Vec<(String, NodeKind)>> {
        let list = || match self.require(path)? {
            Node::Array(_) => Err(Error::not_found("this is an array, not a group")),
            Node::Group(group) => {
                let (groups, arrays) = group.member_names().map_err(from_hdf5)?;
                let groups = groups.into_iter().map(|name| (name, NodeKind::Group));
                let arrays = arrays.into_iter().map(|name| (name, NodeKind::Array));
                let mut children: Vec<_> = groups.chain(arrays).collect();
                children.sort_unstable_by(|a, b| a.0.cmp(&b.0));
                children.dedup_by(|a, b| a.0 == b.0);
                // Walks over the store would go astray with such names, which no writer makes.
                let is_name = |name: &str| {
                    !name.is_empty() && !name.contains('/') && check_path(name).is_ok()
                };
                match children.iter().find(|(name, _)| !is_name(name)) {
                    Some((name, _)) => Err(Error::corrupt(format!("a link is named {name:?}"))),
                    None => Ok(children),
                }
            }
        };
        list().map_err(|e| self.context(e, path))
    }

    fn attributes(&self, path: &str) -> Result<Attributes> {
        self.require(path)
            .and_then(|node| self.decode_attributes(&node))
            .map_err(|e| self.context(e, path))
    }

    fn array(&self, path: &str) -> Result<Arc<dyn Array>> {
        let open = || match self.require(path)? {
            Node::Group(_) => Err(Error::not_found("this is a group, not an array")),
            Node::Array(dataset) => Hdf5Array::open(
                &self.file,
                &dataset,
                self.source.clone(),
                self.heaps.clone(),
                format!("/{path}"),
            ),
        };
        let array = open().map_err(|e| self.context(e, path))?;
        Ok(Arc::new(array))
    }

    fn release(&self) {
        self.source.release();
        *self.kept_heaps() = None;
    }
}

impl fmt::Debug for Hdf5Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hdf5Store")
            .field("location", &self.source.location())
            .finish_non_exhaustive()
    }
}

/// The group or dataset called `name` in `group`.
fn child(group: &Group, name: &str) -> Result<Option<Node>> {
    EXTERNAL_LINK.take();
    match group.group(name) {
        Ok(inner) => return Ok(Some(Node::Group(inner))),
        Err(error) if is_absent(&error) => {}
        Err(error) => return Err(from_hdf5(error)),
    }
    match group.dataset(name) {
        Ok(dataset) => Ok(Some(Node::Array(Box::new(dataset)))),
        Err(error) if is_absent(&error) => match EXTERNAL_LINK.take() {
            Some(file) => Err(Error::unsupported(format!(
                "`{name}` is a link to another file (`{file}`), which is never followed; \
                 copy the data into one file"
            ))),
            None => Ok(None),
        },
        Err(error) => Err(from_hdf5(error)),
    }
}

thread_local! {
    /// The file name of the external link that the lookup on this thread came across.
    static EXTERNAL_LINK: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Follows no external link, but notes it, so that the lookup can say what is there.
struct NoteExternalLinks;

impl ExternalLinkResolver for NoteExternalLinks {
    fn resolve_external_link(
        &self,
        filename: &str,
    ) -> hdf5_reader::error::Result<Option<Hdf5File>> {
        EXTERNAL_LINK.set(Some(filename.to_owned()));
        Ok(None)
    }
}
