//! Writing a hierarchy: into a temporary directory beside the destination, renamed at the end.

mod cut;
mod destination;
mod growing;
mod metadata;
mod shard;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anndex_store::{
    ArrayData, ArraySpec, Attributes, NodeKind, StoreWriter, check_data, check_path,
};
use anndex_store::{Error, Result};
use rayon::prelude::*;
use serde_json::Value;
use tempfile::TempDir;
use zarrs::array::codec::api::{ArrayBytes, ArrayBytesOffsets};

use crate::decoder::CHUNK_LIMIT;
use crate::format::ZarrVersion;
use crate::hierarchy::key;

use cut::{Cut, cut};
use destination::{TEMPORARY, exists, open_to_all, refuse_existing, replace, sync};
use growing::{ChunkEncoder, GrowingArray, array};

/// Names that Zarr itself gives to files in the directory of a node.
const RESERVED: [&str; 5] = ["zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata"];

/// A store that is being written.
pub(crate) struct ZarrWriter {
    version: ZarrVersion,
    destination: PathBuf,
    /// Removed when it is dropped.
    directory: TempDir,
    nodes: BTreeMap<String, NodeKind>,
    /// Arrays that are appended to, by path.
    growing: BTreeMap<String, GrowingArray>,
    /// All metadata documents by file name, to be consolidated.
    documents: BTreeMap<String, Value>,
}

impl ZarrWriter {
    pub(crate) fn create(path: &Path, version: ZarrVersion) -> Result<Self> {
        refuse_existing(path)?;
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let directory = tempfile::Builder::new()
            .prefix(TEMPORARY)
            .suffix(".tmp")
            .tempdir_in(parent)
            .map_err(|e| Error::io(parent.display(), e))?;
        Ok(Self {
            version,
            destination: path.to_owned(),
            directory,
            nodes: BTreeMap::new(),
            growing: BTreeMap::new(),
            documents: BTreeMap::new(),
        })
    }

    /// Checks that a node can be written here.
    fn check_node(&self, path: &str) -> Result<()> {
        check_path(path)?;
        let refused = |what: &str| Err(Error::invalid_input(what).with("node", format!("/{path}")));
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        if RESERVED.contains(&name) {
            return refused("Zarr uses this name for itself");
        }
        if self.nodes.contains_key(path) {
            return refused("this node was written already");
        }
        if !path.is_empty() && self.nodes.get(parent) != Some(&NodeKind::Group) {
            return refused("the parent group must be written first");
        }
        Ok(())
    }

    fn write_file(&self, file: &str, bytes: &[u8]) -> Result<()> {
        write_file(&self.directory.path().join(file), bytes)
            .map_err(|e| e.with("path", self.destination.display()))
    }

    fn write_document(&mut self, path: &str, name: &str, document: Value) -> Result<()> {
        let file = key(path, name);
        let text = serde_json::to_vec_pretty(&document);
        let text = text.map_err(|e| Error::invalid_input("not valid JSON").source_error(e))?;
        self.write_file(&file, &text)?;
        self.documents.insert(file, document);
        Ok(())
    }

    /// Writes the metadata of a node.
    fn write_node(&mut self, path: &str, document: Value, attributes: Value) -> Result<()> {
        match self.version {
            ZarrVersion::V2 => {
                let is_array = document.get("shape").is_some();
                let name = if is_array { ".zarray" } else { ".zgroup" };
                self.write_document(path, name, document)?;
                self.write_document(path, ".zattrs", attributes)
            }
            ZarrVersion::V3 => {
                let mut document = document;
                document["attributes"] = attributes;
                self.write_document(path, "zarr.json", document)
            }
        }
    }

    /// Encodes and writes all chunks (or shards) of an array.
    fn write_chunks(
        &self,
        path: &str,
        document: &Value,
        spec: &ArraySpec,
        stored: &[u64],
        data: ArrayData<'_>,
    ) -> Result<()> {
        let names = array(self.version, document.clone())?;
        let encoder = ChunkEncoder::new(self.version, document.clone(), stored)?;
        let counts = spec
            .shape
            .iter()
            .zip(stored)
            .map(|(extent, chunk)| extent.div_ceil(*chunk));
        let counts: Vec<u64> = counts.collect();
        let write = |number: u64| {
            let mut index = vec![0; counts.len()];
            let mut rest = number;
            for (index, count) in index.iter_mut().zip(&counts).rev() {
                *index = rest % count;
                rest /= count;
            }
            let chunk = match cut(spec, stored, &index, data)? {
                // Readers take chunks that are not stored for zeros.
                Cut::Bytes(bytes) if bytes.iter().all(|&byte| byte == 0) => return Ok(()),
                Cut::Bytes(bytes) => ArrayBytes::Fixed(Cow::Owned(bytes)),
                Cut::Text(bytes, offsets) => {
                    let text = ArrayBytesOffsets::new(offsets)
                        .map_err(|e| unfit(e.to_string()))
                        .and_then(|offsets| {
                            ArrayBytes::new_vlen(bytes, offsets).map_err(|e| unfit(e.to_string()))
                        });
                    text?
                }
            };
            let encoded = encoder.encode(chunk)?;
            self.write_file(&key(path, names.chunk_key(&index).as_str()), &encoded)
        };
        let total = counts.iter().product::<u64>();
        (0..total).into_par_iter().try_for_each(write)
    }
}

