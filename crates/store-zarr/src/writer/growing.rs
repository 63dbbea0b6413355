//! Arrays that grow along axis 0: chunks are encoded as soon as they are full, many at a time, and
//! written to files of their own or to the shard that is open.

use std::borrow::Cow;
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;

use anndex_store::{ArraySpec, check_growing, check_rows};
use anndex_store::{Error, Result};
use rayon::prelude::*;
use serde_json::Value;
use zarrs::array::codec::api::{ArrayBytes, ArrayToBytesCodecTraits, CodecOptions};
use zarrs::array::{Array, ArrayMetadata};

use super::shard::ShardWriter;
use super::{metadata, unfit, write_file};
use crate::format::ZarrVersion;
use crate::hierarchy::key;

/// An array that is being appended to.
pub(super) struct GrowingArray {
    path: String,
    /// The first extent of its shape is the number of rows so far.
    spec: ArraySpec,
    attributes: Value,
    /// Says how the files are called.
    stored: Array<()>,
    encoder: ChunkEncoder,
    row_bytes: usize,
    /// Rows that do not fill a chunk yet.
    pending: Vec<u8>,
    /// The number of chunks that were written.
    n_chunks: u64,
    shard: Option<ShardWriter>,
}

/// Encodes one chunk; of a sharded array, one of those inside a shard.
pub(super) struct ChunkEncoder {
    array: Array<()>,
    extents: Vec<NonZeroU64>,
}

impl ChunkEncoder {
    /// For chunks of the given extents of the array that a document describes.
    pub(super) fn new(version: ZarrVersion, document: Value, chunk: &[u64]) -> Result<Self> {
        let extents = chunk.iter().copied().map(NonZeroU64::new);
        Ok(Self {
            array: array(version, document)?,
            extents: extents
                .collect::<Option<_>>()
                .ok_or_else(|| Error::invalid_input("a chunk has no extent"))?,
        })
    }

    pub(super) fn encode(&self, chunk: ArrayBytes<'_>) -> Result<Vec<u8>> {
        let (data_type, fill) = (self.array.data_type(), self.array.fill_value());
        let options = CodecOptions::default();
        let codecs = self.array.codecs();
        let encoded = codecs.encode(chunk, &self.extents, data_type, fill, &options);
        let encoded = encoded.map_err(|e| {
            let message = format!("a chunk can't be encoded: {e}");
            Error::new(anndex_store::ErrorKind::Storage, message)
        })?;
        Ok(encoded.into_owned())
    }
}

/// The array that a document describes.
pub(super) fn array(version: ZarrVersion, document: Value) -> Result<Array<()>> {
    let parsed = match version {
        ZarrVersion::V2 => serde_json::from_value(document).map(ArrayMetadata::V2),
        ZarrVersion::V3 => serde_json::from_value(document).map(ArrayMetadata::V3),
    };
    let parsed = parsed.map_err(|e| unfit(e.to_string()))?;
    Array::new_with_metadata(Arc::new(()), "/", parsed).map_err(|e| unfit(e.to_string()))
}

impl GrowingArray {
    /// An array without rows.
    pub(super) fn new(
        version: ZarrVersion,
        path: &str,
        spec: &ArraySpec,
        attributes: Value,
    ) -> Result<Self> {
        let row_bytes = check_growing(spec)?;
        let chunk = spec.chunk_shape.clone().unwrap_or_default();
        let unsharded = ArraySpec {
            shard_shape: None,
            ..spec.clone()
        };
        let document = metadata::array(version, &unsharded, &chunk)?;
        let shard = match (&spec.shard_shape, chunk.first()) {
            (Some(shard), Some(rows)) => Some(ShardWriter::new(shard[0] / rows)?),
            _ => None,
        };
        Ok(Self {
            path: path.to_owned(),
            spec: spec.clone(),
            attributes,
            stored: array(version, metadata::array(version, spec, &chunk)?)?,
            encoder: ChunkEncoder::new(version, document, &chunk)?,
            row_bytes,
            pending: Vec::new(),
            n_chunks: 0,
            shard,
        })
    }

    fn chunk_bytes(&self) -> usize {
        let rows = self.spec.chunk_shape.as_ref().and_then(|c| c.first());
        rows.map_or(1, |&rows| rows as usize)
            .saturating_mul(self.row_bytes)
    }

    /// Appends rows, and writes the chunks that are full by now below `root`.
    pub(super) fn append(&mut self, root: &Path, rows: &[u8]) -> Result<()> {
        self.spec.shape[0] += check_rows(self.row_bytes, rows)?;
        let full = self.chunk_bytes();
        let mut rest = rows;
        let mut first = Vec::new();
        if !self.pending.is_empty() {
            let (head, tail) = rest.split_at(rest.len().min(full - self.pending.len()));
            self.pending.extend_from_slice(head);
            rest = tail;
            if self.pending.len() == full {
                first = std::mem::take(&mut self.pending);
            }
        }
        let (whole, tail) = rest.split_at(rest.len() / full * full);
        self.pending.extend_from_slice(tail);
        // Most chunks are encoded from where they are.
        let first = (!first.is_empty()).then_some(first.as_slice());
        let chunks: Vec<&[u8]> = first.into_iter().chain(whole.chunks(full)).collect();
        self.write(root, &chunks)
    }

    /// Writes what is left, and gives the array's document and attributes.
    pub(super) fn finish(
        mut self,
        root: &Path,
        version: ZarrVersion,
    ) -> Result<(String, Value, Value)> {
        if !self.pending.is_empty() {
            let mut last = std::mem::take(&mut self.pending);
            last.resize(self.chunk_bytes(), 0);
            self.write(root, &[&last])?;
        }
        if let Some(shard) = &mut self.shard {
            shard.finish()?;
        }
        let chunk = self.spec.chunk_shape.clone().unwrap_or_default();
        let document = metadata::array(version, &self.spec, &chunk)?;
        Ok((self.path, document, self.attributes))
    }

    fn write(&mut self, root: &Path, chunks: &[&[u8]]) -> Result<()> {
        let encode = |chunk: &&[u8]| {
            // Readers take chunks that are not stored for zeros.
            if chunk.iter().all(|&byte| byte == 0) {
                return Ok(None);
            }
            let bytes = ArrayBytes::Fixed(Cow::Borrowed(*chunk));
            self.encoder.encode(bytes).map(Some)
        };
        let encoded: Vec<Option<Vec<u8>>> = chunks.par_iter().map(encode).collect::<Result<_>>()?;
        for chunk in encoded {
            let number = self.n_chunks;
            self.n_chunks += 1;
            let mut index = vec![0; self.spec.shape.len()];
            match &mut self.shard {
                Some(shard) => {
                    index[0] = number / shard.n_chunks();
                    let key = key(&self.path, self.stored.chunk_key(&index).as_str());
                    shard.push(&root.join(key), chunk.as_deref())?;
                }
                None => {
                    index[0] = number;
                    let key = key(&self.path, self.stored.chunk_key(&index).as_str());
                    if let Some(chunk) = chunk {
                        write_file(&root.join(key), &chunk)?;
                    }
                }
            }
        }
        Ok(())
    }
}
