//! Files that h5py and its plugins wrote (see `data/generate.py`): filters, layouts and types
//! that our writer does not make.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::Path;
use std::sync::Arc;

use anndex_store::ErrorKind;
use anndex_store::{
    Array, Attribute, DataType, NodeKind, Span, Store, StoreFormat, read_all_strings,
};
use anndex_store_hdf5::Hdf5Format;
use proptest::prelude::*;

const LAYOUTS: [&str; 2] = ["earliest.h5", "latest.h5"];

fn open(name: &str) -> Arc<dyn Store> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    Hdf5Format.open(&directory.join(name)).unwrap()
}

fn bytes(array: &dyn Array) -> Vec<u8> {
    let info = array.info();
    let mut out = vec![0; info.rows() as usize * info.row_bytes().unwrap()];
    let all = [Span::new(0, info.rows())];
    array.read_spans(&all, &mut out).unwrap();
    out
}

fn strings(array: &dyn Array) -> Vec<String> {
    let strings = read_all_strings(array).unwrap();
    strings.iter().map(str::to_owned).collect()
}

/// The elements that the generator writes: `n * n % 101`.
fn values(data_type: &DataType, count: u64) -> Vec<u8> {
    let value = |n: u64| match data_type {
        DataType::Bool => vec![(n * n % 2) as u8],
        DataType::Float16 => half::f16::from_f64((n * n % 101) as f64)
            .to_le_bytes()
            .to_vec(),
        DataType::Float32 => ((n * n % 101) as f32).to_le_bytes().to_vec(),
        DataType::Float64 => ((n * n % 101) as f64).to_le_bytes().to_vec(),
        integer => (n * n % 101).to_le_bytes()[..integer.fixed_size().unwrap()].to_vec(),
    };
    (0..count).flat_map(value).collect()
}

fn assert_values(name: &str, array: &dyn Array) {
    let info = array.info();
    let count = info.rows() * info.row_elements().unwrap();
    assert!(bytes(array) == values(&info.data_type, count), "{name}");
}

#[test]
fn all_filters_decode() {
    let store = open("filters.h5");
    for (name, _) in store.children("").unwrap() {
        let array = store.array(&name).unwrap();
        if let Some(filter) = name.strip_prefix("unknown ") {
            let mut out = vec![0; 400];
            let error = array
                .read_spans(&[Span::new(0, 100)], &mut out)
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.message().contains(filter), "{error}");
            assert_eq!(error.context("node"), Some(format!("/{name}").as_str()));
            continue;
        }
        assert_values(&name, &*array);
    }
}

#[test]
fn filters_are_named() {
    let store = open("filters.h5");
    for (name, filters) in [
        ("blosc zstd 1", vec!["blosc(zstd,5)"]),
        ("zstd", vec!["zstd(3)"]),
        ("lzf of shuffled", vec!["shuffle", "lzf"]),
        (
            "gzip of shuffled, checked",
            vec!["shuffle", "deflate(4)", "fletcher32"],
        ),
        ("unknown blosc2", vec!["blosc2 (32026)"]),
    ] {
        assert_eq!(store.array(name).unwrap().info().filters, filters);
    }
}

#[test]
fn all_layouts_and_numbers_read() {
    for file in LAYOUTS {
        let store = open(file);
        for (name, kind) in store.children("").unwrap() {
            if kind == NodeKind::Array {
                let array = store.array(&name).unwrap();
                assert_values(&format!("{file} {name}"), &*array);
                let expected = name.strip_prefix("number ").map(|name| &name[1..2]);
                let float = array.info().data_type.is_float();
                assert!(expected.is_none_or(|kind| (kind == "f") == float), "{name}");
            }
        }
    }
}

#[test]
fn elements_never_written_are_the_fill_value() {
    for file in LAYOUTS {
        let store = open(file);
        let sevens = bytes(&*store.array("special/sevens").unwrap());
        assert_eq!(sevens, 7i32.to_le_bytes().repeat(100));
        let sevens = bytes(&*store.array("special/sevens unwritten").unwrap());
        assert_eq!(sevens, 7i16.to_le_bytes().repeat(4));
    }
}

#[test]
fn odd_types_are_listed_but_not_read() {
    let store = open("latest.h5");
    for name in ["special/twelve bits", "special/opaque"] {
        let array = store.array(name).unwrap();
        assert!(matches!(array.info().data_type, DataType::Other(_)));
        let error = array.read_spans(&[], &mut []).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}");
    }
}

