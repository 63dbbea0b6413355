//! Decoding to where elements belong, for chunks that are elements as they are under
//! bytes-to-bytes codecs: nearly all numbers.

use std::ops::Range;
use std::sync::Arc;

use anndex_codec::{Codec, Decoders, blosc};
use anndex_store::{Error, Result};
use zarrs::array::CodecChain;
use zarrs::array::codec::api::{BytesRepresentation, BytesToBytesCodecTraits, CodecOptions};

use super::decompress;

/// The codecs in the order in which they are undone.
#[derive(Debug)]
pub(super) struct Direct {
    codecs: Vec<ByteCodec>,
    chunk_bytes: usize,
}

#[derive(Debug)]
struct ByteCodec {
    kind: Kind,
    codec: Arc<dyn BytesToBytesCodecTraits>,
    decoded: BytesRepresentation,
    /// The most bytes that it may give.
    limit: usize,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Zstd,
    Gzip,
    Zlib,
    Blosc,
    /// Decoded by zarrs.
    Other,
}

impl Direct {
    /// `bytes` are the lengths before each codec of the chain; `None` if they have no bounds.
    pub(super) fn new(chain: &CodecChain, bytes: &[BytesRepresentation]) -> Option<Self> {
        let size = |bytes: &BytesRepresentation| usize::try_from(bytes.size()?).ok();
        let codecs = chain.bytes_to_bytes_codecs().iter().zip(bytes).rev();
        let codecs = codecs.map(|(codec, decoded)| {
            let kind = match codec.name_v3().as_deref() {
                Some("zstd") => Kind::Zstd,
                Some("gzip") => Kind::Gzip,
                Some("zlib" | "numcodecs.zlib") => Kind::Zlib,
                Some("blosc") => Kind::Blosc,
                _ => Kind::Other,
            };
            Some(ByteCodec {
                kind,
                codec: codec.clone(),
                decoded: *decoded,
                limit: size(decoded)?,
            })
        });
        Some(Self {
            codecs: codecs.collect::<Option<_>>()?,
            chunk_bytes: size(bytes.first()?)?,
        })
    }

    pub(super) fn chunk_bytes(&self) -> usize {
        self.chunk_bytes
    }

    /// Decodes a chunk to `out`; with `parts` (sorted ranges of bytes), perhaps only them.
    pub(super) fn decode(
        &self,
        decoders: &mut Decoders,
        stored: &[u8],
        parts: Option<&[Range<usize>]>,
        out: &mut [u8],
    ) -> Result<()> {
        if let (Some(parts), [codec]) = (parts, &self.codecs[..])
            && let Some(frame) = codec.frame(stored)?
        {
            return frame.decode_parts(decoders, parts, out);
        }
        let codecs = self.codecs.iter().map(|codec| (codec, codec.limit));
        decoders.chain(codecs, stored, out)
    }
}

impl ByteCodec {
    /// The frame of Blosc that is stored, if it is one that needs no help of zarrs.
    fn frame<'s>(&self, stored: &'s [u8]) -> Result<Option<blosc::Frame<'s>>> {
        match self.kind {
            Kind::Blosc => Ok(Some(blosc::Frame::new(stored)?).filter(|f| !f.is_snappy())),
            _ => Ok(None),
        }
    }

    fn decode_by_zarrs(&self, stored: &[u8], out: &mut [u8]) -> Result<usize> {
        let options = CodecOptions::default().with_concurrent_target(1);
        let bytes = decompress(&*self.codec, stored.to_vec(), self.decoded, &options)?;
        let out = out
            .get_mut(..bytes.len())
            .ok_or_else(|| Error::corrupt("a chunk does not have as many elements as it should"))?;
        out.copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

impl Codec for ByteCodec {
    fn content(&self, _stored: &[u8]) -> Result<Option<Range<usize>>> {
        Ok(None)
    }

    fn decode(&self, decoders: &mut Decoders, stored: &[u8], out: &mut [u8]) -> Result<usize> {
        match self.kind {
            Kind::Zstd => decoders.zstd(stored, out),
            Kind::Zlib => decoders.zlib(stored, out),
            Kind::Gzip => match decoders.gzip(stored, out)? {
                // What is missing may be in further members.
                len if len < out.len() => self.decode_by_zarrs(stored, out),
                len => Ok(len),
            },
            Kind::Blosc | Kind::Other => match self.frame(stored)? {
                Some(frame) => frame.decode(decoders, out),
                None => self.decode_by_zarrs(stored, out),
            },
        }
    }
}
