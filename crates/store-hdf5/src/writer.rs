//! Writing HDF5 files: elements first, then all headers, then the superblock that makes it a file.
//!
//! Nothing but headers is held in memory. The file has the structures of HDF5 1.8, which every
//! reader knows.

mod chunks;
mod file;
mod message;
mod value;

use std::collections::BTreeMap;
use std::path::Path;

use anndex_store::{ArrayData, ArraySpec, Attributes, StoreWriter, check_data, check_path};
use anndex_store::{Error, Result};

use crate::grid::Grid;
use chunks::Encoder;
use file::OutputFile;
use message::Kind;
use value::EncodedAttribute;

/// Writes one HDF5 file.
pub(crate) struct Hdf5Writer {
    file: OutputFile,
    location: String,
    nodes: BTreeMap<String, Node>,
}

/// A group or array whose header is not written yet.
struct Node {
    /// Messages of an array; `None` for a group.
    array: Option<Vec<(Kind, Vec<u8>)>>,
    attributes: Vec<EncodedAttribute>,
    /// Names of children.
    children: Vec<String>,
}

impl Hdf5Writer {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        Ok(Self {
            file: OutputFile::create(path)?,
            location: path.display().to_string(),
            nodes: BTreeMap::new(),
        })
    }

    fn context(&self, error: Error, path: &str) -> Error {
        error
            .with("path", &self.location)
            .with("node", format!("/{path}"))
    }

    /// Checks that a node may be written at `path`.
    fn check_place(&self, path: &str) -> Result<()> {
        check_path(path)?;
        if self.nodes.contains_key(path) {
            return Err(Error::invalid_input("this node was written already"));
        }
        let (parent, _) = path.rsplit_once('/').unwrap_or_default();
        let has_parent = self
            .nodes
            .get(parent)
            .is_some_and(|node| node.array.is_none());
        if !path.is_empty() && !has_parent {
            return Err(Error::invalid_input(
                "the parent group must be written first",
            ));
        }
        Ok(())
    }

    fn insert(
        &mut self,
        path: &str,
        array: Option<Vec<(Kind, Vec<u8>)>>,
        attributes: &Attributes,
    ) -> Result<()> {
        let attributes = attributes
            .iter()
            .map(|(name, value)| {
                EncodedAttribute::new(name, value, &mut self.file)
                    .map_err(|e| e.with("attribute", name))
            })
            .collect::<Result<_>>()?;
        if !path.is_empty() {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            if let Some(parent) = self.nodes.get_mut(parent) {
                parent.children.push(name.to_owned());
            }
        }
        let node = Node {
            array,
            attributes,
            children: Vec::new(),
        };
        self.nodes.insert(path.to_owned(), node);
        Ok(())
    }

    /// Writes the elements; returns the messages of the array's header.
    fn write_elements(
        &mut self,
        spec: &ArraySpec,
        data: ArrayData<'_>,
    ) -> Result<Vec<(Kind, Vec<u8>)>> {
        check_data(spec, data)?;
        if spec.shard_shape.is_some() {
            return Err(Error::unsupported("HDF5 has no shards"));
        }
        if spec.shape.len() > 32 {
            return Err(Error::unsupported("HDF5 arrays have at most 32 axes"));
        }
        let mut encoder = Encoder::new(spec.compression)?;
        let (datatype, element_size) = message::datatype(&spec.data_type)?;
        let references;
        let elements = match data {
            ArrayData::Bytes(bytes) => bytes,
            ArrayData::Strings(strings) => {
                references = strings
                    .iter()
                    .map(|text| self.file.store_text(text))
                    .collect::<Result<Vec<_>>>()?
                    .concat();
                &references
            }
        };
        let mut messages = vec![
            (Kind::Dataspace, message::dataspace(&spec.shape)),
            (Kind::Datatype, datatype),
            (
                Kind::FillValue,
                message::fill_value(spec.chunk_shape.is_some()),
            ),
        ];
        match &spec.chunk_shape {
            None if encoder.filter().is_some() => {
                return Err(Error::invalid_input(
                    "compression needs a chunk shape in HDF5",
                ));
            }
            None => {
                let address = match elements {
                    [] => message::UNDEFINED,
                    elements => self.file.append(elements)?,
                };
                let layout = message::contiguous_layout(address, elements.len() as u64);
                messages.push((Kind::Layout, layout));
            }
            Some(chunk_shape) => {
                let chunk_shape: Option<Vec<u32>> =
                    chunk_shape.iter().map(|&n| n.try_into().ok()).collect();
                let grid = chunk_shape
                    .ok_or_else(|| Error::invalid_input("the chunks are too large for HDF5"))
                    .and_then(|chunk_shape| Grid::new(&spec.shape, &chunk_shape, element_size))
                    .map_err(|e| Error::invalid_input(e.message()))?;
                let index = chunks::write(&mut self.file, &grid, elements, &mut encoder)?;
                if let Some((id, setting)) = encoder.filter() {
                    messages.push((Kind::Filters, message::filters(id, setting)));
                }
                let layout = message::chunked_layout(index, &grid.chunk_shape_u32, element_size);
                messages.push((Kind::Layout, layout));
            }
        }
        Ok(messages)
    }

    /// The header of a node, with addresses as `address_of` gives them.
    fn header(
        &self,
        path: &str,
        node: &Node,
        address_of: &dyn Fn(&str) -> Result<u64>,
    ) -> Result<Vec<u8>> {
        let mut messages = match &node.array {
            Some(messages) => messages.clone(),
            None => {
                let mut messages = vec![
                    (Kind::LinkInfo, message::link_info()),
                    (Kind::GroupInfo, message::group_info()),
                ];
                for name in &node.children {
                    let address = address_of(&join(path, name))?;
                    messages.push((Kind::Link, message::link(name, address)));
                }
                messages
            }
        };
        for attribute in &node.attributes {
            messages.push(attribute.message(address_of)?);
        }
        message::object_header(&messages)
    }

    fn write_headers(&mut self) -> Result<u64> {
        // Sizes do not depend on addresses: the first pass finds where each header will be.
        let mut addresses = BTreeMap::new();
        let mut end = self.file.end();
        for (path, node) in &self.nodes {
            let header = self
                .header(path, node, &|_| Ok(0))
                .map_err(|e| self.context(e, path))?;
            addresses.insert(path.clone(), end);
            end += header.len() as u64;
        }
        let address_of = |path: &str| {
            addresses
                .get(path.trim_matches('/'))
                .copied()
                .ok_or_else(|| {
                    Error::invalid_input(format!("a reference to `/{path}`, which was not written"))
                })
        };
        let mut headers = Vec::new();
        for (path, node) in &self.nodes {
            let header = self.header(path, node, &address_of);
            headers.push(header.map_err(|e| self.context(e, path))?);
        }
        for header in headers {
            self.file.append(&header)?;
        }
        address_of("").map_err(|_| Error::invalid_input("the root group was not written"))
    }
}

