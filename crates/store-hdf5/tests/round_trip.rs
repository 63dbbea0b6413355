//! What the writer writes, the reader reads.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::Path;
use std::sync::Arc;

use anndex_store::ErrorKind;
use anndex_store::{
    Array, ArrayData, ArraySpec, Attribute, Attributes, Compression, DataType, NodeKind, Span,
    Store, StoreFormat, Strings, read_all_strings,
};
use anndex_store_hdf5::Hdf5Format;

/// Bytes that are valid elements of any type, the same on each call.
fn elements(data_type: &DataType, count: usize) -> Vec<u8> {
    let size = data_type.fixed_size().unwrap();
    let modulus = if *data_type == DataType::Bool { 2 } else { 60 };
    (0..count * size)
        .map(|n| (n * n / 7 % modulus) as u8)
        .collect()
}

fn attributes() -> Attributes {
    let list = |items: &[&str]| Attribute::from(items.to_vec());
    Attributes::from([
        ("null".into(), Attribute::Null),
        ("true".into(), true.into()),
        ("int".into(), (-5i64).into()),
        ("uint".into(), u64::MAX.into()),
        ("float".into(), 0.25.into()),
        ("text".into(), "Zellen für alle".into()),
        ("empty text".into(), "".into()),
        ("long text".into(), "x".repeat(100_000).into()),
        ("texts".into(), list(&["a", "", "c"])),
        ("bools".into(), vec![true, false].into()),
        ("ints".into(), vec![1i64, -2].into()),
        (
            "nested".into(),
            Attribute::List(vec![vec![1i64, 2].into(), vec![3i64, 4].into()]),
        ),
        ("empty".into(), Attribute::List(Vec::new())),
        ("reference".into(), Attribute::Reference("group/f".into())),
        ("to root".into(), Attribute::Reference(String::new())),
    ])
}

fn write_everything(path: &Path) {
    let mut writer = Hdf5Format.create(path).unwrap();
    let none = Attributes::new();
    writer.write_group("", &attributes()).unwrap();
    writer.write_group("empty group", &none).unwrap();
    writer.write_group("group", &attributes()).unwrap();
    for data_type in &DataType::NUMERIC {
        let bytes = elements(data_type, 5 * 7);
        let spec = ArraySpec::new(data_type.clone(), [5, 7]);
        let name = format!("group/{data_type}");
        let data = ArrayData::Bytes(&bytes);
        writer.write_array(&name, &spec, data, &none).unwrap();
        for (suffix, compression) in [
            ("plain", Compression::None),
            ("gzip", Compression::Gzip(4)),
            ("zstd", Compression::Zstd(3)),
        ] {
            for chunk in [[2, 7], [5, 3], [4, 4], [1, 1], [9, 9]] {
                let spec = spec.clone().chunked(chunk).compressed(compression);
                let name = format!("{name} {suffix} {chunk:?}");
                writer.write_array(&name, &spec, data, &none).unwrap();
            }
        }
    }
    writer
        .write_array(
            "group/f",
            &ArraySpec::new(DataType::Float32, []),
            ArrayData::Bytes(&1.5f32.to_le_bytes()),
            &attributes(),
        )
        .unwrap();
    let text: Strings = (0..5000).map(|n| format!("gène {n}")).collect();
    for (name, spec) in [
        ("text", ArraySpec::new(DataType::String, [5000])),
        (
            "text chunked",
            ArraySpec::new(DataType::String, [50, 100])
                .chunked([7, 100])
                .compressed(Compression::Gzip(1)),
        ),
    ] {
        let data = ArrayData::Strings(&text);
        writer.write_array(name, &spec, data, &none).unwrap();
    }
    let one: Strings = ["one"].into_iter().collect();
    let scalar = ArraySpec::new(DataType::String, []);
    writer
        .write_array("scalar text", &scalar, ArrayData::Strings(&one), &none)
        .unwrap();
    for (name, spec) in [
        ("no rows", ArraySpec::new(DataType::Int32, [0])),
        (
            "no columns",
            ArraySpec::new(DataType::Int32, [3, 0]).chunked([1, 1]),
        ),
    ] {
        writer
            .write_array(name, &spec, ArrayData::Bytes(&[]), &none)
            .unwrap();
    }
    let many = elements(&DataType::Int64, 30_000);
    let spec = ArraySpec::new(DataType::Int64, [30_000]).chunked([3]);
    writer
        .write_array("many chunks", &spec, ArrayData::Bytes(&many), &none)
        .unwrap();
    writer.finish().unwrap();
}

fn read_bytes(array: &dyn Array) -> anndex_store::Result<Vec<u8>> {
    let info = array.info();
    let mut out = vec![0; info.rows() as usize * info.row_bytes()?];
    array.read_spans(&[Span::new(0, info.rows())], &mut out)?;
    Ok(out)
}

fn open(path: &Path) -> Arc<dyn Store> {
    Hdf5Format.open(path).unwrap()
}

