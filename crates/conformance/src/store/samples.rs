//! The arrays and attributes that the suite writes.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::Capabilities;
use anndex_core::store::{
    ArrayData, ArraySpec, Attribute, Attributes, Compression, DataType, Strings,
};

/// An array to write, with the truth about its elements.
pub(super) struct Sample {
    pub(super) path: String,
    pub(super) spec: ArraySpec,
    pub(super) elements: Elements,
    pub(super) attributes: Attributes,
}

/// Elements in memory, in C order.
pub(super) enum Elements {
    Bytes(Vec<u8>),
    Strings(Strings),
}

impl Elements {
    pub(super) fn data(&self) -> ArrayData<'_> {
        match self {
            Self::Bytes(bytes) => ArrayData::Bytes(bytes),
            Self::Strings(strings) => ArrayData::Strings(strings),
        }
    }
}

/// Every type as scalar, vector, empty and chunked; every layout that the format can write.
pub(super) fn samples(capabilities: &Capabilities) -> Vec<Sample> {
    let mut random = StdRng::seed_from_u64(2);
    let types = DataType::NUMERIC.into_iter().chain([DataType::String]);
    let mut specs = Vec::new();
    for data_type in types {
        let plain = |shape: &[u64]| ArraySpec::new(data_type.clone(), shape);
        specs.extend([
            plain(&[]),
            plain(&[1]),
            plain(&[37]),
            plain(&[0]),
            plain(&[0]).chunked([8]),
            plain(&[23, 5]).chunked([4, 5]),
            plain(&[64]).chunked([16]),
        ]);
    }
    for data_type in [DataType::Float32, DataType::Int64, DataType::String] {
        let plain = |shape: &[u64]| ArraySpec::new(data_type.clone(), shape);
        specs.extend([
            plain(&[19, 7]),
            plain(&[0, 5]),
            plain(&[0, 5]).chunked([3, 5]),
            plain(&[5, 0]),
            plain(&[5, 4, 3]),
            plain(&[10, 6, 5]).chunked([3, 4, 2]),
            plain(&[19, 7]).chunked([20, 10]),
            plain(&[19, 7]).chunked([1, 7]),
        ]);
        for &compression in &capabilities.compressions {
            specs.extend([
                plain(&[1000]).chunked([128]).compressed(compression),
                plain(&[41, 13]).chunked([8, 6]).compressed(compression),
                plain(&[6]).chunked([6]).compressed(compression),
            ]);
            if capabilities.shards {
                let sharded = [
                    plain(&[1000]).chunked([32]).sharded([256]),
                    plain(&[41, 13]).chunked([4, 3]).sharded([16, 6]),
                    plain(&[0]).chunked([4]).sharded([8]),
                ];
                specs.extend(sharded.map(|spec| spec.compressed(compression)));
            }
        }
    }
    specs
        .into_iter()
        .enumerate()
        .map(|(index, spec)| sample(index, spec, &mut random))
        .collect()
}

/// Names an array after its layout, so that a failure says which one it is.
fn sample(index: usize, spec: ArraySpec, random: &mut StdRng) -> Sample {
    let compression = match spec.compression {
        Compression::None => "plain".to_owned(),
        Compression::Gzip(level) => format!("gzip{level}"),
        Compression::Zstd(level) => format!("zstd{level}"),
        Compression::BloscLz4(level) => format!("blosc-lz4-{level}"),
        other => format!("{other:?}"),
    };
    let extents = |shape: &[u64]| {
        let extents: Vec<_> = shape.iter().map(u64::to_string).collect();
        extents.join("x")
    };
    let layout = match (&spec.chunk_shape, &spec.shard_shape) {
        (None, _) => "whole".to_owned(),
        (Some(chunk), None) => format!("chunks-{}", extents(chunk)),
        (Some(chunk), Some(shard)) => {
            format!("chunks-{}-shards-{}", extents(chunk), extents(shard))
        }
    };
    let name = format!("{}-{}", spec.data_type, extents(&spec.shape));
    let attributes = Attributes::from([("index".to_owned(), Attribute::Int(index as i64))]);
    Sample {
        path: format!("{name}-{layout}-{compression}-{index}"),
        elements: elements(&spec, random),
        spec,
        attributes,
    }
}

