//! What the metadata of an array say: shape, type, chunks, codecs.

use std::num::NonZeroU64;
use std::sync::Arc;

use anndex_core::{Error, ErrorKind, Result};
use serde_json::{Map, Value, json};
use zarrs::array::{Array, ArrayMetadata, CodecChain};

use crate::decoder::{CHUNK_LIMIT, Decoder, guarded};
use crate::element::{Element, extents};
use crate::format::ZarrVersion;
use crate::hierarchy::Node;
use crate::json::fill_value;
use crate::shard::Shards;

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
    /// The array as zarrs sees it, without storage.
    array: Array<()>,
    pub(crate) decoder: Decoder,
    pub(crate) shards: Option<Shards>,
    /// The bytes of an element that is not stored.
    pub(crate) fill: Vec<u8>,
}

/// The parts of the metadata that both versions have.
struct Parts {
    element: Element,
    shape: Vec<u64>,
    /// Extents of a stored object.
    stored: Vec<u64>,
    /// The codecs of v3, or the filters and the compressor of v2.
    codecs: Vec<Value>,
    plain: bool,
    filters: Vec<String>,
    /// The chunk inside a shard, and the configuration of the shards.
    sharding: Option<(Vec<u64>, Value)>,
    /// Why no chunk can be found, if so.
    unsupported: Option<String>,
}

