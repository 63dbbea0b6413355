//! A hierarchy as a [`Store`].

use std::path::Path;
use std::sync::Arc;

use anndex_store::storage::RemoteContent;
use anndex_store::{Array, Attributes, NodeKind, Store};
use anndex_store::{Error, Limits, Result};

use crate::array::ZarrArray;
use crate::format::ZarrVersion;
use crate::hierarchy::{Hierarchy, Node};

/// An opened Zarr store.
#[derive(Debug)]
pub(crate) struct ZarrStore {
    hierarchy: Arc<Hierarchy>,
}

impl ZarrStore {
    pub(crate) fn open(path: &Path, limits: Limits) -> Result<Self> {
        let hierarchy = Arc::new(Hierarchy::open(path, limits)?);
        Ok(Self { hierarchy })
    }

    pub(crate) fn open_remote(content: &RemoteContent, limits: Limits) -> Result<Self> {
        let hierarchy = Arc::new(Hierarchy::open_remote(content, limits)?);
        Ok(Self { hierarchy })
    }

    fn node_of_kind(&self, path: &str, kind: Option<NodeKind>) -> Result<Node> {
        let node = self.hierarchy.node(path)?;
        node.filter(|node| kind.is_none_or(|kind| node.kind == kind))
            .ok_or_else(|| {
                let what = match kind {
                    Some(NodeKind::Group) => "there is no group here",
                    Some(_) => "there is no array here",
                    None => "nothing is stored here",
                };
                self.hierarchy.named(Error::not_found(what), path)
            })
    }
}

impl Store for ZarrStore {
    fn location(&self) -> &str {
        &self.hierarchy.location
    }

    fn format(&self) -> &str {
        match self.hierarchy.version {
            ZarrVersion::V2 => "Zarr v2",
            ZarrVersion::V3 => "Zarr v3",
        }
    }

    fn is_remote(&self) -> bool {
        self.hierarchy.storage.is_remote()
    }

    fn limits(&self) -> Limits {
        self.hierarchy.limits
    }

    fn node(&self, path: &str) -> Result<Option<NodeKind>> {
        Ok(self.hierarchy.node(path)?.map(|node| node.kind))
    }

    fn children(&self, path: &str) -> Result<Vec<(String, NodeKind)>> {
        self.node_of_kind(path, Some(NodeKind::Group))?;
        self.hierarchy.children(path)
    }

    fn attributes(&self, path: &str) -> Result<Attributes> {
        Ok(self.node_of_kind(path, None)?.attributes)
    }

    fn array(&self, path: &str) -> Result<Arc<dyn Array>> {
        let node = self.node_of_kind(path, Some(NodeKind::Array))?;
        let array = ZarrArray::open(self.hierarchy.clone(), path, node);
        Ok(Arc::new(array.map_err(|e| self.hierarchy.named(e, path))?))
    }
}
