//! Reading the metadata documents of arrays, v2 and v3, into the same parts.

use anndex_store::{Error, Result};
use serde_json::{Map, Value};

use crate::decoder::TextEncoding;
use crate::element::{Element, extents};

/// The parts of the metadata that both versions have.
pub(super) struct Parts {
    pub(super) element: Element,
    pub(super) shape: Vec<u64>,
    /// Extents of a stored object.
    pub(super) stored: Vec<u64>,
    /// The codecs of v3, or the filters and the compressor of v2.
    pub(super) codecs: Vec<Value>,
    /// Whether elements are in C order and of native byte order under their codecs.
    pub(super) native: bool,
    /// Whether there are no other codecs, either.
    pub(super) plain: bool,
    pub(super) filters: Vec<String>,
    /// The chunk inside a shard, and the configuration of the shards.
    pub(super) sharding: Option<(Vec<u64>, Value)>,
    /// How text is stored, if that is what the array holds.
    pub(super) text: TextEncoding,
    /// Why no chunk can be found, if so.
    pub(super) unsupported: Option<String>,
}

pub(super) fn missing(what: &str) -> Error {
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

pub(super) fn v2(document: &Map<String, Value>) -> Result<Parts> {
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
    let text = match &codecs[..] {
        [only] if name(only) == Some("json2") => TextEncoding::Json,
        _ => TextEncoding::Lengths,
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
    let native = !transposed && !big_endian;
    let plain = codecs.is_empty() && native;
    Ok(Parts {
        // zarrs swaps numbers that are not part of a structure.
        element: match element {
            Element::Number { data_type, .. } => Element::Number {
                data_type,
                big_endian: false,
            },
            other => other,
        },
        native,
        plain,
        shape,
        stored,
        codecs,
        filters,
        sharding: None,
        text,
        unsupported: None,
    })
}

pub(super) fn v3(document: &Map<String, Value>) -> Result<Parts> {
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
        native: !big_endian,
        plain: only_bytes && !big_endian,
        filters: codecs.iter().filter_map(codec_name).collect(),
        unsupported: (!regular).then(|| format!("the chunk grid {grid} is not regular")),
        shape,
        stored,
        codecs,
        sharding,
        text: TextEncoding::Lengths,
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