impl StoreWriter for Hdf5Writer {
    fn write_group(&mut self, path: &str, attributes: &Attributes) -> Result<()> {
        self.check_place(path)
            .and_then(|()| self.insert(path, None, attributes))
            .map_err(|e| self.context(e, path))
    }

    fn write_array(
        &mut self,
        path: &str,
        spec: &ArraySpec,
        data: ArrayData<'_>,
        attributes: &Attributes,
    ) -> Result<()> {
        let mut write = || {
            if path.is_empty() {
                return Err(Error::invalid_input("the root must be a group"));
            }
            self.check_place(path)?;
            let messages = self.write_elements(spec, data)?;
            self.insert(path, Some(messages), attributes)
        };
        write().map_err(|e| self.context(e, path))
    }

    fn start_array(
        &mut self,
        path: &str,
        _spec: &ArraySpec,
        _attributes: &Attributes,
    ) -> Result<()> {
        let message = "arrays in HDF5 are written as a whole; write Zarr, or all rows at once";
        Err(self.context(Error::unsupported(message), path))
    }

    fn append(&mut self, path: &str, _rows: &[u8]) -> Result<()> {
        Err(self.context(Error::invalid_input("no array was started here"), path))
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        let location = self.location.clone();
        let root = self
            .write_headers()
            .map_err(|e| e.with("path", &location))?;
        self.file.finish(root)
    }
}

fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() {
        name.to_owned()
    } else {
        format!("{parent}/{name}")
    }
}