impl StoreWriter for ZarrWriter {
    fn write_group(&mut self, path: &str, attributes: &Attributes) -> Result<()> {
        self.check_node(path)?;
        let attributes = crate::json::from_attributes(attributes)?;
        self.write_node(path, metadata::group(self.version), attributes)?;
        self.nodes.insert(path.to_owned(), NodeKind::Group);
        Ok(())
    }

    fn write_array(
        &mut self,
        path: &str,
        spec: &ArraySpec,
        data: ArrayData<'_>,
        attributes: &Attributes,
    ) -> Result<()> {
        self.check_node(path)?;
        check_data(spec, data)?;
        let attributes = crate::json::from_attributes(attributes)?;
        // An axis without elements still needs chunks of an extent.
        let whole = || spec.shape.iter().map(|&extent| extent.max(1)).collect();
        let chunk: Vec<u64> = spec.chunk_shape.clone().unwrap_or_else(whole);
        check_chunk_size(spec, &chunk)?;
        let stored = spec.shard_shape.as_ref().unwrap_or(&chunk);
        let document = metadata::array(self.version, spec, &chunk)?;
        self.write_chunks(path, &document, spec, stored, data)?;
        self.write_node(path, document, attributes)?;
        self.nodes.insert(path.to_owned(), NodeKind::Array);
        Ok(())
    }

    fn start_array(&mut self, path: &str, spec: &ArraySpec, attributes: &Attributes) -> Result<()> {
        self.check_node(path)?;
        if path.is_empty() {
            return Err(Error::invalid_input("the root must be a group"));
        }
        check_chunk_size(spec, spec.chunk_shape.as_deref().unwrap_or_default())?;
        let attributes = crate::json::from_attributes(attributes)?;
        let array = GrowingArray::new(self.version, path, spec, attributes)?;
        self.growing.insert(path.to_owned(), array);
        self.nodes.insert(path.to_owned(), NodeKind::Array);
        Ok(())
    }

    fn append(&mut self, path: &str, rows: &[u8]) -> Result<()> {
        match self.growing.get_mut(path) {
            Some(array) => array
                .append(self.directory.path(), rows)
                .map_err(|e| e.with("path", self.destination.display())),
            None => Err(Error::invalid_input("no array was started here")),
        }
        .map_err(|e| e.with("node", format!("/{path}")))
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        if !self.nodes.contains_key("") {
            return Err(Error::invalid_input("the root group must be written first"));
        }
        for array in std::mem::take(&mut self.growing).into_values() {
            let (path, document, attributes) = array.finish(self.directory.path(), self.version)?;
            self.write_node(&path, document, attributes)?;
        }
        let (file, document) = metadata::consolidated(self.version, &self.documents);
        self.write_document("", file, document)?;
        refuse_existing(&self.destination)?;
        let written = self.directory.path();
        // What came between the check and here is safe: no file, and no directory that holds
        // something, is replaced by a directory.
        let renamed = open_to_all(written)
            .and_then(|()| sync(written))
            .and_then(|()| fs::rename(written, &self.destination));
        renamed.map_err(|e| match e.kind() {
            std::io::ErrorKind::DirectoryNotEmpty | std::io::ErrorKind::NotADirectory => {
                exists(&self.destination)
            }
            _ => Error::io(self.destination.display(), e),
        })?;
        // Under the old name there is nothing left to remove.
        let _ = self.directory.keep();
        self.destination
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .map_or(Ok(()), sync)
            .map_err(|e| Error::io(self.destination.display(), e))
    }
}

/// Writes what makes a directory of stores a group.
pub(crate) fn group_stores(
    version: ZarrVersion,
    directory: &Path,
    attributes: &Attributes,
) -> Result<()> {
    let attributes = crate::json::from_attributes(attributes)?;
    let write = |name: &str, document: &Value| {
        let text = serde_json::to_vec_pretty(document);
        let text = text.map_err(|e| Error::invalid_input("not valid JSON").source_error(e))?;
        replace(&directory.join(name), &text)
    };
    let mut group = metadata::group(version);
    match version {
        ZarrVersion::V2 => {
            // It is a group once it has all attributes.
            write(".zattrs", &attributes)?;
            write(".zgroup", &group)
        }
        ZarrVersion::V3 => {
            group["attributes"] = attributes;
            write("zarr.json", &group)
        }
    }
}

/// Makes a file with the directories above it.
fn create_file(path: &Path) -> Result<File> {
    let created = path
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| File::create(path));
    created.map_err(|e| Error::io(path.display(), e))
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    create_file(path)?
        .write_all(bytes)
        .map_err(|e| Error::io(path.display(), e))
}

fn unfit(reason: String) -> Error {
    Error::unsupported(format!("Zarr can't hold this array: {reason}"))
}

/// Refuses chunks that could not be read again.
fn check_chunk_size(spec: &ArraySpec, chunk: &[u64]) -> Result<()> {
    let size = spec.data_type.fixed_size().unwrap_or(4) as u64;
    let bytes = chunk.iter().try_fold(size, |size, &n| size.checked_mul(n));
    if bytes.is_some_and(|bytes| bytes <= CHUNK_LIMIT) {
        return Ok(());
    }
    Err(Error::unsupported(format!(
        "chunks of {chunk:?} elements are larger than {CHUNK_LIMIT} bytes; choose smaller ones"
    )))
}
