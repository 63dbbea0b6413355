//! One array, or one field of a structured array, as core's [`Array`].

mod chunks;
mod grid;
mod text;
mod view;

use std::sync::Arc;

use anndex_codec::Scratch;
use anndex_store::storage::Fetched;
use anndex_store::{Array, ArrayInfo, DataType, Span, Strings, check_spans};
use anndex_store::{Error, Result};

use crate::array::chunks::Chunks;
use crate::array::grid::Piece;
use crate::array::view::View;
use crate::decoder::Decoded;
use crate::element::Element;
use crate::hierarchy::{Hierarchy, Node};

/// An opened array. Handles share nothing but the indexes of shards, which are read once.
#[derive(Debug, Clone)]
pub(crate) struct ZarrArray {
    chunks: Arc<Chunks>,
    /// What of each element is read.
    view: View,
    info: ArrayInfo,
    /// What was read ahead.
    ahead: Option<Fetched>,
}

impl ZarrArray {
    pub(crate) fn open(hierarchy: Arc<Hierarchy>, path: &str, node: Node) -> Result<Self> {
        let chunks = Arc::new(Chunks::open(hierarchy, path, &node)?);
        let layout = &chunks.layout;
        // Stored whole and as they are, elements can be read without reading a chunk.
        let one = layout
            .shape
            .iter()
            .zip(&layout.chunk)
            .all(|(extent, chunk)| extent <= chunk);
        let whole = layout.plain && layout.shard.is_none() && one;
        let info = ArrayInfo {
            data_type: layout.element.data_type(),
            shape: layout.shape.clone(),
            chunk_shape: (!whole).then(|| layout.chunk.clone()),
            shard_shape: layout.shard.clone(),
            filters: layout.filters.clone(),
            stored_bytes: chunks.stored_bytes(),
        };
        let view = View::whole(&layout.element);
        Ok(Self {
            chunks,
            view,
            info,
            ahead: None,
        })
    }

    fn read_numbers(&self, spans: &[Span], out: &mut [u8]) -> Result<()> {
        let chunks = &self.chunks;
        let row_bytes = self.info.row_bytes()?;
        chunks.codecs()?;
        if out.is_empty() {
            return Ok(());
        }
        let parts = self.reads_parts();
        let fetched = match &self.ahead {
            Some(ahead) => ahead.clone(),
            None => chunks
                .read_ahead(spans, parts, row_bytes)?
                .unwrap_or_default(),
        };
        chunks.layout.for_each_row(spans, |row, pieces| {
            let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else {
                return Ok(());
            };
            let range = first.at as usize * row_bytes..(last.at + last.len()) as usize * row_bytes;
            let out = out.get_mut(range).ok_or_else(|| {
                Error::invalid_input("the buffer does not fit the rows that were asked for")
            })?;
            if parts {
                return chunks.read_parts(row, pieces, row_bytes, &fetched, out);
            }
            chunks.layout.for_each_in_row(row, |trailing, index| {
                self.read_chunk(trailing, index, pieces, row_bytes, &fetched, out)
            })
        })?;
        if self.info.data_type == DataType::Bool {
            out.iter_mut().for_each(|byte| *byte = u8::from(*byte != 0));
        }
        Ok(())
    }
}

impl ZarrArray {
    /// Whether rows are read without the chunk around them.
    fn reads_parts(&self) -> bool {
        self.view.is_plain() && self.chunks.reads_parts()
    }

