//! From the stored bytes of a chunk to its elements.
//!
//! The codecs are those of zarrs, but the chain is walked here: decompressors that would trust
//! lengths in damaged bytes are given a limit, and text is taken apart without panics.

mod direct;
mod text;

use std::borrow::Cow;
use std::io::Read;
use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::Arc;

use anndex_codec::Decoders;
use anndex_store::{Error, Result, decoding};
use zarrs::array::codec::api::{
    ArrayBytes, BytesRepresentation, BytesToBytesCodecTraits, CodecOptions,
};
use zarrs::array::{CodecChain, DataType, FillValue};
use zarrs::plugin::ExtensionName;

use direct::Direct;
pub(crate) use text::TextEncoding;

/// The largest decoded chunk, in bytes.
pub(crate) const CHUNK_LIMIT: u64 = 256 << 20;

/// A chain of codecs for chunks of one shape and type.
#[derive(Debug)]
pub(crate) struct Decoder {
    chain: Arc<CodecChain>,
    /// Shape, type and fill value before each array-to-array codec, and after the last.
    arrays: Vec<(Vec<NonZeroU64>, DataType, FillValue)>,
    /// Length in bytes before each bytes-to-bytes codec, and after the last.
    bytes: Vec<BytesRepresentation>,
    text: Option<TextEncoding>,
    /// How chunks are decoded to their place, where only bytes-to-bytes codecs change anything.
    direct: Option<Direct>,
}

/// The elements of a chunk in C order.
#[derive(Debug)]
pub(crate) enum Decoded {
    /// Elements of one size.
    Fixed(Vec<u8>),
    /// Text: element `i` is `bytes[offsets[i]..offsets[i + 1]]`.
    Text { bytes: Vec<u8>, offsets: Vec<usize> },
}

impl Decoded {
    /// The bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Fixed(bytes) => bytes.len(),
            Self::Text { bytes, offsets } => bytes.len() + size_of_val(&offsets[..]),
        }
    }
}

impl Decoder {
    /// A decoder for chunks of `shape`; text, if that is what they hold, is in `text`. With
    /// `is_native`, numbers are stored in the byte order in which they are read.
    pub(crate) fn new(
        chain: Arc<CodecChain>,
        shape: Vec<NonZeroU64>,
        data_type: DataType,
        fill_value: FillValue,
        text: TextEncoding,
        is_native: bool,
    ) -> Result<Self> {
        let unsuitable = |e| Error::unsupported("a codec does not suit the array").source_error(e);
        let mut arrays = vec![(shape, data_type, fill_value)];
        let codec = chain.array_to_bytes_codec();
        let first = guarded(|| {
            for codec in chain.array_to_array_codecs() {
                if let Some((shape, data_type, fill)) = arrays.last() {
                    let encoded = codec.encoded_representation(shape, data_type, fill);
                    arrays.push(encoded.map_err(|e| unsuitable(e.to_string()))?);
                }
            }
            let (shape, data_type, fill) = last(&arrays)?;
            codec
                .encoded_representation(shape, data_type, fill)
                .map_err(|e| unsuitable(e.to_string()))
        })?;
        let mut bytes = vec![first];
        for codec in chain.bytes_to_bytes_codecs() {
            bytes.push(codec.encoded_representation(last(&bytes)?));
        }
        let text = match codec.name_v3().as_deref() {
            Some("vlen-utf8" | "vlen-bytes") => Some(text),
            _ => None,
        };
        let is_direct = is_native
            && text.is_none()
            && chain.array_to_array_codecs().is_empty()
            && chain.array_to_bytes_codec().name_v3().as_deref() == Some("bytes");
        let direct = match is_direct {
            true => Direct::new(&chain, &bytes),
            false => None,
        };
        Ok(Self {
            chain,
            arrays,
            bytes,
            text,
            direct,
        })
    }

    /// The number of stored bytes, if it is the same for all chunks.
    pub(crate) fn stored_size(&self) -> Option<u64> {
        match self.bytes.last() {
            Some(BytesRepresentation::FixedSize(size)) => Some(*size),
            _ => None,
        }
    }

    /// Bytes of a decoded chunk, if [`Decoder::decode_into`] can decode it.
    pub(crate) fn direct_bytes(&self) -> Option<usize> {
        self.direct.as_ref().map(Direct::chunk_bytes)
    }

    /// Decodes a chunk to its place in `out`, which it fills; with `parts` (sorted ranges of
    /// bytes), perhaps only them.
    pub(crate) fn decode_into(
        &self,
        decoders: &mut Decoders,
        stored: &[u8],
        parts: Option<&[Range<usize>]>,
        out: &mut [u8],
    ) -> Result<()> {
        let direct = self.direct.as_ref();
        let direct = direct.ok_or_else(|| Error::unsupported("the chunk has to be copied"))?;
        direct.decode(decoders, stored, parts, out)
    }

