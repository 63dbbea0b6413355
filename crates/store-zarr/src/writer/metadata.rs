//! The metadata documents that are written, as Python's zarr and anndata expect them.

use std::collections::BTreeMap;

use anndex_store::{ArraySpec, Compression, DataType};
use anndex_store::{Error, Result};
use serde_json::{Map, Value, json};

use crate::format::ZarrVersion;

/// The document of a group.
pub(super) fn group(version: ZarrVersion) -> Value {
    match version {
        ZarrVersion::V2 => json!({"zarr_format": 2}),
        ZarrVersion::V3 => json!({"zarr_format": 3, "node_type": "group"}),
    }
}

/// The document of an array with chunks of the given extents.
///
/// # Errors
/// `Unsupported` if the version can't hold such an array.
pub(super) fn array(version: ZarrVersion, spec: &ArraySpec, chunk: &[u64]) -> Result<Value> {
    let fill = match spec.data_type {
        DataType::Bool => json!(false),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => json!(0.0),
        DataType::String => json!(""),
        _ => json!(0),
    };
    match version {
        ZarrVersion::V2 => array_v2(spec, chunk, fill),
        ZarrVersion::V3 => array_v3(spec, chunk, fill),
    }
}

fn array_v2(spec: &ArraySpec, chunk: &[u64], fill: Value) -> Result<Value> {
    if spec.shard_shape.is_some() {
        return Err(Error::unsupported("Zarr v2 has no shards; write Zarr v3"));
    }
    let compressor = match spec.compression {
        Compression::None => Value::Null,
        Compression::Gzip(level) => json!({"id": "gzip", "level": level}),
        Compression::Zstd(level) => json!({"id": "zstd", "level": level, "checksum": false}),
        Compression::BloscLz4(level) => json!({
            "id": "blosc", "cname": "lz4", "clevel": level, "shuffle": 1, "blocksize": 0,
        }),
        other => return Err(unknown(other)),
    };
    let text = spec.data_type == DataType::String;
    Ok(json!({
        "zarr_format": 2,
        "shape": spec.shape,
        "chunks": chunk,
        "dtype": dtype(&spec.data_type)?,
        "compressor": compressor,
        "fill_value": fill,
        "order": "C",
        "filters": text.then(|| json!([{"id": "vlen-utf8"}])),
        "dimension_separator": ".",
    }))
}

fn array_v3(spec: &ArraySpec, chunk: &[u64], fill: Value) -> Result<Value> {
    let bytes = match spec.data_type {
        DataType::String => json!({"name": "vlen-utf8", "configuration": {}}),
        DataType::Bool | DataType::Int8 | DataType::UInt8 => json!({"name": "bytes"}),
        _ => json!({"name": "bytes", "configuration": {"endian": "little"}}),
    };
    let mut codecs = vec![bytes];
    match spec.compression {
        Compression::None => {}
        Compression::Gzip(level) => {
            codecs.push(json!({"name": "gzip", "configuration": {"level": level}}));
        }
        Compression::Zstd(level) => {
            let configuration = json!({"level": level, "checksum": false});
            codecs.push(json!({"name": "zstd", "configuration": configuration}));
        }
        Compression::BloscLz4(level) => {
            // Text has no element size to shuffle by.
            let size = spec.data_type.fixed_size().unwrap_or(1);
            let configuration = json!({
                "cname": "lz4", "clevel": level, "shuffle": "shuffle", "typesize": size,
                "blocksize": 0,
            });
            codecs.push(json!({"name": "blosc", "configuration": configuration}));
        }
        other => return Err(unknown(other)),
    }
    if spec.shard_shape.is_some() {
        let configuration = json!({
            "chunk_shape": chunk,
            "codecs": codecs,
            "index_codecs": index_codecs(),
            "index_location": "end",
        });
        codecs = vec![json!({"name": "sharding_indexed", "configuration": configuration})];
    }
    dtype(&spec.data_type)?;
    let stored = spec.shard_shape.as_deref().unwrap_or(chunk);
    Ok(json!({
        "zarr_format": 3,
        "node_type": "array",
        "shape": spec.shape,
        "data_type": spec.data_type.to_string(),
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": stored}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": fill,
        "codecs": codecs,
        "storage_transformers": [],
    }))
}

/// How the index of a shard is encoded.
pub(super) fn index_codecs() -> Value {
    json!([
        {"name": "bytes", "configuration": {"endian": "little"}},
        {"name": "crc32c"},
    ])
}

/// The v2 name of a type.
fn dtype(data_type: &DataType) -> Result<&'static str> {
    Ok(match data_type {
        DataType::Bool => "|b1",
        DataType::Int8 => "|i1",
        DataType::Int16 => "<i2",
        DataType::Int32 => "<i4",
        DataType::Int64 => "<i8",
        DataType::UInt8 => "|u1",
        DataType::UInt16 => "<u2",
        DataType::UInt32 => "<u4",
        DataType::UInt64 => "<u8",
        DataType::Float16 => "<f2",
        DataType::Float32 => "<f4",
        DataType::Float64 => "<f8",
        DataType::String => "|O",
        other => {
            let message = format!("elements of type {other} can't be written to Zarr");
            return Err(Error::unsupported(message));
        }
    })
}

fn unknown(compression: Compression) -> Error {
    Error::unsupported(format!(
        "the compression {compression:?} can't be written to Zarr"
    ))
}

/// The file of the root and its document with all others in it.
pub(super) fn consolidated(
    version: ZarrVersion,
    documents: &BTreeMap<String, Value>,
) -> (&'static str, Value) {
    match version {
        ZarrVersion::V2 => {
            let document = json!({"zarr_consolidated_format": 1, "metadata": documents});
            (".zmetadata", document)
        }
        ZarrVersion::V3 => {
            let mut nodes = Map::new();
            let mut root = Value::Null;
            for (file, document) in documents {
                match file.strip_suffix("/zarr.json") {
                    Some(path) => {
                        nodes.insert(path.to_owned(), document.clone());
                    }
                    None => root = document.clone(),
                }
            }
            let inline = json!({"kind": "inline", "must_understand": false, "metadata": nodes});
            root["consolidated_metadata"] = inline;
            ("zarr.json", root)
        }
    }
}
