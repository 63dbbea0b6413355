//! The tree of groups and arrays: which node has which metadata document.

use std::collections::BTreeMap;
use std::path::Path;

use anndex_store::storage::RemoteContent;
use anndex_store::{Attributes, NodeKind, check_path};
use anndex_store::{Error, ErrorKind, Limits, Result};
use serde_json::{Map, Value};

use crate::format::ZarrVersion;
use crate::json;
use crate::storage::{Directory, Remote, Storage, Zip};

/// No metadata document is longer than this; consolidated ones hold a whole hierarchy.
const DOCUMENT_LIMIT: u64 = 256 << 20;

/// An opened hierarchy.
#[derive(Debug)]
pub(crate) struct Hierarchy {
    pub(crate) location: String,
    pub(crate) version: ZarrVersion,
    pub(crate) storage: Box<dyn Storage>,
    /// How much may be taken for what it says of itself.
    pub(crate) limits: Limits,
    /// All documents by file name (`obs/.zarray`, `obs/zarr.json`), if they are consolidated.
    consolidated: Option<BTreeMap<String, Value>>,
}

/// One node: its kind, its attributes, and the metadata of an array.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    pub(crate) attributes: Attributes,
    /// The document, in which the shape and the codecs of an array stand.
    pub(crate) document: Map<String, Value>,
    /// The name of the document's file, for messages.
    pub(crate) file: String,
}

impl Hierarchy {
    pub(crate) fn open(path: &Path, limits: Limits) -> Result<Self> {
        let metadata = std::fs::metadata(path).map_err(|e| Error::io(path.display(), e))?;
        let storage: Box<dyn Storage> = if metadata.is_dir() {
            Box::new(Directory::open(path)?)
        } else {
            Box::new(Zip::open(path)?)
        };
        let (version, consolidated) = root(&*storage, &limits)?;
        Ok(Self {
            location: path.display().to_string(),
            version,
            storage,
            limits,
            consolidated,
        })
    }

    /// Opens a directory on a server.
    pub(crate) fn open_remote(content: &RemoteContent, limits: Limits) -> Result<Self> {
        let mut storage = Remote::new(content);
        let (version, consolidated) = root(&storage, &limits)?;
        if consolidated.is_none() {
            storage.read_documents()?;
        }
        Ok(Self {
            location: content.location(),
            version,
            storage: Box::new(storage),
            limits,
            consolidated,
        })
    }

    /// The node at `path`; `None` if there is none.
    pub(crate) fn node(&self, path: &str) -> Result<Option<Node>> {
        if check_path(path).is_err() {
            return Ok(None);
        }
        let node = match self.version {
            ZarrVersion::V2 => self.node_v2(path),
            ZarrVersion::V3 => self.node_v3(path),
        };
        node.map_err(|e| self.named(e, path))
    }

    fn node_v2(&self, path: &str) -> Result<Option<Node>> {
        let mut found = None;
        for (kind, name) in [(NodeKind::Array, ".zarray"), (NodeKind::Group, ".zgroup")] {
            let file = key(path, name);
            if let Some(document) = self.document(&file)? {
                found = Some((kind, file, document));
                break;
            }
        }
        let Some((kind, file, document)) = found else {
            return Ok(None);
        };
        let attributes = self.document(&key(path, ".zattrs"))?.unwrap_or_default();
        Ok(Some(Node {
            kind,
            attributes: json::attributes(&attributes),
            document,
            file,
        }))
    }

    fn node_v3(&self, path: &str) -> Result<Option<Node>> {
        let file = key(path, "zarr.json");
        let Some(document) = self.document(&file)? else {
            return Ok(None);
        };
        let wrong = |what: &str| Err(Error::corrupt(what).with("file", &file));
        let kind = match document.get("node_type").and_then(Value::as_str) {
            Some("group") => NodeKind::Group,
            Some("array") => NodeKind::Array,
            _ => return wrong("the metadata have no node_type of group or array"),
        };
        let attributes = match document.get("attributes") {
            None => Attributes::new(),
            Some(Value::Object(attributes)) => json::attributes(attributes),
            Some(_) => return wrong("the attributes are not a JSON object"),
        };
        Ok(Some(Node {
            kind,
            attributes,
            document,
            file,
        }))
    }

