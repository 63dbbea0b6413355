//! An HDF5 file as a store: what stands at a path, by links that lead to another place of the file
//! or into a file beside it.

use std::collections::HashMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex};

use anndex_store::storage::{LocalFile, ReadAt};
use anndex_store::{Array, Attribute, Attributes, NodeKind, Store, check_path};
use anndex_store::{Error, ErrorKind, Result};
use hdf5_reader::group::Group;
use hdf5_reader::messages::link::LinkTarget;

use crate::array::Hdf5Array;
use crate::links;
use crate::opened::{Node, Opened, is_of_the_file, locked};

/// So many links are followed on the way to one node, as in libhdf5.
const MOST_LINKS: usize = 16;

/// An HDF5 file opened for reading.
///
/// All methods may be called from many threads at once. Reading elements shares no lock;
/// reading structure, attributes and strings shares the caches of the file.
///
/// Soft links are followed, and external links into files that are in the same local directory. No
/// other file is ever opened.
pub struct Hdf5Store {
    opened: Arc<Opened>,
    /// Where the files are that external links may lead into; `None` if it is not on this machine.
    directory: Option<PathBuf>,
    /// Those that were opened, by name.
    others: Mutex<HashMap<String, Arc<Opened>>>,
}

/// A node, and the file that it is in.
struct Found {
    opened: Arc<Opened>,
    node: Node,
}

impl Hdf5Store {
    /// Opens a local file.
    ///
    /// # Errors
    /// `NotFound`, `PermissionDenied` or `Storage` if it can't be read; `InvalidInput` if it is
    /// not a regular file; `Corrupt` if it is not HDF5, is cut off, or is open for writing.
    pub fn open(path: &Path) -> Result<Self> {
        let location = path.display().to_string();
        let file = LocalFile::open(path)?;
        let mut store = Self::from_bytes(Arc::new(file), &location)?;
        store.directory = path.parent().map(Path::to_owned);
        Ok(store)
    }

    /// Opens the bytes of a file from any storage; `location` names it in messages. No external
    /// link is followed.
    ///
    /// # Errors
    /// As [`Hdf5Store::open`].
    pub fn from_bytes(bytes: Arc<dyn ReadAt>, location: &str) -> Result<Self> {
        let opened = Opened::parse(bytes, location).map_err(|e| e.with("path", location))?;
        Ok(Self {
            opened: Arc::new(opened),
            directory: None,
            others: Mutex::default(),
        })
    }

    fn context(&self, error: Error, path: &str) -> Error {
        error
            .with("path", self.location())
            .with("node", format!("/{path}"))
    }

    fn lookup(&self, path: &str) -> Result<Option<Found>> {
        let root = Found {
            opened: self.opened.clone(),
            node: self.opened.root()?,
        };
        match path {
            "" => Ok(Some(root)),
            path => self.walk(root, path.split('/'), &mut 0),
        }
    }

    fn require(&self, path: &str) -> Result<Found> {
        self.lookup(path)?
            .ok_or_else(|| Error::not_found("nothing is stored here"))
    }

