//! What was written is what is read: trees, attributes, elements.

use std::path::Path;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::samples::{Elements, Sample, attributes, samples};
use super::{Capabilities, create, error_of, finish, open};
use anndex_core::error::ErrorKind;
use anndex_core::store::{
    Array, ArrayData, ArraySpec, Attributes, Compression, DataType, NodeKind, Span, Store,
    StoreFormat, Strings, read_all, read_all_strings,
};

/// Groups, children and attributes.
pub(super) fn tree(format: &dyn StoreFormat, path: &Path, capabilities: &Capabilities) {
    let expected = attributes(capabilities);
    let none = Attributes::new();
    let mut writer = format.create(path).expect("create");
    writer.write_group("", &expected).expect("write the root");
    let groups = [
        "obs",
        "obs/__categories",
        "obs/a b",
        "uns",
        "uns/é.x",
        "uns/é.x/deep",
    ];
    for group in groups {
        writer.write_group(group, &none).expect("write a group");
    }
    let spec = ArraySpec::new(DataType::Int32, [2]);
    let data = ArrayData::Bytes(&[1, 0, 0, 0, 2, 0, 0, 0]);
    let arrays = ["X", "obs/__categories/cell type", "obs/_index", "obs/z"];
    for array in arrays {
        let attributes = if array == "X" { &expected } else { &none };
        let written = writer.write_array(array, &spec, data, attributes);
        written.expect("write an array");
    }
    finish(writer);

    let store = open(format, path);
    let name = path.file_name().expect("a file name").to_string_lossy();
    let location = store.location();
    assert!(location.contains(&*name), "the location is {location:?}");
    assert!(!store.format().is_empty(), "the format has a name");
    for _ in 0..2 {
        for (path, attributes) in [
            ("", &expected),
            ("X", &expected),
            ("obs", &none),
            ("obs/z", &none),
        ] {
            let read = store.attributes(path).expect("attributes");
            assert_eq!(read, *attributes, "attributes of {path:?}");
        }
        // The rest is read after this.
        store.release();
    }

    let group = |name: &str| (name.to_owned(), NodeKind::Group);
    let array = |name: &str| (name.to_owned(), NodeKind::Array);
    let children = |path: &str| store.children(path).expect("children");
    assert_eq!(children(""), [array("X"), group("obs"), group("uns")]);
    let obs = [
        group("__categories"),
        array("_index"),
        group("a b"),
        array("z"),
    ];
    assert_eq!(children("obs"), obs);
    assert_eq!(children("uns"), [group("é.x")]);
    assert_eq!(children("uns/é.x"), [group("deep")]);
    assert_eq!(children("uns/é.x/deep"), []);

    let node = |path: &str| store.node(path).expect("node");
    assert_eq!(node(""), Some(NodeKind::Group));
    assert_eq!(node("obs"), Some(NodeKind::Group));
    for path in arrays {
        assert_eq!(node(path), Some(NodeKind::Array), "{path:?}");
        let array = store.array(path).expect("open an array");
        let read = read_all(&*array).expect("read an array");
        assert_eq!(ArrayData::Bytes(read.bytes()), data, "{path:?}");
    }
    missing_paths(&*store);
}

fn missing_paths(store: &dyn Store) {
    let missing = [
        "x",
        "obs/none",
        "none/none",
        "X/none",
        "X/0",
        "..",
        "../tree",
        "obs/..",
        "obs/../X",
        "/",
        "/X",
        "X/",
        "obs//z",
        ".",
        "obs/.",
    ];
    for path in missing {
        let node = store.node(path);
        assert!(matches!(node, Ok(None)), "node {path:?}: {node:?}");
        let errors = [
            error_of(path, store.children(path)),
            error_of(path, store.attributes(path)),
            error_of(path, store.array(path)),
        ];
        assert_eq!(errors, [ErrorKind::NotFound; 3], "missing path {path:?}");
    }
    let children = error_of("children of an array", store.children("X"));
    assert_eq!(children, ErrorKind::NotFound, "children of an array");
    let array = error_of("open a group as array", store.array("obs"));
    assert_eq!(array, ErrorKind::NotFound, "open a group as array");
}

/// Every type and layout, whole and in random pieces.
pub(super) fn arrays(format: &dyn StoreFormat, path: &Path, capabilities: &Capabilities) {
    let samples = samples(capabilities);
    let mut writer = create(format, path);
    for sample in &samples {
        let data = sample.elements.data();
        writer
            .write_array(&sample.path, &sample.spec, data, &sample.attributes)
            .unwrap_or_else(|e| panic!("write {}: {e:#}", sample.path));
    }
    finish(writer);

    let store = open(format, path);
    let mut random = StdRng::seed_from_u64(3);
    for sample in &samples {
        let array = store
            .array(&sample.path)
            .unwrap_or_else(|e| panic!("open {}: {e:#}", sample.path));
        let attributes = store.attributes(&sample.path).expect("attributes");
        assert_eq!(attributes, sample.attributes, "{}", sample.path);
        info(&sample.path, &sample.spec, &*array);
        whole(sample, &*array);
        let rows = array.info().rows();
        for _ in 0..10 {
            pieces(sample, &*array, &random_spans(rows, &mut random));
        }
        pieces(sample, &*array, &[]);
        pieces(sample, &*array, &[Span::new(0, 0), Span::new(rows, rows)]);
        wrong_reads(sample, &*array);
    }
    at_once(&*store, &samples);
}