    /// Reads pieces of a row of chunks as far as they lie in one chunk. `out` begins with the
    /// first of them.
    fn read_chunk(
        &self,
        trailing: &[u64],
        index: &[u64],
        pieces: &[Piece],
        row_bytes: usize,
        fetched: &Fetched,
        out: &mut [u8],
    ) -> Result<()> {
        let layout = &self.chunks.layout;
        let codecs = self.chunks.codecs()?;
        let damaged = || self.chunks.damaged(index);
        // Where each piece goes in the output.
        let first = pieces.first().map_or(0, |piece| piece.at);
        let start = |piece: &Piece| (piece.at - first) as usize * row_bytes;
        let copy = |chunk: &[u8], out: &mut [u8]| {
            pieces.iter().try_for_each(|piece| {
                let out = out.get_mut(start(piece)..)?;
                layout.for_each_run(trailing, &piece.rows, |from, to, count| {
                    self.view.copy(chunk, from, out, to, count)
                })
            })
        };
        Scratch::with(|scratch| {
            let Scratch {
                stored,
                chunk,
                decoders,
            } = scratch;
            self.chunks.with_stored(index, fetched, stored, |stored| {
                let Some(stored) = stored else {
                    return pieces
                        .iter()
                        .try_for_each(|piece| {
                            let out = out.get_mut(start(piece)..)?;
                            layout.for_each_run(trailing, &piece.rows, |_, to, count| {
                                self.view.fill(&codecs.fill, out, to, count)
                            })
                        })
                        .ok_or_else(damaged);
                };
                let Some(chunk_bytes) = codecs.decoder.direct_bytes() else {
                    return match codecs.decoder.decode(stored.to_vec())? {
                        Decoded::Fixed(bytes) => copy(&bytes, out).ok_or_else(damaged),
                        Decoded::Text { .. } => Err(damaged()),
                    };
                };
                let is_whole = self.view.is_plain() && layout.is_whole_chunk(pieces);
                if is_whole && let Some(out) = out.get_mut(..chunk_bytes) {
                    return codecs.decoder.decode_into(decoders, stored, None, out);
                }
                let parts = layout.parts(pieces, chunk_bytes);
                let chunk = chunk.room(chunk_bytes)?;
                codecs
                    .decoder
                    .decode_into(decoders, stored, Some(&parts), chunk)?;
                copy(chunk, out).ok_or_else(damaged)
            })
        })
    }
}

impl Array for ZarrArray {
    fn info(&self) -> &ArrayInfo {
        &self.info
    }

    fn read_spans(&self, spans: &[Span], out: &mut [u8]) -> Result<()> {
        let read = check_spans(&self.info, spans, Some(out.len()))
            .and_then(|_| self.read_numbers(spans, out));
        read.map_err(|e| self.chunks.named(e))
    }

    fn read_ahead(&self, spans: &[Span]) -> Result<Option<Arc<dyn Array>>> {
        let read = || {
            check_spans(&self.info, spans, None)?;
            let row_bytes = self.info.row_bytes()?;
            self.chunks.read_ahead(spans, self.reads_parts(), row_bytes)
        };
        let ahead = read().map_err(|e| self.chunks.named(e))?;
        Ok(ahead.map(|fetched| -> Arc<dyn Array> {
            Arc::new(Self {
                ahead: Some(fetched),
                ..self.clone()
            })
        }))
    }

    fn read_strings(&self, spans: &[Span]) -> Result<Strings> {
        let read = check_spans(&self.info, spans, None).and_then(|_| {
            self.chunks.codecs()?;
            if self.info.data_type == DataType::String {
                text::read(&self.chunks, &self.view, &self.info, spans)
            } else {
                let data_type = &self.info.data_type;
                Err(Error::invalid_input(format!(
                    "elements of type {data_type} are not strings"
                )))
            }
        });
        read.map_err(|e| self.chunks.named(e))
    }

    fn field(&self, name: &str) -> Result<Arc<dyn Array>> {
        let error = |e: Error| self.chunks.named(e);
        let Element::Struct { fields, .. } = &self.view.element else {
            return Err(error(Error::invalid_input("the elements have no fields")));
        };
        let field = fields
            .iter()
            .find(|field| field.name == name)
            .ok_or_else(|| {
                let names: Vec<_> = fields.iter().map(|field| field.name.as_str()).collect();
                let names = names.join(", ");
                error(Error::not_found(format!(
                    "there is no field {name:?} among {names}"
                )))
            })?;
        let view = self.view.field(field).map_err(error)?;
        let mut info = self.info.clone();
        info.data_type = field.element.data_type();
        // An array-valued field adds its axes to those of the array.
        info.shape.extend(&field.shape);
        info.chunk_shape = Some([&self.chunks.layout.chunk[..], &field.shape[..]].concat());
        info.shard_shape = info
            .shard_shape
            .map(|shape| [&shape[..], &field.shape[..]].concat());
        Ok(Arc::new(Self {
            chunks: self.chunks.clone(),
            view,
            info,
            ahead: self.ahead.clone(),
        }))
    }
}