    /// What is found from a node on by one name after the other.
    fn walk<'n>(
        &self,
        from: Found,
        names: impl Iterator<Item = &'n str>,
        followed: &mut usize,
    ) -> Result<Option<Found>> {
        let mut here = from;
        for name in names {
            let Node::Group(group) = &here.node else {
                return Ok(None);
            };
            match self.child(&here.opened, group, name, followed)? {
                Some(found) => here = found,
                None => return Ok(None),
            }
        }
        Ok(Some(here))
    }

    fn child(
        &self,
        opened: &Arc<Opened>,
        group: &Group,
        name: &str,
        followed: &mut usize,
    ) -> Result<Option<Found>> {
        if let Some(node) = opened.child(group, name)? {
            let opened = opened.clone();
            return Ok(Some(Found { opened, node }));
        }
        // Either it is not there, or it is a link that leads nowhere or out of the file.
        let links = opened.links(group)?;
        let link = links.iter().find(|(other, _)| other == name);
        link.map(|(_, target)| self.follow(opened, group, target, followed))
            .transpose()
    }

    /// What a link of `group` leads to.
    fn follow(
        &self,
        opened: &Arc<Opened>,
        group: &Group,
        target: &LinkTarget,
        followed: &mut usize,
    ) -> Result<Found> {
        *followed += 1;
        if *followed > MOST_LINKS {
            return Err(Error::unsupported(format!(
                "more than {MOST_LINKS} links lead from one to the next here, maybe in a circle"
            )));
        }
        let (from, path, shown) = match target {
            LinkTarget::Hard { .. } => return Err(links::neither()),
            LinkTarget::Soft { path } => {
                let node = match path.starts_with('/') {
                    true => opened.root()?,
                    false => Node::Group(group.clone()),
                };
                let opened = opened.clone();
                (Found { opened, node }, path, format!("`{path}`"))
            }
            LinkTarget::External { filename, path } => {
                let opened = self.beside(filename)?;
                let node = opened.root()?;
                let shown = format!("`{path}` of the file `{filename}`");
                (Found { opened, node }, path, shown)
            }
        };
        let names = path.split('/').filter(|name| !matches!(*name, "" | "."));
        self.walk(from, names, followed)?.ok_or_else(|| {
            Error::unsupported(format!(
                "this is a link to {shown}, where nothing is stored"
            ))
        })
    }

    /// The file of this name in the same directory.
    fn beside(&self, filename: &str) -> Result<Arc<Opened>> {
        let refused = |why: &str| {
            Error::unsupported(format!(
                "this is a link into another file (`{filename}`), {why}; copy the data into one \
                 file"
            ))
        };
        let name = filename.strip_prefix("./").unwrap_or(filename);
        let mut parts = Path::new(name).components();
        let is_name = matches!(parts.next(), Some(Component::Normal(part)) if part == name);
        let Some(directory) = &self.directory else {
            return Err(refused("which is followed in local directories only"));
        };
        if !is_name {
            return Err(refused("which is followed inside the same directory only"));
        }
        if let Some(opened) = locked(&self.others).get(name) {
            return Ok(opened.clone());
        }
        let path = directory.join(name);
        let file = LocalFile::open_itself(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => refused("which is not in the same directory"),
            ErrorKind::InvalidInput => refused("which is itself a link, or not a file"),
            _ => error,
        })?;
        let location = path.display().to_string();
        let opened = Opened::parse(Arc::new(file), &location);
        let opened = Arc::new(opened.map_err(|error| error.with("path", &location))?);
        locked(&self.others).insert(name.to_owned(), opened.clone());
        Ok(opened)
    }

    fn kinds(&self, opened: &Arc<Opened>, group: &Group) -> Result<Vec<(String, NodeKind)>> {
        let links = opened.links(group)?;
        let mut children = Vec::with_capacity(links.len());
        for (name, target) in links.iter() {
            // Walks over the store would go astray with such names, which no writer makes.
            if name.is_empty() || name.contains('/') || check_path(name).is_err() {
                return Err(Error::corrupt(format!("a link is named {name:?}")));
            }
            let kind = match target {
                LinkTarget::Hard { address } => links::kind(&opened.file, *address),
                _ => self
                    .follow(opened, group, target, &mut 0)
                    .map(|found| found.node.kind()),
            };
            let kind = match kind {
                Err(error)
                    if is_of_the_file(&error) || error.kind() == ErrorKind::PermissionDenied =>
                {
                    NodeKind::Unreadable
                }
                kind => kind?,
            };
            children.push((name.clone(), kind));
        }
        Ok(children)
    }
}

impl Store for Hdf5Store {
    fn location(&self) -> &str {
        self.opened.source.location()
    }

    fn format(&self) -> &str {
        "HDF5"
    }

    fn is_remote(&self) -> bool {
        self.opened.source.remote().is_some()
    }

    fn node(&self, path: &str) -> Result<Option<NodeKind>> {
        let found = self.lookup(path).map_err(|e| self.context(e, path))?;
        Ok(found.map(|found| found.node.kind()))
    }

    fn children(&self, path: &str) -> Result<Vec<(String, NodeKind)>> {
        let list = || {
            let Found { opened, node } = self.require(path)?;
            match &node {
                Node::Array(_) => Err(Error::not_found("this is an array, not a group")),
                Node::Group(group) => self.kinds(&opened, group),
            }
        };
        list().map_err(|e| self.context(e, path))
    }

    fn attributes(&self, path: &str) -> Result<Attributes> {
        let read = || {
            let Found { opened, node } = self.require(path)?;
            let mut attributes = opened.attributes(&node)?;
            if !Arc::ptr_eq(&opened, &self.opened) {
                // Paths of another file are none of this one.
                for value in attributes.values_mut() {
                    if matches!(value, Attribute::Reference(_)) {
                        *value = Attribute::Other("a reference inside another file".to_owned());
                    }
                }
            }
            Ok(attributes)
        };
        read().map_err(|e| self.context(e, path))
    }

    fn array(&self, path: &str) -> Result<Arc<dyn Array>> {
        let open = || {
            let Found { opened, node } = self.require(path)?;
            match node {
                Node::Group(_) => Err(Error::not_found("this is a group, not an array")),
                Node::Array(dataset) => Hdf5Array::open(
                    &opened.file,
                    &dataset,
                    opened.source.clone(),
                    opened.heaps.clone(),
                    format!("/{path}"),
                ),
            }
        };
        let array = open().map_err(|e| self.context(e, path))?;
        Ok(Arc::new(array))
    }

    fn release(&self) {
        self.opened.release();
        for other in locked(&self.others).values() {
            other.release();
        }
    }
}

impl fmt::Debug for Hdf5Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hdf5Store")
            .field("location", &self.location())
            .finish_non_exhaustive()
    }
}