/// An array is as it was written.
pub(super) fn info(path: &str, spec: &ArraySpec, array: &dyn Array) {
    let info = array.info();
    assert_eq!(info.data_type, spec.data_type, "{path}");
    assert_eq!(info.shape, spec.shape, "{path}");
    assert_eq!(info.shard_shape, spec.shard_shape, "{path}");
    if let Some(chunk) = &spec.chunk_shape {
        // One chunk as it is may also count as an array stored whole.
        let whole = spec.compression == Compression::None
            && spec.shard_shape.is_none()
            && chunk.iter().zip(&spec.shape).all(|(c, s)| c >= s);
        let as_written = info.chunk_shape.as_ref() == Some(chunk);
        let chunk = &info.chunk_shape;
        assert!(
            as_written || (whole && chunk.is_none()),
            "{path}: {chunk:?}"
        );
    }
}

fn whole(sample: &Sample, array: &dyn Array) {
    let path = &sample.path;
    match &sample.elements {
        Elements::Bytes(bytes) => {
            let read = read_all(array).unwrap_or_else(|e| panic!("read {path}: {e:#}"));
            assert!(read.bytes() == bytes, "{path}: the elements differ");
        }
        Elements::Strings(strings) => {
            let read = read_all_strings(array).unwrap_or_else(|e| panic!("read {path}: {e:#}"));
            assert_eq!(read, *strings, "{path}");
        }
    }
}

/// Reads spans and compares them with the truth.
fn pieces(sample: &Sample, array: &dyn Array, spans: &[Span]) {
    let path = &sample.path;
    let row = array.info().row_elements().expect("a possible shape") as usize;
    let ranges = spans
        .iter()
        .map(|span| span.start as usize * row..span.end as usize * row);
    match &sample.elements {
        Elements::Bytes(bytes) => {
            let size = sample.spec.data_type.fixed_size().expect("a numeric type");
            let truth: Vec<u8> = ranges
                .flat_map(|range| &bytes[range.start * size..range.end * size])
                .copied()
                .collect();
            let mut out = vec![0xa5; truth.len()];
            array
                .read_spans(spans, &mut out)
                .unwrap_or_else(|e| panic!("read {spans:?} of {path}: {e:#}"));
            assert!(out == truth, "{path}: the elements of {spans:?} differ");
        }
        Elements::Strings(strings) => {
            let truth: Strings = ranges.flatten().filter_map(|i| strings.get(i)).collect();
            let read = array
                .read_strings(spans)
                .unwrap_or_else(|e| panic!("read {spans:?} of {path}: {e:#}"));
            assert_eq!(read, truth, "{path}: {spans:?}");
        }
    }
}

/// Sorted spans, some of them empty or touching each other.
fn random_spans(rows: u64, random: &mut StdRng) -> Vec<Span> {
    let mut ends: Vec<u64> = (0..random.random_range(1..8usize) * 2)
        .map(|_| random.random_range(0..=rows))
        .collect();
    ends.sort_unstable();
    ends.chunks_exact(2)
        .map(|pair| Span::new(pair[0], pair[1]))
        .collect()
}

fn wrong_reads(sample: &Sample, array: &dyn Array) {
    let rows = array.info().rows();
    let row = array.info().row_bytes().unwrap_or(0);
    let all = rows as usize * row;
    let strings = matches!(sample.elements, Elements::Strings(_));
    let mut wrong = vec![
        ("past the end", vec![Span::new(0, rows + 1)], all + row),
        (
            "far past the end",
            vec![Span::new(u64::MAX - 1, u64::MAX)],
            row,
        ),
    ];
    if rows >= 2 {
        let reversed = Span { start: 2, end: 1 };
        wrong.push(("unsorted", vec![Span::new(1, 2), Span::new(0, 1)], 2 * row));
        wrong.push((
            "overlapping",
            vec![Span::new(0, 2), Span::new(1, 2)],
            3 * row,
        ));
        wrong.push(("reversed", vec![reversed], 0));
    }
    if !strings {
        wrong.push(("buffer too long", vec![Span::new(0, rows)], all + 1));
        if all > 0 {
            wrong.push(("buffer too short", vec![Span::new(0, rows)], all - 1));
        }
    }
    for (what, spans, length) in wrong {
        let what = format!("{what}: {}", sample.path);
        let result = if strings {
            array.read_strings(&spans).map(drop)
        } else {
            array.read_spans(&spans, &mut vec![0; length])
        };
        assert_eq!(error_of(&what, result), ErrorKind::InvalidInput, "{what}");
    }
    let field = error_of("field", array.field("none"));
    assert_eq!(field, ErrorKind::InvalidInput, "field of {}", sample.path);
    let other_kind = if strings {
        error_of("numbers of strings", array.read_spans(&[], &mut []))
    } else {
        error_of("strings of numbers", array.read_strings(&[]))
    };
    let allowed = [ErrorKind::InvalidInput, ErrorKind::Unsupported];
    assert!(
        allowed.contains(&other_kind),
        "{}: {other_kind}",
        sample.path
    );
}

/// Many threads read the same handles, each in an order of its own.
fn at_once(store: &dyn Store, samples: &[Sample]) {
    let arrays: Vec<_> = samples
        .iter()
        .map(|sample| (sample, store.array(&sample.path).expect("open")))
        .collect();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let arrays = &arrays;
            scope.spawn(move || {
                let mut random = StdRng::seed_from_u64(thread);
                for _ in 0..200 {
                    let (sample, array) = &arrays[random.random_range(0..arrays.len())];
                    let rows = array.info().rows();
                    pieces(sample, &**array, &random_spans(rows, &mut random));
                }
            });
        }
    });
}
