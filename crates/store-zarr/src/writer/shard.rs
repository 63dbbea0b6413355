//! Writing a shard chunk by chunk, so that one can be larger than memory: the chunks, then the
//! index of where each of them is.

use std::borrow::Cow;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anndex_store::{Error, Result};
use serde_json::json;
use zarrs::array::codec::api::ArrayBytes;

use super::create_file;
use super::growing::ChunkEncoder;
use super::metadata::index_codecs;
use crate::format::ZarrVersion;
use crate::shard::ABSENT;

/// The shards of one array, one after the other.
pub(super) struct ShardWriter {
    n_chunks: u64,
    index: ChunkEncoder,
    /// Position and length of each chunk of the shard that is open.
    entries: Vec<(u64, u64)>,
    /// The shard that is open; there is none before a chunk is stored in it.
    file: Option<(PathBuf, File)>,
    position: u64,
}

impl ShardWriter {
    /// For shards of so many chunks.
    pub(super) fn new(n_chunks: u64) -> Result<Self> {
        let shape = [n_chunks, 2];
        let document = json!({
            "zarr_format": 3,
            "node_type": "array",
            "shape": shape,
            "data_type": "uint64",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shape}},
            "chunk_key_encoding": {"name": "default"},
            "fill_value": u64::MAX,
            "codecs": index_codecs(),
        });
        Ok(Self {
            n_chunks,
            index: ChunkEncoder::new(ZarrVersion::V3, document, &shape)?,
            entries: Vec::new(),
            file: None,
            position: 0,
        })
    }

    /// The number of chunks in a shard.
    pub(super) fn n_chunks(&self) -> u64 {
        self.n_chunks
    }

    /// Writes the next chunk, `None` if it is not stored. `path` is where its shard belongs.
    pub(super) fn push(&mut self, path: &Path, chunk: Option<&[u8]>) -> Result<()> {
        let Some(chunk) = chunk else {
            self.entries.push(ABSENT);
            return self.finish_full();
        };
        let (path, file) = match &mut self.file {
            Some(open) => open,
            empty => empty.insert((path.to_owned(), create_file(path)?)),
        };
        file.write_all(chunk)
            .map_err(|e| Error::io(path.display(), e))?;
        self.entries.push((self.position, chunk.len() as u64));
        self.position += chunk.len() as u64;
        self.finish_full()
    }

    fn finish_full(&mut self) -> Result<()> {
        match self.entries.len() as u64 == self.n_chunks {
            true => self.finish(),
            false => Ok(()),
        }
    }

    /// Completes the shard that is open, if there is one.
    pub(super) fn finish(&mut self) -> Result<()> {
        let mut entries = std::mem::take(&mut self.entries);
        self.position = 0;
        let Some((path, mut file)) = self.file.take() else {
            return Ok(());
        };
        entries.resize(self.n_chunks as usize, ABSENT);
        let numbers = entries
            .iter()
            .flat_map(|&(position, length)| [position, length]);
        let bytes: Vec<u8> = numbers.flat_map(u64::to_ne_bytes).collect();
        let index = self.index.encode(ArrayBytes::Fixed(Cow::Owned(bytes)))?;
        file.write_all(&index)
            .map_err(|e| Error::io(path.display(), e))
    }
}
