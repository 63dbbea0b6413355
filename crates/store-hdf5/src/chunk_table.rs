//! Where each chunk of an array is stored, in one sorted list whatever index the file has.

use anndex_store::{Error, Result};
use hdf5_reader::btree_v1::{BTreeV1Key, collect_btree_v1_leaves_storage};
use hdf5_reader::chunk_index::{
    ChunkEntry, collect_implicit_chunk_entries, collect_v2_chunk_entries_storage,
    single_chunk_entry,
};
use hdf5_reader::extensible_array::collect_extensible_array_chunk_entries_storage;
use hdf5_reader::fixed_array::collect_fixed_array_chunk_entries_storage;
use hdf5_reader::messages::layout::ChunkIndexing;
use hdf5_reader::{Hdf5File, Storage};

use crate::chunk_tree::ChunkTree;
use crate::error::from_hdf5;
use crate::grid::{Grid, USUAL_CHUNK_BYTES};
use crate::source::Source;

/// Decompressing makes no more than this of a byte (zstd on constants comes near).
const LARGEST_RATIO: usize = 1 << 16;

/// One stored chunk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunk {
    pub(crate) address: u64,
    /// Bytes as compressed.
    pub(crate) stored_bytes: u32,
    /// One bit for each filter that was skipped.
    pub(crate) filter_mask: u32,
}

/// All stored chunks of an array.
#[derive(Debug)]
pub(crate) struct ChunkTable {
    /// Sorted positions in the grid, in C order. Empty if every chunk of the grid is stored.
    positions: Vec<u64>,
    chunks: Vec<Chunk>,
}

/// Where and of which kind the index of an array is.
#[derive(Debug, Clone)]
pub(crate) struct ChunkIndex {
    pub(crate) address: u64,
    /// `None` for the B-tree of version 1.
    pub(crate) kind: Option<ChunkIndexing>,
    pub(crate) max_shape: Option<Vec<u64>>,
}

impl ChunkTable {
    /// Reads the index.
    ///
    /// # Errors
    /// `Corrupt` if it is damaged, or names chunks outside the grid or the file.
    pub(crate) fn load(
        file: &Hdf5File,
        source: &Source,
        index: &ChunkIndex,
        grid: &Grid,
        element_size: usize,
    ) -> Result<Self> {
        let superblock = file.superblock();
        let mut positioned = Vec::new();
        for entry in index.entries(file, source, grid, element_size)? {
            let undefined = is_undefined(entry.address, superblock.offset_size);
            let Some(position) = grid.position(&entry.offsets)?.filter(|_| !undefined) else {
                continue;
            };
            // Indexes of unfiltered chunks leave the size out.
            let stored_bytes = match entry.size {
                0 => grid.chunk_bytes as u64,
                size => size,
            };
            if !source.contains(entry.address, stored_bytes) {
                return Err(Error::corrupt(format!(
                    "a chunk of {stored_bytes} bytes at {} lies past the end of the file",
                    entry.address
                )));
            }
            let is_possible = |&bytes: &u32| {
                let (bytes, decoded) = (bytes as usize, grid.chunk_bytes);
                // Compressing makes even the largest one no larger than this.
                bytes / 2 <= decoded.max(USUAL_CHUNK_BYTES)
                    && (decoded <= USUAL_CHUNK_BYTES || decoded / LARGEST_RATIO <= bytes)
            };
            let stored_bytes = u32::try_from(stored_bytes)
                .ok()
                .filter(is_possible)
                .ok_or_else(|| {
                    Error::corrupt(format!(
                        "a chunk of {} bytes can't be stored in {stored_bytes}",
                        grid.chunk_bytes
                    ))
                })?;
            let chunk = Chunk {
                address: entry.address,
                stored_bytes,
                filter_mask: entry.filter_mask,
            };
            positioned.push((position, chunk));
        }
        positioned.sort_unstable_by_key(|(position, _)| *position);
        if positioned.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(Error::corrupt("the index names a chunk twice"));
        }
        let is_complete = positioned.len() as u64 == grid.chunk_count;
        let (mut positions, chunks): (Vec<_>, Vec<_>) = positioned.into_iter().unzip();
        if is_complete {
            positions = Vec::new();
        }
        Ok(Self { positions, chunks })
    }

    /// A table without chunks, for arrays that nothing was written to.
    pub(crate) fn empty() -> Self {
        Self {
            positions: Vec::new(),
            chunks: Vec::new(),
        }
    }

    /// The chunk at a position of the grid; `None` if it was never written.
    pub(crate) fn get(&self, position: u64) -> Option<&Chunk> {
        let index = if self.positions.is_empty() {
            usize::try_from(position).ok()?
        } else {
            self.positions.binary_search(&position).ok()?
        };
        self.chunks.get(index)
    }

    /// Bytes of all stored chunks.
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.chunks.iter().map(|c| u64::from(c.stored_bytes)).sum()
    }
}