impl Layout {
    pub(crate) fn read(version: ZarrVersion, path: &str, node: &Node) -> Result<Self> {
        let document = &node.document;
        let parts = match version {
            ZarrVersion::V2 => v2(document),
            ZarrVersion::V3 => v3(document),
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
        self.array.chunk_key(index).as_str().to_owned()
    }
}

fn missing(what: &str) -> Error {
    Error::corrupt(format!("the metadata of the array have no valid {what}"))
}

/// Checks extents of chunks against the shape. An axis without elements may have chunks without.
fn chunk_extents(shape: &[u64], chunk: Option<Vec<u64>>) -> Result<Vec<u64>> {
    let mut chunk = chunk.filter(|chunk| chunk.len() == shape.len());
    for (extent, chunk) in shape.iter().zip(chunk.iter_mut().flatten()) {
        if *extent == 0 {
            *chunk = (*chunk).max(1);
        }
    }
    chunk
        .filter(|chunk| !chunk.contains(&0))
        .ok_or_else(|| missing("chunk shape"))
}

fn v2(document: &Map<String, Value>) -> Result<Parts> {
    let field = |name: &str| document.get(name).unwrap_or(&Value::Null);
    if field("zarr_format").as_u64() != Some(2) {
        return Err(missing("zarr_format"));
    }
    let shape = extents(field("shape")).ok_or_else(|| missing("shape"))?;
    let stored = chunk_extents(&shape, extents(field("chunks")))?;
    let element = Element::from_v2(field("dtype"))?;
    let transposed = match field("order").as_str() {
        Some("C") => false,
        Some("F") => shape.len() > 1,
        _ => return Err(missing("order")),
    };
    let mut codecs = match field("filters") {
        Value::Null => Vec::new(),
        Value::Array(filters) => filters.clone(),
        _ => return Err(missing("filters")),
    };
    match field("compressor") {
        Value::Null => {}
        compressor => codecs.push(compressor.clone()),
    }
    let mut filters = Vec::new();
    if transposed {
        filters.push("transpose".to_owned());
    }
    filters.extend(codecs.iter().filter_map(codec_name));
    let big_endian = matches!(
        element,
        Element::Number {
            big_endian: true,
            ..
        }
    );
    let plain = codecs.is_empty() && !transposed && !big_endian;
    Ok(Parts {
        // zarrs swaps numbers that are not part of a structure.
        element: match element {
            Element::Number { data_type, .. } => Element::Number {
                data_type,
                big_endian: false,
            },
            other => other,
        },
        plain,
        shape,
        stored,
        codecs,
        filters,
        sharding: None,
        unsupported: None,
    })
}

fn v3(document: &Map<String, Value>) -> Result<Parts> {
    let field = |name: &str| document.get(name).unwrap_or(&Value::Null);
    if field("zarr_format").as_u64() != Some(3) {
        return Err(missing("zarr_format"));
    }
    let shape = extents(field("shape")).ok_or_else(|| missing("shape"))?;
    let grid = field("chunk_grid");
    let regular = grid.get("name").and_then(Value::as_str) == Some("regular");
    let chunk_shape = |configuration: Option<&Value>| extents(configuration?.get("chunk_shape")?);
    let stored = if regular {
        chunk_extents(&shape, chunk_shape(grid.get("configuration")))?
    } else {
        shape.iter().map(|&extent| extent.max(1)).collect()
    };
    let outer = field("codecs")
        .as_array()
        .ok_or_else(|| missing("codecs"))?;
    let mut codecs = outer.clone();
    let mut sharding = None;
    // Shards with codecs around them can only be decoded whole, as if they were chunks.
    if let [only] = &outer[..]
        && name(only) == Some("sharding_indexed")
    {
        let configuration = only.get("configuration").unwrap_or(&Value::Null);
        let inner = configuration.get("codecs").and_then(Value::as_array);
        codecs = inner
            .ok_or_else(|| missing("codecs inside its shards"))?
            .clone();
        let chunk = chunk_shape(Some(configuration)).filter(|c| c.len() == stored.len());
        let chunk = chunk.ok_or_else(|| missing("chunk shape inside its shards"))?;
        let whole = |(shard, chunk): (&u64, &u64)| *chunk > 0 && shard % chunk == 0;
        if !stored.iter().zip(&chunk).all(whole) {
            return Err(missing("chunk shape inside its shards"));
        }
        sharding = Some((chunk, configuration.clone()));
    }
    let endian = codecs.iter().find_map(|codec| {
        let codec = Some(codec).filter(|codec| name(codec) == Some("bytes"))?;
        codec.get("configuration")?.get("endian")?.as_str()
    });
    let big_endian = endian == Some("big");
    let only_bytes = matches!(&codecs[..], [only] if name(only) == Some("bytes"));
    Ok(Parts {
        element: Element::from_v3(field("data_type"), big_endian)?,
        plain: only_bytes && !big_endian,
        filters: codecs.iter().filter_map(codec_name).collect(),
        unsupported: (!regular).then(|| format!("the chunk grid {grid} is not regular")),
        shape,
        stored,
        codecs,
        sharding,
    })
}

/// The name of a codec: v2 says `id`, v3 `name` or just the text.
fn name(codec: &Value) -> Option<&str> {
    let named = codec.get("id").or_else(|| codec.get("name"));
    named.unwrap_or(codec).as_str()
}

/// A codec for people, with its level: `blosc(lz4,5)`. Byte order and text need no mention.
fn codec_name(codec: &Value) -> Option<String> {
    let name = name(codec).unwrap_or("unnamed");
    if matches!(name, "bytes" | "vlen-utf8") {
        return None;
    }
    let configuration = codec.get("configuration").unwrap_or(codec);
    let settings = ["cname", "level", "clevel"].iter().filter_map(|key| {
        let setting = configuration.get(key)?;
        Some(
            setting
                .as_str()
                .map_or_else(|| setting.to_string(), str::to_owned),
        )
    });
    let settings: Vec<_> = settings.collect();
    Some(match settings.is_empty() {
        true => name.to_owned(),
        false => format!("{name}({})", settings.join(",")),
    })
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
    let array = zarrs_array(version, path, document, parts)?;
    let (chunk, configuration) = match &parts.sharding {
        Some((chunk, configuration)) => (chunk, Some(configuration)),
        None => (&parts.stored, None),
    };
    // Every string takes four bytes for its length.
    let size = parts.element.size().unwrap_or(4) as u64;
    let decoded = chunk.iter().try_fold(size, |size, &n| size.checked_mul(n));
    let numbers = matches!(parts.element, Element::Number { .. });
    let partial = parts.plain && numbers && chunk.get(1..) == parts.shape.get(1..);
    if !partial && !decoded.is_some_and(|size| size <= CHUNK_LIMIT) {
        return Err(Error::unsupported(format!(
            "chunks of {chunk:?} elements decode to more than {CHUNK_LIMIT} bytes; \
             write the array again with smaller chunks"
        )));
    }
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
    )?;
    let fill = array.fill_value().as_ne_bytes().to_vec();
    Ok(Codecs {
        array,
        decoder,
        shards,
        fill,
    })
}

/// The array as zarrs sees it. Types that zarrs does not know become raw bytes of their size.
fn zarrs_array(
    version: ZarrVersion,
    path: &str,
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
        fill = json!(bytes);
    } else if parts.element == Element::Text {
        if version == ZarrVersion::V3 {
            document.insert(type_field.to_owned(), json!("string"));
        }
        if !fill.is_string() {
            fill = json!("");
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
        Array::new_with_metadata(Arc::new(()), &format!("/{path}"), metadata).map_err(|e| match e {
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
