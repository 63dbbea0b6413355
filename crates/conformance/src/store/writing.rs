//! Writers refuse what does not fit, and leave either a whole store or nothing.

use std::path::Path;

use super::{Capabilities, create, error_of, finish, open};
use anndex_core::error::ErrorKind;
use anndex_core::store::{
    ArrayData, ArraySpec, Attributes, DataType, NodeKind, StoreFormat, Strings,
};

/// Calls that must be refused, and that do no harm to the store being written.
pub(super) fn wrong_calls(format: &dyn StoreFormat, path: &Path, capabilities: &Capabilities) {
    let none = Attributes::new();
    let spec = ArraySpec::new(DataType::UInt8, [4]);
    let bytes = ArrayData::Bytes(&[1, 2, 3, 4]);
    let strings = Strings::from_iter(["a", "b", "c", "d"]);
    let text = ArrayData::Strings(&strings);

    let mut writer = format.create(path).expect("create");
    let orphan = error_of("a group before the root", writer.write_group("obs", &none));
    assert_eq!(orphan, ErrorKind::InvalidInput, "a group before the root");
    writer.write_group("", &none).expect("write the root");
    writer.write_group("obs", &none).expect("write a group");
    let written = writer.write_array("X", &spec, bytes, &none);
    written.expect("write an array");

    let wrong_paths = [
        "", "obs", "X", "none/a", "X/a", "/a", "a/", "obs//a", "..", "../a", "obs/../a", "a\0b",
    ];
    for wrong in wrong_paths {
        let group = error_of(wrong, writer.write_group(wrong, &none));
        assert_eq!(group, ErrorKind::InvalidInput, "group {wrong:?}");
        let array = error_of(wrong, writer.write_array(wrong, &spec, bytes, &none));
        assert_eq!(array, ErrorKind::InvalidInput, "array {wrong:?}");
    }

    let of = |data_type: DataType, shape: &[u64]| ArraySpec::new(data_type, shape);
    let misfits = [
        ("too few elements", of(DataType::UInt8, &[5]), bytes),
        ("too many elements", of(DataType::UInt8, &[2, 1]), bytes),
        ("elements too short", of(DataType::UInt16, &[4]), bytes),
        (
            "an impossible shape",
            of(DataType::UInt8, &[u64::MAX, 2]),
            bytes,
        ),
        ("text for numbers", spec.clone(), text),
        ("too few strings", of(DataType::String, &[5]), text),
        ("no chunk extent", spec.clone().chunked([0]), bytes),
        ("too many chunk axes", spec.clone().chunked([2, 2]), bytes),
        ("shards without chunks", spec.clone().sharded([2]), bytes),
        (
            "shards of half chunks",
            spec.clone().chunked([2]).sharded([3]),
            bytes,
        ),
    ];
    for (what, spec, data) in misfits {
        let kind = error_of(what, writer.write_array("misfit", &spec, data, &none));
        assert_eq!(kind, ErrorKind::InvalidInput, "{what}");
    }
    let numbers = writer.write_array("misfit", &of(DataType::String, &[4]), bytes, &none);
    let kind = error_of("numbers for text", numbers);
    let allowed = [ErrorKind::InvalidInput, ErrorKind::Unsupported];
    assert!(allowed.contains(&kind), "numbers for text: {kind}");
    if !capabilities.shards {
        let sharded = spec.clone().chunked([2]).sharded([4]);
        let kind = error_of(
            "shards",
            writer.write_array("misfit", &sharded, bytes, &none),
        );
        assert_eq!(kind, ErrorKind::Unsupported, "shards in a format without");
    }
    finish(writer);

    let children = open(format, path).children("").expect("children");
    let expected = [("X", NodeKind::Array), ("obs", NodeKind::Group)];
    assert_eq!(
        children,
        expected.map(|(name, kind)| (name.to_owned(), kind))
    );
}

/// Nothing is visible before `finish`, and nothing remains of a writer that was dropped.
pub(super) fn dropped(format: &dyn StoreFormat, directory: &Path, path: &Path) {
    let before = names(directory);
    let none = Attributes::new();
    let mut writer = create(format, path);
    writer.write_group("obs", &none).expect("write a group");
    let spec = ArraySpec::new(DataType::UInt8, [4]);
    let written = writer.write_array("X", &spec, ArrayData::Bytes(&[1, 2, 3, 4]), &none);
    written.expect("write an array");
    let early = error_of("open an unfinished store", format.open(path));
    assert_eq!(early, ErrorKind::NotFound, "open an unfinished store");
    drop(writer);
    let late = error_of("open a dropped store", format.open(path));
    assert_eq!(late, ErrorKind::NotFound, "open a dropped store");
    assert_eq!(names(directory), before, "a dropped writer leaves nothing");
}

fn names(directory: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        let name = entry.expect("an entry").file_name();
        name.to_string_lossy().into_owned()
    };
    let entries = std::fs::read_dir(directory).expect("list the directory");
    let mut names: Vec<_> = entries.map(name).collect();
    names.sort();
    names
}

/// What stands at the destination is never overwritten.
pub(super) fn destination_taken(format: &dyn StoreFormat, path: &Path) {
    let mark = |value: i64| Attributes::from([("mark".to_owned(), value.into())]);
    let mut first = format.create(path).expect("create");
    first.write_group("", &mark(1)).expect("write the root");
    let mut second = format
        .create(path)
        .expect("create beside an unfinished store");
    second.write_group("", &mark(2)).expect("write the root");
    finish(first);
    let kind = error_of("finish over a store", second.finish());
    assert_eq!(kind, ErrorKind::AlreadyExists, "finish over a store");
    let kind = error_of("create over a store", format.create(path));
    assert_eq!(kind, ErrorKind::AlreadyExists, "create over a store");
    let attributes = open(format, path).attributes("").expect("attributes");
    assert_eq!(attributes, mark(1), "the first store is unharmed");
}

/// A store that is not there.
pub(super) fn missing(format: &dyn StoreFormat, path: &Path) {
    let kind = error_of("open nothing", format.open(path));
    assert_eq!(kind, ErrorKind::NotFound, "open nothing");
}

/// A directory of stores as a group, whose attributes are replaced.
pub(super) fn group_of_stores(
    format: &dyn StoreFormat,
    directory: &Path,
    capabilities: &Capabilities,
) {
    std::fs::create_dir(directory).expect("make a directory");
    let mark = |value: i64| Attributes::from([("mark".to_owned(), value.into())]);
    let grouped = format.group_stores(directory, &mark(1));
    if !capabilities.groups_of_stores {
        let kind = error_of("group stores", grouped);
        assert_eq!(kind, ErrorKind::Unsupported, "group stores");
        return;
    }
    grouped.expect("group stores");
    let name = format!("a{}", format.suffixes()[0]);
    finish(create(format, &directory.join(&name)));
    for value in [1, 2] {
        let group = open(format, directory);
        assert_eq!(group.attributes("").expect("attributes"), mark(value));
        let children = group.children("").expect("children");
        assert_eq!(children, [(name.clone(), NodeKind::Group)]);
        let again = format.group_stores(directory, &mark(2));
        again.expect("replace the attributes");
    }
    let kind = error_of(
        "group nothing",
        format.group_stores(&directory.join("none"), &mark(1)),
    );
    assert_eq!(kind, ErrorKind::NotFound, "group nothing");
}