    /// The names of the nodes below the group at `path`, sorted, with their kinds.
    pub(crate) fn children(&self, path: &str) -> Result<Vec<(String, NodeKind)>> {
        let mut names = match &self.consolidated {
            None => self.storage.directories(path)?,
            Some(documents) => {
                let prefix = key(path, "");
                let names = documents.range(prefix.clone()..);
                let names = names.map_while(|(file, _)| file.strip_prefix(&prefix));
                names
                    .filter_map(|file| Some(file.split_once('/')?.0.to_owned()))
                    .collect()
            }
        };
        names.sort_unstable();
        names.dedup();
        let mut children = Vec::with_capacity(names.len());
        for name in names {
            let kind = match self.node(&key(path, &name)) {
                Ok(Some(node)) => node.kind,
                Ok(None) => continue,
                // Its document is damaged, which hides none of the others.
                Err(error) if error.kind() == ErrorKind::Corrupt => NodeKind::Unreadable,
                Err(error) => return Err(error),
            };
            children.push((name, kind));
        }
        Ok(children)
    }

    /// The document of a file name. Consolidated metadata are authoritative, as in Python.
    fn document(&self, file: &str) -> Result<Option<Map<String, Value>>> {
        match &self.consolidated {
            None => read_document(&*self.storage, &self.limits, file),
            Some(documents) => match documents.get(file) {
                None => Ok(None),
                Some(Value::Object(document)) => Ok(Some(document.clone())),
                Some(_) => Err(
                    Error::corrupt("the consolidated metadata are not a JSON object")
                        .with("file", file),
                ),
            },
        }
    }

    /// Adds the store and the node to an error.
    pub(crate) fn named(&self, error: Error, path: &str) -> Error {
        error
            .with("path", &self.location)
            .with("node", format!("/{path}"))
    }
}

/// A name below the node at `path`.
pub(crate) fn key(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path => format!("{path}/{name}"),
    }
}

fn read_document(
    storage: &dyn Storage,
    limits: &Limits,
    file: &str,
) -> Result<Option<Map<String, Value>>> {
    let text = storage.read(file, DOCUMENT_LIMIT)?;
    text.map(|text| json::parse(file, &text, limits))
        .transpose()
}

type Documents = BTreeMap<String, Value>;

/// The version of the hierarchy, and its consolidated documents if it has some.
fn root(storage: &dyn Storage, limits: &Limits) -> Result<(ZarrVersion, Option<Documents>)> {
    if let Some(mut root) = read_document(storage, limits, "zarr.json")? {
        let consolidated = root
            .get_mut("consolidated_metadata")
            .and_then(|consolidated| consolidated.get_mut("metadata"))
            .map(Value::take);
        let Some(Value::Object(nodes)) = consolidated else {
            return Ok((ZarrVersion::V3, None));
        };
        root.remove("consolidated_metadata");
        let nodes = nodes.into_iter().filter(|(path, _)| !path.is_empty());
        let mut documents: Documents = nodes
            .map(|(path, document)| (key(&path, "zarr.json"), document))
            .collect();
        documents.insert("zarr.json".to_owned(), Value::Object(root));
        return Ok((ZarrVersion::V3, Some(documents)));
    }
    if let Some(mut consolidated) = read_document(storage, limits, ".zmetadata")? {
        let documents = match consolidated.get_mut("metadata").map(Value::take) {
            Some(Value::Object(documents)) => documents,
            _ => {
                return Err(Error::corrupt("there are no metadata here").with("file", ".zmetadata"));
            }
        };
        return Ok((ZarrVersion::V2, Some(documents.into_iter().collect())));
    }
    for file in [".zgroup", ".zarray"] {
        if read_document(storage, limits, file)?.is_some() {
            return Ok((ZarrVersion::V2, None));
        }
    }
    Err(Error::corrupt(
        "this is not a Zarr store: it has no zarr.json, .zgroup or .zarray",
    ))
}