/// Random elements; long runs of zeros too, which formats may leave out of storage.
fn elements(spec: &ArraySpec, random: &mut StdRng) -> Elements {
    let count = spec.shape.iter().product::<u64>() as usize;
    if spec.data_type == DataType::String {
        return Elements::Strings((0..count).map(|_| text(random)).collect());
    }
    let size = spec.data_type.fixed_size().expect("a numeric type");
    let mut bytes: Vec<u8> = match spec.data_type {
        DataType::Bool => (0..count).map(|_| random.random_range(0..2)).collect(),
        _ => (0..count * size).map(|_| random.random()).collect(),
    };
    if bytes.len() > 40 {
        let half = bytes.len() / 2 / size * size;
        bytes[half..].fill(0);
    }
    Elements::Bytes(bytes)
}

fn text(random: &mut StdRng) -> String {
    const TEXTS: [&str; 8] = [
        "",
        "CD8+ T cell",
        "Müller-Zelle",
        "细胞",
        "🧬",
        " leading, trailing ",
        "line\nbreak\t\"quoted\" \\",
        "e\u{301}",
    ];
    match random.random_range(0..10usize) {
        8 => "gene-".repeat(random.random_range(1..500)),
        9 => format!("cell_{}", random.random_range(0..1_000_000)),
        index => TEXTS[index].to_owned(),
    }
}

/// One attribute of every kind that the format can hold.
pub(super) fn attributes(capabilities: &Capabilities) -> Attributes {
    let list = |items: &[Attribute]| Attribute::List(items.to_vec());
    let mut attributes = BTreeMap::from([
        ("true".to_owned(), Attribute::Bool(true)),
        ("false".to_owned(), Attribute::Bool(false)),
        ("zero".to_owned(), Attribute::Int(0)),
        ("smallest".to_owned(), Attribute::Int(i64::MIN)),
        ("largest".to_owned(), Attribute::Int(i64::MAX)),
        ("unsigned".to_owned(), Attribute::UInt(u64::MAX)),
        ("float".to_owned(), Attribute::Float(0.1)),
        ("whole float".to_owned(), Attribute::Float(-3.0)),
        ("tiny".to_owned(), Attribute::Float(5e-324)),
        ("text".to_owned(), Attribute::from("categorical")),
        ("empty text".to_owned(), Attribute::from("")),
        ("ünïcode näme".to_owned(), Attribute::from("名 🧬 \"\\\n")),
        ("long".to_owned(), Attribute::from("x".repeat(5000))),
        ("integers".to_owned(), Attribute::from(vec![700i64, -1, 5])),
        ("floats".to_owned(), Attribute::from(vec![0.5, 1.0])),
        ("texts".to_owned(), Attribute::from(vec!["a", "", "ß"])),
    ]);
    if capabilities.null_attributes {
        attributes.insert("null".to_owned(), Attribute::Null);
    }
    if capabilities.nested_attributes {
        let object = BTreeMap::from([
            ("a".to_owned(), Attribute::Int(1)),
            ("b".to_owned(), list(&[Attribute::Bool(true), "x".into()])),
        ]);
        attributes.extend([
            ("empty".to_owned(), list(&[])),
            ("mixed".to_owned(), list(&[Attribute::Int(1), "b".into()])),
            ("object".to_owned(), Attribute::Object(object.clone())),
            ("objects".to_owned(), list(&[Attribute::Object(object)])),
            (
                "empty object".to_owned(),
                Attribute::Object(BTreeMap::new()),
            ),
        ]);
    }
    attributes
}
