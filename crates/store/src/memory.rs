//! A store held in memory: the reference for the conformance suite, and for tests of everything
//! above the store.

mod format;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use format::MemoryFormat;

use super::{
    Array, ArrayData, ArrayInfo, ArraySpec, Attributes, NodeKind, Span, Store, StoreWriter,
    Strings, check_data, check_growing, check_path, check_rows, check_spans,
};
use crate::error::{Error, Result};

/// A tree of groups and arrays in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    location: String,
    nodes: BTreeMap<String, Node>,
}

#[derive(Debug, Clone)]
enum Node {
    Group(Attributes),
    Array(Arc<MemoryArray>, Attributes),
}

#[derive(Debug, Clone)]
struct MemoryArray {
    info: ArrayInfo,
    data: MemoryData,
    /// The bytes of a row, if rows can be appended.
    grows_by: Option<usize>,
}

#[derive(Debug, Clone)]
enum MemoryData {
    Bytes(Vec<u8>),
    Strings(Strings),
}

impl MemoryStore {
    /// An empty store; `location` names it in messages.
    pub fn new(location: impl Into<String>) -> Self {
        Self {
            location: location.into(),
            nodes: BTreeMap::new(),
        }
    }

    fn lookup(&self, path: &str) -> Result<&Node> {
        self.nodes.get(path).ok_or_else(|| {
            Error::not_found("nothing is stored here")
                .with("path", &self.location)
                .with("node", format!("/{path}"))
        })
    }

    fn insert_array(
        &mut self,
        path: &str,
        spec: &ArraySpec,
        data: MemoryData,
        grows_by: Option<usize>,
        attributes: &Attributes,
    ) -> Result<()> {
        let info = ArrayInfo {
            data_type: spec.data_type.clone(),
            shape: spec.shape.clone(),
            chunk_shape: spec.chunk_shape.clone(),
            shard_shape: spec.shard_shape.clone(),
            filters: Vec::new(),
            stored_bytes: None,
        };
        let array = MemoryArray {
            info,
            data,
            grows_by,
        };
        self.insert(path, Node::Array(Arc::new(array), attributes.clone()))
    }

    fn insert(&mut self, path: &str, node: Node) -> Result<()> {
        check_path(path)?;
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let has_parent = path.is_empty() || matches!(self.nodes.get(parent), Some(Node::Group(_)));
        if !has_parent {
            return Err(
                Error::invalid_input("the parent group must be written first")
                    .with("node", format!("/{path}")),
            );
        }
        if self.nodes.contains_key(path) {
            return Err(Error::invalid_input("this node was written already")
                .with("node", format!("/{path}")));
        }
        self.nodes.insert(path.to_owned(), node);
        Ok(())
    }
}

impl StoreWriter for MemoryStore {
    fn write_group(&mut self, path: &str, attributes: &Attributes) -> Result<()> {
        self.insert(path, Node::Group(attributes.clone()))
    }

    fn write_array(
        &mut self,
        path: &str,
        spec: &ArraySpec,
        data: ArrayData<'_>,
        attributes: &Attributes,
    ) -> Result<()> {
        check_data(spec, data)?;
        let data = match data {
            ArrayData::Bytes(bytes) => MemoryData::Bytes(bytes.to_vec()),
            ArrayData::Strings(strings) => MemoryData::Strings(strings.clone()),
        };
        self.insert_array(path, spec, data, None, attributes)
    }

    fn start_array(&mut self, path: &str, spec: &ArraySpec, attributes: &Attributes) -> Result<()> {
        let grows_by = check_growing(spec)?;
        let data = MemoryData::Bytes(Vec::new());
        self.insert_array(path, spec, data, Some(grows_by), attributes)
    }

    fn append(&mut self, path: &str, rows: &[u8]) -> Result<()> {
        if let Some(Node::Array(array, _)) = self.nodes.get_mut(path)
            && let array = Arc::make_mut(array)
            && let (Some(row_bytes), MemoryData::Bytes(bytes), Some(extent)) = (
                array.grows_by,
                &mut array.data,
                array.info.shape.first_mut(),
            )
        {
            *extent += check_rows(row_bytes, rows)?;
            bytes.extend_from_slice(rows);
            return Ok(());
        }
        Err(Error::invalid_input("no array was started here").with("node", format!("/{path}")))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

impl Store for MemoryStore {
    fn location(&self) -> &str {
        &self.location
    }

    fn format(&self) -> &str {
        "memory"
    }

    fn node(&self, path: &str) -> Result<Option<NodeKind>> {
        Ok(self.nodes.get(path).map(Node::kind))
    }

    fn children(&self, path: &str) -> Result<Vec<(String, NodeKind)>> {
        match self.lookup(path)? {
            Node::Array(..) => {
                Err(Error::not_found("this is an array, not a group").with("node", path))
            }
            Node::Group(_) => {
                let prefix = if path.is_empty() {
                    String::new()
                } else {
                    format!("{path}/")
                };
                Ok(self
                    .nodes
                    .iter()
                    .filter_map(|(key, node)| {
                        let name = key.strip_prefix(&prefix)?;
                        let direct = !name.is_empty() && !name.contains('/');
                        direct.then(|| (name.to_owned(), node.kind()))
                    })
                    .collect())
            }
        }
    }

    fn attributes(&self, path: &str) -> Result<Attributes> {
        match self.lookup(path)? {
            Node::Group(attributes) | Node::Array(_, attributes) => Ok(attributes.clone()),
        }
    }

    fn array(&self, path: &str) -> Result<Arc<dyn Array>> {
        match self.lookup(path)? {
            Node::Array(array, _) => Ok(array.clone()),
            Node::Group(_) => {
                Err(Error::not_found("this is a group, not an array").with("node", path))
            }
        }
    }
}

impl Node {
    fn kind(&self) -> NodeKind {
        match self {
            Self::Group(_) => NodeKind::Group,
            Self::Array(..) => NodeKind::Array,
        }
    }
}

impl Array for MemoryArray {
    fn info(&self) -> &ArrayInfo {
        &self.info
    }

    fn read_spans(&self, spans: &[Span], out: &mut [u8]) -> Result<()> {
        check_spans(&self.info, spans, Some(out.len()))?;
        let MemoryData::Bytes(bytes) = &self.data else {
            return Err(Error::invalid_input("the elements are strings"));
        };
        let row = self.info.row_bytes()?;
        let mut rest = out;
        for span in spans {
            let source = &bytes[span.start as usize * row..span.end as usize * row];
            let (head, tail) = rest.split_at_mut(source.len());
            head.copy_from_slice(source);
            rest = tail;
        }
        Ok(())
    }

    fn read_strings(&self, spans: &[Span]) -> Result<Strings> {
        check_spans(&self.info, spans, None)?;
        let MemoryData::Strings(strings) = &self.data else {
            return Err(Error::invalid_input("the elements are not strings"));
        };
        let row = self.info.row_elements()? as usize;
        let indices = spans
            .iter()
            .flat_map(|s| s.start as usize * row..s.end as usize * row);
        Ok(indices.filter_map(|index| strings.get(index)).collect())
    }

    fn field(&self, _name: &str) -> Result<Arc<dyn Array>> {
        Err(Error::invalid_input("the elements are not structs"))
    }
}