#[test]
fn links_are_followed_inside_the_file_only() {
    for file in LAYOUTS {
        let store = open(file);
        for name in ["special/soft", "special/hard", "special/cycle/cycle/hard"] {
            assert_values(name, &*store.array(name).unwrap());
        }
        // HDF5 files of the oldest structures hold external links all the same.
        for (name, target) in [("dangling", "/nowhere"), ("external", "other.h5")] {
            let error = store.array(&format!("special/{name}")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{file}: {error}");
            assert!(error.message().contains(target), "{error}");
        }
        let children = store.children("special").unwrap();
        let kind = |name: &str| children.iter().find(|(other, _)| other == name).unwrap().1;
        assert_eq!(kind("soft"), NodeKind::Array);
        assert_eq!(kind("cycle"), NodeKind::Group);
        for name in ["dangling", "external"] {
            assert_eq!(kind(name), NodeKind::Unreadable, "{file} {name}");
        }
    }
}

#[test]
fn links_are_followed_into_files_of_the_same_directory_only() {
    for layout in ["earliest", "latest"] {
        let store = open(&format!("links_{layout}.h5"));
        for name in [
            "to numbers",
            "to numbers here",
            "to group/inner",
            "to itself",
            "there and back",
            "soft",
            "group/up",
            "group/same",
            "to group/inner",
        ] {
            assert_values(&format!("{layout} {name}"), &*store.array(name).unwrap());
        }
        let listed = store.children("").unwrap();
        let unreadable = |(_, kind): &(String, NodeKind)| *kind == NodeKind::Unreadable;
        assert!(!listed.iter().any(unreadable), "{listed:?}");
        let attributes = store.attributes("to group").unwrap();
        assert_eq!(attributes["n"], Attribute::Int(3));
        // A path inside the other file is none of this one.
        assert!(matches!(attributes["reference"], Attribute::Other(_)));
        assert_eq!(store.node("to numbers/below").unwrap(), None);

        let bad = store.children("bad").unwrap();
        assert!(bad.len() >= 9, "{bad:?}");
        for (name, kind) in bad {
            assert_eq!(kind, NodeKind::Unreadable, "{layout} {name}");
            let path = format!("bad/{name}");
            for error in [
                store.node(&path).unwrap_err(),
                store.array(&path).unwrap_err(),
                store.attributes(&path).unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{path}: {error}");
                assert_eq!(error.context("node"), Some(format!("/{path}").as_str()));
                let told = match name.as_str() {
                    "no such file" => "`missing.h5`), which is not in the same directory",
                    "no such node" => "`/missing` of the file `beside_",
                    "above" => "`../data/beside_",
                    "absolute" => "inside the same directory only",
                    "dangling" => "a link to `/missing`, where nothing is stored",
                    "circle" | "round" | "itself" => "in a circle",
                    "type" => "a data type",
                    "virtual" => "a virtual array",
                    other => panic!("{other}"),
                };
                assert!(error.message().contains(told), "{path}: {error}");
            }
        }
        assert_values("good", &*store.array("good").unwrap());
    }
}

#[test]
fn a_symbolic_link_beside_the_file_is_not_followed() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let directory = tempfile::tempdir().unwrap();
    let (main, beside) = ("links_latest.h5", "beside_latest.h5");
    std::fs::copy(data.join(main), directory.path().join(main)).unwrap();
    let place = directory.path().join(beside);
    #[cfg(unix)]
    std::os::unix::fs::symlink(data.join(beside), &place).unwrap();
    #[cfg(not(unix))]
    std::fs::create_dir(&place).unwrap();
    let store = Hdf5Format.open(&directory.path().join(main)).unwrap();
    let error = store.array("to numbers").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.message().contains(beside), "{error}");
    assert_values("own", &*store.array("own").unwrap());
}

#[test]
fn files_that_are_open_for_writing_are_refused() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let closed = std::fs::read(data.join("links_latest.h5")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("open.h5ad");
    // Open for writing; for writing beside readers; marked as fine, which means nothing.
    for (flags, is_refused) in [(0x01, true), (0x04, true), (0x05, true), (0x02, false)] {
        let mut bytes = closed.clone();
        assert_eq!(bytes[8], 3, "the version of the superblock");
        bytes[11] = flags;
        let checksum = hdf5_reader::checksum::jenkins_lookup3(&bytes[..44]);
        bytes[44..48].copy_from_slice(&checksum.to_le_bytes());
        std::fs::write(&path, &bytes).unwrap();
        let opened = Hdf5Format.open(&path);
        assert_eq!(opened.is_err(), is_refused, "{flags}");
        if let Err(error) = opened {
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.message().contains("h5clear -s"), "{error}");
            assert_eq!(error.context("path"), path.to_str());
        }
    }
}

