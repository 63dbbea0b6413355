//! Cuts an array into chunks, compresses them and writes their index.

use anndex_store::Compression;
use anndex_store::{Error, Result};
use libdeflater::{CompressionLvl, Compressor};

use super::file::OutputFile;
use super::message::UNDEFINED;
use crate::grid::Grid;

/// Children of a B-tree node; what HDF5 takes by default.
const NODE_CHILDREN: usize = 64;

const DEFLATE: u16 = 1;
const ZSTD: u16 = 32015;

/// A compressor with its level checked.
pub(super) enum Encoder {
    None,
    Deflate(u32, Compressor),
    Zstd(i32),
}

impl Encoder {
    pub(super) fn new(compression: Compression) -> Result<Self> {
        match compression {
            Compression::None => Ok(Self::None),
            Compression::Gzip(level @ 1..=9) => {
                let checked = CompressionLvl::new(level as i32)
                    .map_err(|_| Error::invalid_input("gzip has levels from 1 to 9"))?;
                Ok(Self::Deflate(level, Compressor::new(checked)))
            }
            Compression::Gzip(_) => Err(Error::invalid_input("gzip has levels from 1 to 9")),
            Compression::Zstd(level @ 1..=22) => Ok(Self::Zstd(level)),
            Compression::Zstd(_) => Err(Error::invalid_input("zstd has levels from 1 to 22")),
            other => Err(Error::unsupported(format!(
                "the compression {other:?} can't be written to HDF5"
            ))),
        }
    }

    /// The number of the filter and its setting.
    pub(super) fn filter(&self) -> Option<(u16, u32)> {
        match self {
            Self::None => None,
            Self::Deflate(level, _) => Some((DEFLATE, *level)),
            Self::Zstd(level) => Some((ZSTD, *level as u32)),
        }
    }

    fn encode(&mut self, chunk: &[u8]) -> Result<Option<Vec<u8>>> {
        let failed = || {
            Error::new(
                anndex_store::ErrorKind::Storage,
                "compressing a chunk failed",
            )
        };
        match self {
            Self::None => Ok(None),
            Self::Deflate(_, compressor) => {
                let mut out = vec![0; compressor.zlib_compress_bound(chunk.len())];
                let len = compressor
                    .zlib_compress(chunk, &mut out)
                    .map_err(|e| failed().source_error(e))?;
                out.truncate(len);
                Ok(Some(out))
            }
            Self::Zstd(level) => zstd::bulk::compress(chunk, *level)
                .map(Some)
                .map_err(|e| failed().source_error(e)),
        }
    }
}

/// A stored chunk, as the index names it.
struct Entry {
    /// Element offsets of the chunk.
    offsets: Vec<u64>,
    address: u64,
    len: u32,
}

/// Writes the chunks of `elements` and their index; returns the address of the index, which is
/// undefined if there are no chunks.
pub(super) fn write(
    file: &mut OutputFile,
    grid: &Grid,
    elements: &[u8],
    encoder: &mut Encoder,
) -> Result<u64> {
    let mut entries = Vec::new();
    let mut chunk = vec![0; grid.chunk_bytes];
    for position in 0..grid.chunk_count {
        let offsets = grid.gather(position, elements, &mut chunk)?;
        let encoded = encoder.encode(&chunk)?;
        let stored = encoded.as_deref().unwrap_or(&chunk);
        entries.push(Entry {
            offsets,
            address: file.append(stored)?,
            len: u32::try_from(stored.len())
                .map_err(|_| Error::unsupported("a chunk of more than 4 GiB"))?,
        });
    }
    write_index(file, grid, entries)
}

/// Writes the B-tree from its leaves to its root.
fn write_index(file: &mut OutputFile, grid: &Grid, mut entries: Vec<Entry>) -> Result<u64> {
    if entries.is_empty() {
        return Ok(UNDEFINED);
    }
    // What ends the last key of each level: one past the last chunk.
    let mut end = vec![0; grid.shape.len()];
    end[0] = grid.shape[0].next_multiple_of(grid.chunk_shape[0]);
    let node_bytes = 24 + (NODE_CHILDREN + 1) * key_bytes(grid) + NODE_CHILDREN * 8;
    for level in 0u8.. {
        let first = file.end();
        let count = entries.len().div_ceil(NODE_CHILDREN);
        let mut parents = Vec::with_capacity(count);
        for (index, children) in entries.chunks(NODE_CHILDREN).enumerate() {
            let sibling = |index: Option<usize>| match index {
                Some(index) if index < count => first + (index * node_bytes) as u64,
                _ => UNDEFINED,
            };
            let mut node = b"TREE\x01".to_vec();
            node.push(level);
            node.extend((children.len() as u16).to_le_bytes());
            node.extend(sibling(index.checked_sub(1)).to_le_bytes());
            node.extend(sibling(Some(index + 1)).to_le_bytes());
            for child in children {
                push_key(&mut node, child.len, &child.offsets);
                node.extend(child.address.to_le_bytes());
            }
            let next = entries.get((index + 1) * NODE_CHILDREN);
            push_key(&mut node, 0, next.map_or(&end, |next| &next.offsets));
            node.resize(node_bytes, 0);
            parents.push(Entry {
                offsets: children[0].offsets.clone(),
                address: file.append(&node)?,
                len: children[0].len,
            });
        }
        if let [root] = parents.as_slice() {
            return Ok(root.address);
        }
        entries = parents;
    }
    Err(Error::unsupported("too many chunks for HDF5"))
}

fn key_bytes(grid: &Grid) -> usize {
    8 + 8 * (grid.shape.len() + 1)
}

fn push_key(node: &mut Vec<u8>, len: u32, offsets: &[u64]) {
    node.extend(len.to_le_bytes());
    // No filter is skipped; the last offset is inside the element.
    node.extend([0; 4]);
    node.extend(offsets.iter().chain([&0]).flat_map(|n| n.to_le_bytes()));
}
