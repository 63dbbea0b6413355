//! B-trees of chunks in files on a server: where thousands of chunks are stands in tens of nodes all
//! over the file. Those of a level are read at the same time.

use std::ops::Range;

use anndex_store::Result;
use anndex_store::storage::RemoteFile;
use hdf5_reader::Storage;

use crate::error::from_hdf5;
use crate::source::Source;

/// What nodes have room for, unless a writer was told otherwise. A larger one takes one more request.
const CHILDREN: usize = 64;
/// Nodes are joined over no more bytes than this, lest all that lies between them be read.
const GAP: u64 = 16 << 10;

/// How the nodes of a tree are laid out. The format: "Version 1 B-trees" in the HDF5 File Format
/// Specification.
#[derive(Clone, Copy)]
pub(crate) struct ChunkTree {
    offset_size: usize,
    /// Size, filters, and one offset for each axis and for the element.
    key_bytes: usize,
}

impl ChunkTree {
    pub(crate) fn new(offset_size: u8, rank: usize) -> Self {
        Self {
            offset_size: usize::from(offset_size),
            key_bytes: 8 + 8 * (rank + 1),
        }
    }

    /// The file, of which all nodes from `root` on were read ahead; `None` if there is none below
    /// it. Roots are read from `structure`: they lie beside the descriptions of their arrays. What is
    /// damaged is left to whoever reads the nodes.
    ///
    /// # Errors
    /// `Corrupt` if the root is cut off; what a request gives.
    pub(crate) fn read_ahead(
        self,
        structure: &dyn Storage,
        source: &Source,
        file: &RemoteFile,
        root: u64,
    ) -> Result<Option<Source>> {
        let mut level = self.level(structure, root)?;
        if level == 0 {
            return Ok(None);
        }
        let mut source = source.clone();
        let mut nodes = self.children(structure, root)?;
        // Whoever reads the tree begins with it.
        nodes.push(root);
        loop {
            nodes.sort_unstable();
            nodes.dedup();
            nodes.retain(|&node| source.contains(node, self.header_bytes() as u64));
            let ranges = nodes.iter().map(|&node| self.range(node, source.len()));
            source = source.read_ahead_within(file, GAP, ranges)?;
            // Each level is below the last one, so that there is an end.
            level -= 1;
            if level == 0 || nodes.is_empty() {
                return Ok(Some(source));
            }
            let mut below = Vec::new();
            for node in nodes {
                if self.level(&source, node)? == level {
                    below.extend(self.children(&source, node)?);
                }
            }
            nodes = below;
        }
    }

    fn header_bytes(self) -> usize {
        8 + 2 * self.offset_size
    }

    fn range(self, node: u64, end: u64) -> Range<u64> {
        let entries = CHILDREN * (self.key_bytes + self.offset_size) + self.key_bytes;
        let bytes = self.header_bytes() + entries;
        node..node.saturating_add(bytes as u64).min(end)
    }

    /// The level of a node; 0, which is that of a leaf, if it is no node.
    fn level(self, storage: &dyn Storage, node: u64) -> Result<u8> {
        let header = storage.read_range(node, 8).map_err(from_hdf5)?;
        Ok(match header.get(..4) {
            Some(b"TREE") => header.get(5).copied().unwrap_or(0),
            _ => 0,
        })
    }

    /// The addresses of the nodes below a node that is not a leaf.
    fn children(self, storage: &dyn Storage, node: u64) -> Result<Vec<u64>> {
        let header = storage.read_range(node, 8).map_err(from_hdf5)?;
        let count = header.get(6..8).map_or(0, |count| {
            usize::from(count[0]) | usize::from(count[1]) << 8
        });
        let entry_bytes = self.key_bytes + self.offset_size;
        let start = node.saturating_add(self.header_bytes() as u64);
        let entries = storage
            .read_range(start, count * entry_bytes)
            .map_err(from_hdf5)?;
        let addresses = entries.chunks_exact(entry_bytes).map(|entry| {
            let address = entry[self.key_bytes..].iter().rev();
            address.fold(0, |address, &byte| address << 8 | u64::from(byte))
        });
        Ok(addresses.collect())
    }
}