impl ChunkIndex {
    fn entries(
        &self,
        file: &Hdf5File,
        source: &Source,
        grid: &Grid,
        element_size: usize,
    ) -> Result<Vec<ChunkEntry>> {
        let storage = file.storage();
        let offset_size = file.superblock().offset_size;
        let length_size = file.superblock().length_size;
        let rank = grid.shape.len();
        let shape = &grid.shape;
        let chunk_shape = &grid.chunk_shape_u32;
        if is_undefined(self.address, offset_size) {
            return Ok(Vec::new());
        }
        let entries = match &self.kind {
            None => {
                let ahead = match source.remote() {
                    None => None,
                    Some(file) => {
                        let tree = ChunkTree::new(offset_size, rank);
                        tree.read_ahead(storage, source, file, self.address)?
                    }
                };
                let nodes: &dyn Storage = match &ahead {
                    None => storage,
                    Some(ahead) => ahead,
                };
                let leaves = collect_btree_v1_leaves_storage(
                    nodes,
                    self.address,
                    offset_size,
                    length_size,
                    Some(rank as u32),
                    chunk_shape,
                    None,
                )
                .map_err(from_hdf5)?;
                return leaves
                    .into_iter()
                    .map(|leaf| leaf_entry(leaf, rank))
                    .collect();
            }
            Some(ChunkIndexing::SingleChunk {
                filtered_size,
                filters,
            }) => Ok(vec![single_chunk_entry(
                self.address,
                *filtered_size,
                *filters,
                rank,
            )]),
            Some(ChunkIndexing::Implicit) => collect_implicit_chunk_entries(
                self.address,
                shape,
                chunk_shape,
                element_size,
                None,
                storage.len(),
            ),
            Some(ChunkIndexing::FixedArray { .. }) => collect_fixed_array_chunk_entries_storage(
                storage,
                self.address,
                offset_size,
                length_size,
                shape,
                chunk_shape,
                None,
            ),
            Some(ChunkIndexing::ExtensibleArray { .. }) => {
                collect_extensible_array_chunk_entries_storage(
                    storage,
                    self.address,
                    offset_size,
                    length_size,
                    shape,
                    self.max_shape.as_deref(),
                    chunk_shape,
                    None,
                )
            }
            Some(ChunkIndexing::BTreeV2) => collect_v2_chunk_entries_storage(
                storage,
                self.address,
                offset_size,
                length_size,
                rank as u32,
                chunk_shape,
                None,
            ),
        };
        entries.map_err(from_hdf5)
    }
}

fn leaf_entry((key, address): (BTreeV1Key, u64), rank: usize) -> Result<ChunkEntry> {
    match key {
        BTreeV1Key::RawData {
            chunk_size,
            filter_mask,
            mut offsets,
        } => {
            offsets.truncate(rank);
            Ok(ChunkEntry {
                address,
                size: chunk_size.into(),
                filter_mask,
                offsets,
            })
        }
        BTreeV1Key::Group { .. } => Err(Error::corrupt("the chunk index of the array is damaged")),
    }
}

/// Whether an address of `offset_size` bytes means "nowhere": all bits set.
pub(crate) fn is_undefined(address: u64, offset_size: u8) -> bool {
    hdf5_reader::io::Cursor::is_undefined_offset(address, offset_size)
}