    /// Decodes a chunk.
    pub(crate) fn decode(&self, stored: Vec<u8>) -> Result<Decoded> {
        let options = CodecOptions::default().with_concurrent_target(1);
        let mut bytes = stored;
        let codecs = self.chain.bytes_to_bytes_codecs().iter().zip(&self.bytes);
        for (codec, decoded) in codecs.rev() {
            bytes = decompress(&**codec, bytes, *decoded, &options)?;
        }
        let (shape, data_type, fill) = last(&self.arrays)?;
        let elements = guarded(|| {
            let mut elements = if let Some(encoding) = self.text {
                encoding.split(bytes, elements(shape)?)?
            } else {
                let codec = self.chain.array_to_bytes_codec();
                codec
                    .decode(Cow::Owned(bytes), shape, data_type, fill, &options)
                    .map_err(undecodable)?
            };
            let codecs = self.chain.array_to_array_codecs().iter().zip(&self.arrays);
            for (codec, (shape, data_type, fill)) in codecs.rev() {
                elements = codec
                    .decode(elements, shape, data_type, fill, &options)
                    .map_err(undecodable)?;
            }
            Ok(elements.into_owned())
        })?;
        self.checked(elements)
    }

    /// Makes sure that there are as many elements as the chunk has.
    fn checked(&self, decoded: ArrayBytes<'_>) -> Result<Decoded> {
        let short = || Error::corrupt("a chunk does not have as many elements as it should");
        let (shape, data_type, _) = self.arrays.first().ok_or_else(short)?;
        let count = elements(shape)?;
        match decoded {
            ArrayBytes::Fixed(bytes) => {
                let size = data_type
                    .fixed_size()
                    .and_then(|size| size.checked_mul(count));
                if size != Some(bytes.len()) {
                    return Err(short());
                }
                Ok(Decoded::Fixed(bytes.into_owned()))
            }
            ArrayBytes::Variable(text) => {
                let (bytes, offsets) = text.into_parts();
                if offsets.len() != count + 1 {
                    return Err(short());
                }
                Ok(Decoded::Text {
                    bytes: bytes.into_owned(),
                    offsets: offsets.to_vec(),
                })
            }
            ArrayBytes::Optional(_) => Err(Error::unsupported("optional elements can't be read")),
        }
    }
}

fn last<T>(items: &[T]) -> Result<&T> {
    items
        .last()
        .ok_or_else(|| Error::corrupt("a chain of codecs is empty"))
}

fn elements(shape: &[NonZeroU64]) -> Result<usize> {
    let count = shape
        .iter()
        .try_fold(1u64, |product, n| product.checked_mul(n.get()));
    count
        .and_then(|count| usize::try_from(count).ok())
        .ok_or_else(|| Error::corrupt(format!("chunks of {shape:?} are not possible")))
}

fn undecodable(error: impl std::fmt::Display) -> Error {
    Error::corrupt(format!("a chunk can't be decoded: {error}"))
}

/// Undoes one bytes-to-bytes codec without taking more memory than its output may have.
fn decompress(
    codec: &dyn BytesToBytesCodecTraits,
    bytes: Vec<u8>,
    decoded: BytesRepresentation,
    options: &CodecOptions,
) -> Result<Vec<u8>> {
    // Inside a chain, checksums and the like make the output a little longer than a chunk.
    let limit = decoded.size().unwrap_or(CHUNK_LIMIT).min(2 * CHUNK_LIMIT);
    let exact = match decoded {
        BytesRepresentation::FixedSize(size) => usize::try_from(size).unwrap_or(0),
        _ => 0,
    };
    let name = codec.name_v3().unwrap_or_default();
    match &*name {
        "gzip" => read_limited(flate2::read::MultiGzDecoder::new(&bytes[..]), exact, limit),
        "zlib" | "numcodecs.zlib" => {
            read_limited(flate2::read::ZlibDecoder::new(&bytes[..]), exact, limit)
        }
        "bz2" | "numcodecs.bz2" => {
            read_limited(bzip2::read::MultiBzDecoder::new(&bytes[..]), exact, limit)
        }
        "zstd" => {
            let decoder = zstd::stream::read::Decoder::with_buffer(&bytes[..]);
            read_limited(decoder.map_err(undecodable)?, exact, limit)
        }
        _ => {
            // A blosc frame says in its header how long its content is.
            let claimed = bytes
                .get(4..8)
                .and_then(|b| b.try_into().ok())
                .map(u32::from_le_bytes);
            if name == "blosc" && claimed.is_none_or(|size| u64::from(size) > limit) {
                return Err(Error::corrupt("a chunk claims to be longer than it can be"));
            }
            guarded(|| {
                let bytes = codec.decode(Cow::Owned(bytes), &decoded, options);
                Ok(bytes.map_err(undecodable)?.into_owned())
            })
        }
    }
}

fn read_limited(reader: impl Read, exact: usize, limit: u64) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(exact);
    let read = reader.take(limit.saturating_add(1)).read_to_end(&mut out);
    read.map_err(undecodable)?;
    if out.len() as u64 > limit {
        return Err(Error::corrupt(format!(
            "a chunk is longer than its {limit} bytes"
        )));
    }
    Ok(out)
}

/// Runs a codec of zarrs. Some of them index by numbers from the bytes they decode; a panic there
/// means that the bytes are damaged, and must not end the program.
pub(crate) fn guarded<T>(run: impl FnOnce() -> Result<T>) -> Result<T> {
    decoding::catch(run).unwrap_or_else(|| {
        Err(Error::corrupt(
            "a codec gave up on damaged bytes or metadata",
        ))
    })
}