#[test]
fn a_matrix_in_one_large_chunk_reads() {
    let array = open("one_chunk.h5").array("X").unwrap();
    let columns = array.info().row_bytes().unwrap();
    assert_eq!(array.info().chunk_shape, Some(vec![320, columns as u64]));
    let mut rows = vec![9; 3 * columns];
    let spans = [Span::new(0, 1), Span::new(5, 6), Span::new(319, 320)];
    array.read_spans(&spans, &mut rows).unwrap();
    let found: Vec<(usize, u8)> = rows
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, v)| *v != 0)
        .collect();
    assert_eq!(found, [(0, 1), (columns + 3, 2), (3 * columns - 1, 3)]);
}

#[test]
fn strings_read() {
    for file in LAYOUTS {
        let store = open(file);
        for (name, _) in store.children("strings").unwrap() {
            let array = store.array(&format!("strings/{name}")).unwrap();
            assert_eq!(array.info().data_type, DataType::String);
            assert_eq!(strings(&*array), ["Zelle", "", "gène"], "{file} {name}");
            let some = array.read_strings(&[Span::new(2, 3)]).unwrap();
            assert_eq!(some.get(0), Some("gène"));
            let error = array.read_spans(&[], &mut []).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
        }
    }
}

#[test]
fn fields_of_tables_read() {
    for file in LAYOUTS {
        let store = open(file);
        for name in ["table/contiguous", "table/chunked"] {
            let table = store.array(name).unwrap();
            let DataType::Struct(fields) = &table.info().data_type else {
                panic!("{:?}", table.info());
            };
            assert_eq!(fields[5].shape, [2, 3]);
            for field in ["f4", "i8", "bool", "array"] {
                assert_values(field, &*table.field(field).unwrap());
            }
            let array = table.field("array").unwrap();
            assert_eq!(array.info().shape, [9, 2, 3]);
            let cells: Vec<_> = (0..9).map(|n| format!("cell {n}")).collect();
            assert_eq!(strings(&*table.field("text").unwrap()), cells);
            let fixed = strings(&*table.field("fixed").unwrap());
            assert_eq!(fixed[8], "c8");
            let texts = table.field("texts").unwrap();
            assert_eq!(texts.info().shape, [9, 2]);
            assert_eq!(strings(&*texts), ["ab"; 18]);
            let error = table.field("nothing").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            let error = array.field("f4").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
    }
}

#[test]
fn attributes_read() {
    for file in LAYOUTS {
        let attributes = open(file).attributes("special").unwrap();
        let ints = |items: &[i64]| Attribute::from(items.to_vec());
        let record = [("a".into(), 1i64.into()), ("b".into(), 2.5.into())];
        for (name, expected) in [
            ("int", Attribute::Int(-5)),
            ("large", Attribute::UInt(u64::MAX)),
            ("half", Attribute::Float(1.5)),
            ("bool", Attribute::Bool(true)),
            ("bools", vec![true, false].into()),
            ("text", "gène".into()),
            ("fixed", "abc".into()),
            ("texts", vec!["a", ""].into()),
            ("no texts", Attribute::List(Vec::new())),
            ("none", Attribute::Null),
            (
                "nested",
                Attribute::List(vec![ints(&[1, 2]), ints(&[3, 4])]),
            ),
            ("reference", Attribute::Reference("table/chunked".into())),
            (
                "references",
                Attribute::List(vec![Attribute::Reference("table".into())]),
            ),
            ("record", Attribute::Object(record.into())),
            ("many 11", Attribute::Int(11)),
        ] {
            assert_eq!(attributes.get(name), Some(&expected), "{file} {name}");
        }
    }
}

proptest! {
    /// Any rows of any layout are what reading everything gives for them.
    #[test]
    fn spans_are_parts_of_the_whole(
        cuts in prop::collection::vec(0u64..3000, 0..12),
        pick in any::<prop::sample::Index>(),
        file in prop::sample::select(vec!["filters.h5", "earliest.h5", "latest.h5"]),
    ) {
        let store = open(file);
        let arrays: Vec<_> = store
            .children("")
            .unwrap()
            .into_iter()
            .filter(|(name, kind)| *kind == NodeKind::Array && !name.starts_with("unknown"))
            .collect();
        let array = store.array(&pick.get(&arrays).0).unwrap();
        let rows = array.info().rows();
        let row_bytes = array.info().row_bytes().unwrap();
        let mut cuts: Vec<u64> = cuts.into_iter().map(|cut| cut % (rows + 1)).collect();
        cuts.sort_unstable();
        let spans: Vec<Span> = cuts
            .chunks_exact(2)
            .map(|pair| Span::new(pair[0], pair[1]))
            .collect();
        let whole = bytes(&*array);
        let expected: Vec<u8> = spans
            .iter()
            .flat_map(|span| &whole[span.start as usize * row_bytes..span.end as usize * row_bytes])
            .copied()
            .collect();
        let mut out = vec![0; expected.len()];
        array.read_spans(&spans, &mut out).unwrap();
        prop_assert_eq!(out, expected);
    }
}
