//! What the metadata of an array say: shape, type, chunks, and how to decode them.

mod parts;

use std::num::NonZeroU64;
use std::sync::Arc;

use anndex_store::{Error, ErrorKind, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};
use zarrs::array::{Array, ArrayMetadata, CodecChain};

use crate::decoder::{CHUNK_LIMIT, Decoder, TextEncoding, guarded};
use crate::element::Element;
use crate::format::ZarrVersion;
use crate::hierarchy::{Node, key};
use crate::json::fill_value;
use crate::shard::Shards;

use parts::{Parts, missing};

/// The layout of an array.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) element: Element,
    pub(crate) shape: Vec<u64>,
    /// Extents of what is decoded at once: a chunk, or a chunk inside a shard.
    pub(crate) chunk: Vec<u64>,
    pub(crate) shard: Option<Vec<u64>>,
    /// Names of the codecs, in the order in which a writer applies them.
    pub(crate) filters: Vec<String>,
    /// Whether elements are stored as they are, so that a part of a chunk can be read.
    pub(crate) plain: bool,
    /// What is needed to read elements, or why they can't be read.
    pub(crate) codecs: Result<Codecs, (ErrorKind, String)>,
}

/// What is needed to read elements.
#[derive(Debug)]
pub(crate) struct Codecs {
    /// The path of the array, with a trailing `/` unless it is the root.
    prefix: String,
    /// The array as zarrs sees it, without storage, and as if it were the root: zarrs refuses
    /// paths such as `obs/__categories`, which anndata has written for years.
    array: Array<()>,
    pub(crate) decoder: Decoder,
    pub(crate) shards: Option<Shards>,
    /// The bytes of an element that is not stored.
    pub(crate) fill: Vec<u8>,
}

impl Layout {
    pub(crate) fn read(version: ZarrVersion, path: &str, node: &Node) -> Result<Self> {
        let document = &node.document;
        let parts = match version {
            ZarrVersion::V2 => parts::v2(document),
            ZarrVersion::V3 => parts::v3(document),
        };
        let parts = parts.map_err(|e| e.with("file", &node.file))?;
        let codecs = codecs(version, path, document, &parts);
        let codecs = codecs.map_err(|e| (e.kind(), format!("{e:#}")));
        let (chunk, shard) = match parts.sharding {
            Some((chunk, _)) => (chunk, Some(parts.stored)),
            None => (parts.stored, None),
        };
        Ok(Self {
            element: parts.element,
            shape: parts.shape,
            chunk,
            shard,
            filters: parts.filters,
            plain: parts.plain,
            codecs,
        })
    }
}

impl Codecs {
    /// The key of the stored object with this index.
    pub(crate) fn key(&self, index: &[u64]) -> String {
        format!("{}{}", self.prefix, self.array.chunk_key(index).as_str())
    }
}

/// Builds the codecs; fails where the type, a codec or the size of chunks is not supported.
fn codecs(
    version: ZarrVersion,
    path: &str,
    document: &Map<String, Value>,
    parts: &Parts,
) -> Result<Codecs> {
    if let Element::Opaque(name) = &parts.element {
        return Err(Error::unsupported(format!(
            "elements of type {name} can't be read"
        )));
    }
    if let Some(reason) = &parts.unsupported {
        return Err(Error::unsupported(reason));
    }
    let (chunk, configuration) = match &parts.sharding {
        Some((chunk, configuration)) => (chunk, Some(configuration)),
        None => (&parts.stored, None),
    };
    // What a string takes besides its text, stored (its length) and in memory.
    let size = parts.element.size().unwrap_or(16) as u64;
    let decoded = chunk.iter().try_fold(size, |size, &n| size.checked_mul(n));
    let numbers = matches!(parts.element, Element::Number { .. });
    let partial = parts.plain && numbers && chunk.get(1..) == parts.shape.get(1..);
    if !partial && decoded.is_none_or(|size| size > CHUNK_LIMIT) {
        return Err(Error::unsupported(format!(
            "chunks of {chunk:?} elements decode to more than {CHUNK_LIMIT} bytes; \
             write the array again with smaller chunks"
        )));
    }
    let array = zarrs_array(version, document, parts)?;
    let (chain, shards) = match configuration {
        None => (array.codecs(), None),
        Some(configuration) => {
            let shards = shards(configuration, chunk, parts)?;
            (chain(&parts.codecs)?, Some(shards))
        }
    };
    let shape = chunk
        .iter()
        .copied()
        .map(NonZeroU64::new)
        .collect::<Option<Vec<_>>>();
    let decoder = Decoder::new(
        chain,
        shape.ok_or_else(|| missing("chunk shape"))?,
        array.data_type().clone(),
        array.fill_value().clone(),
        parts.text,
        parts.native,
    )?;
    let fill = array.fill_value().as_ne_bytes().to_vec();
    Ok(Codecs {
        prefix: key(path, ""),
        array,
        decoder,
        shards,
        fill,
    })
}