#[test]
fn what_is_written_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.h5ad");
    write_everything(&path);
    if let Some(copy) = std::env::var_os("ANNDEX_KEEP_HDF5") {
        std::fs::copy(&path, copy).unwrap();
    }
    let store = open(&path);
    assert_eq!(store.node("group").unwrap(), Some(NodeKind::Group));
    assert_eq!(store.node("group/f").unwrap(), Some(NodeKind::Array));
    assert_eq!(store.node("group/nothing").unwrap(), None);
    assert!(store.children("empty group").unwrap().is_empty());
    for node in ["", "group", "group/f"] {
        assert_eq!(store.attributes(node).unwrap(), attributes());
    }
    for (name, kind) in store.children("group").unwrap() {
        assert_eq!(kind, NodeKind::Array);
        let array = store.array(&format!("group/{name}")).unwrap();
        let info = array.info();
        if name == "f" {
            assert_eq!(info.shape, [0u64; 0]);
            assert_eq!(read_bytes(&*array).unwrap(), 1.5f32.to_le_bytes());
            continue;
        }
        let expected = elements(&info.data_type, 35);
        assert_eq!(read_bytes(&*array).unwrap(), expected, "{name}");
        // The second and the last row, as two spans.
        let row = info.row_bytes().unwrap();
        let mut rows = vec![0; 2 * row];
        let spans = [Span::new(1, 2), Span::new(3, 3), Span::new(4, 5)];
        array.read_spans(&spans, &mut rows).unwrap();
        let picked = [&expected[row..2 * row], &expected[4 * row..]].concat();
        assert_eq!(rows, picked, "{name}");
    }
    for name in ["text", "text chunked"] {
        let text = read_all_strings(&*store.array(name).unwrap()).unwrap();
        assert_eq!((text.len(), text.get(4321)), (5000, Some("gène 4321")));
    }
    let scalar = read_all_strings(&*store.array("scalar text").unwrap()).unwrap();
    assert_eq!(scalar.get(0), Some("one"));
    for name in ["no rows", "no columns"] {
        assert!(read_bytes(&*store.array(name).unwrap()).unwrap().is_empty());
    }
    let many = store.array("many chunks").unwrap();
    assert_eq!(
        read_bytes(&*many).unwrap(),
        elements(&DataType::Int64, 30_000)
    );
}

#[test]
fn layout_and_filters_are_reported() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.h5");
    write_everything(&path);
    let store = open(&path);
    let array = store.array("group/float32 gzip [2, 7]").unwrap();
    assert_eq!(array.info().chunk_shape.as_deref(), Some(&[2, 7][..]));
    assert_eq!(array.info().filters, ["deflate(4)"]);
    let array = store.array("group/float32 zstd [2, 7]").unwrap();
    assert_eq!(array.info().filters, ["zstd(3)"]);
    let array = store.array("group/float32").unwrap();
    assert_eq!(array.info().chunk_shape, None);
    assert_eq!(array.info().stored_bytes, Some(35 * 4));
}

#[test]
fn nothing_is_visible_before_finish_and_nothing_is_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.h5ad");
    let entries = || std::fs::read_dir(directory.path()).unwrap().count();
    let mut writer = Hdf5Format.create(&path).unwrap();
    writer.write_group("", &Attributes::new()).unwrap();
    assert!(!path.exists());
    drop(writer);
    assert_eq!(entries(), 0);

    let mut writer = Hdf5Format.create(&path).unwrap();
    writer.write_group("", &Attributes::new()).unwrap();
    std::fs::write(&path, "mine").unwrap();
    assert_eq!(
        writer.finish().unwrap_err().kind(),
        ErrorKind::AlreadyExists
    );
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    assert_eq!(entries(), 1);
    let error = Hdf5Format.create(&path).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
}

#[test]
fn wrong_calls_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = Hdf5Format.create(&directory.path().join("a.h5")).unwrap();
    let none = Attributes::new();
    let byte = ArraySpec::new(DataType::UInt8, [1]);
    let data = ArrayData::Bytes(&[1]);
    let kind = |result: anndex_store::Result<()>| result.unwrap_err().kind();
    assert_eq!(
        kind(writer.write_group("a", &none)),
        ErrorKind::InvalidInput
    );
    writer.write_group("", &none).unwrap();
    writer.write_array("x", &byte, data, &none).unwrap();
    for path in ["x", "", "x/y", "a/b", "/a", "a/", "..", "a\0b"] {
        let result = writer.write_array(path, &byte, data, &none);
        assert_eq!(kind(result), ErrorKind::InvalidInput, "{path:?}");
    }
    let gzip = byte.clone().compressed(Compression::Gzip(4));
    assert_eq!(
        kind(writer.write_array("y", &gzip, data, &none)),
        ErrorKind::InvalidInput
    );
    for spec in [
        byte.clone().chunked([0]),
        byte.clone().chunked([1, 1]),
        byte.clone().chunked([1]).compressed(Compression::Gzip(12)),
        ArraySpec::new(DataType::UInt8, [2]),
    ] {
        let result = writer.write_array("y", &spec, data, &none);
        assert_eq!(kind(result), ErrorKind::InvalidInput, "{spec:?}");
    }
    let mixed = Attribute::List(vec![1i64.into(), "a".into()]);
    let attributes = Attributes::from([("mixed".into(), mixed)]);
    let error = writer.write_group("y", &attributes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(error.context("attribute"), Some("mixed"));
    let large = Attribute::from(vec![0i64; 10_000]);
    let attributes = Attributes::from([("large".into(), large)]);
    let error = writer.write_group("y", &attributes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let dangling = Attributes::from([("r".into(), Attribute::Reference("q".into()))]);
    writer.write_group("y", &dangling).unwrap();
    assert_eq!(kind(writer.finish()), ErrorKind::InvalidInput);
}