/// The array as zarrs sees it. Types that zarrs does not know become raw bytes of their size.
fn zarrs_array(
    version: ZarrVersion,
    document: &Map<String, Value>,
    parts: &Parts,
) -> Result<Array<()>> {
    let mut document = document.clone();
    document.remove("attributes");
    let mut fill = fill_value(document.get("fill_value").unwrap_or(&Value::Null));
    let type_field = match version {
        ZarrVersion::V2 => "dtype",
        ZarrVersion::V3 => "data_type",
    };
    if version == ZarrVersion::V2 {
        document.insert("chunks".to_owned(), json!(parts.stored));
    }
    if parts.element.is_raw() {
        let size = parts.element.size().unwrap_or(0);
        let bytes = parts
            .element
            .raw_fill(&fill)
            .ok_or_else(|| Error::unsupported(format!("the fill value {fill} can't be read")))?;
        let raw = match version {
            ZarrVersion::V2 => format!("|V{size}"),
            ZarrVersion::V3 => format!("r{}", size * 8),
        };
        document.insert(type_field.to_owned(), Value::String(raw));
        // As text, since a list takes many times as much memory.
        fill = json!(BASE64_STANDARD.encode(bytes));
    } else if parts.element == Element::Text {
        if version == ZarrVersion::V3 {
            document.insert(type_field.to_owned(), json!("string"));
        }
        if !fill.is_string() {
            fill = json!("");
        }
        if parts.text == TextEncoding::Json {
            // zarrs does not know json2; the decoder does, in place of this.
            document.insert("filters".to_owned(), json!([{"id": "vlen-utf8"}]));
        }
    }
    document.insert("fill_value".to_owned(), fill);
    let broken = |e: String| Error::corrupt(format!("the metadata of the array are broken: {e}"));
    let value = Value::Object(document);
    let metadata = match version {
        ZarrVersion::V2 => serde_json::from_value(value).map(ArrayMetadata::V2),
        ZarrVersion::V3 => serde_json::from_value(value).map(ArrayMetadata::V3),
    };
    let metadata = metadata.map_err(|e| broken(e.to_string()))?;
    guarded(|| {
        use zarrs::array::ArrayCreateError::InvalidFillValueMetadata;
        Array::new_with_metadata(Arc::new(()), "/", metadata).map_err(|e| match e {
            InvalidFillValueMetadata { .. } => broken(e.to_string()),
            e => Error::unsupported(format!("the array can't be read: {e}")),
        })
    })
}

/// A chain of v3 codecs.
fn chain(codecs: &[Value]) -> Result<Arc<CodecChain>> {
    let metadata = codecs
        .iter()
        .cloned()
        .map(serde_json::from_value)
        .collect::<Result<Vec<_>, _>>();
    let metadata = metadata.map_err(|e| missing("codecs").source_error(e))?;
    guarded(|| {
        let chain = CodecChain::from_metadata(&metadata);
        chain
            .map(Arc::new)
            .map_err(|e| Error::unsupported(format!("the array can't be read: {e}")))
    })
}

fn shards(configuration: &Value, chunk: &[u64], parts: &Parts) -> Result<Shards> {
    let index_codecs = configuration.get("index_codecs").and_then(Value::as_array);
    let index_codecs = chain(index_codecs.ok_or_else(|| missing("index_codecs"))?)?;
    let at_start = match configuration.get("index_location").and_then(Value::as_str) {
        Some("start") => true,
        Some("end") | None => false,
        Some(_) => return Err(missing("index_location")),
    };
    let stored = &parts.stored;
    let chunks = stored.iter().zip(chunk).map(|(shard, chunk)| shard / chunk);
    let grid = parts
        .shape
        .iter()
        .zip(stored)
        .map(|(extent, shard)| extent.div_ceil(*shard));
    Shards::new(chunks.collect(), grid.collect(), index_codecs, at_start)
}
