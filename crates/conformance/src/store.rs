//! The contract of [`StoreFormat`], [`Store`] and [`StoreWriter`], tried from outside: a tree is
//! written, read back and compared with what is held in memory.

mod growing;
mod reading;
mod samples;
mod writing;

use std::path::Path;

use anndex_core::store::{Attributes, Compression, Store, StoreFormat, StoreWriter};

/// What a format can hold; the suite leaves out the rest.
#[derive(Debug, Clone)]
pub struct Capabilities {
    /// Compressions that the writer offers.
    pub compressions: Vec<Compression>,
    /// Whether arrays can be sharded.
    pub shards: bool,
    /// Whether arrays can be appended to.
    pub growing_arrays: bool,
    /// Whether a directory of stores can be a group.
    pub groups_of_stores: bool,
    /// Whether attributes can be null.
    pub null_attributes: bool,
    /// Whether attributes can be named values, and lists of values of different kinds.
    pub nested_attributes: bool,
}

impl Capabilities {
    /// Everything that the contract knows.
    pub fn all() -> Self {
        Self {
            compressions: vec![
                Compression::None,
                Compression::Gzip(1),
                Compression::Gzip(6),
                Compression::Zstd(3),
                Compression::BloscLz4(5),
            ],
            shards: true,
            growing_arrays: true,
            groups_of_stores: true,
            null_attributes: true,
            nested_attributes: true,
        }
    }
}

/// Runs the whole suite. `directory` exists and is empty; stores are made inside.
///
/// # Panics
/// If the format breaks the contract.
pub fn run(format: &dyn StoreFormat, directory: &Path, capabilities: &Capabilities) {
    let suffix = format.suffixes()[0];
    let path = |name: &str| directory.join(format!("{name}{suffix}"));
    reading::tree(format, &path("tree"), capabilities);
    reading::arrays(format, &path("arrays"), capabilities);
    growing::arrays(format, &path("growing"), capabilities);
    growing::wrong_calls(format, &path("growing-wrong-calls"), capabilities);
    writing::wrong_calls(format, &path("wrong-calls"), capabilities);
    writing::dropped(format, directory, &path("dropped"));
    writing::destination_taken(format, &path("taken"));
    writing::missing(format, &path("missing"));
    writing::group_of_stores(format, &path("group"), capabilities);
}

fn create(format: &dyn StoreFormat, path: &Path) -> Box<dyn StoreWriter> {
    let mut writer = format
        .create(path)
        .unwrap_or_else(|e| panic!("create {}: {e:#}", path.display()));
    writer
        .write_group("", &Attributes::new())
        .unwrap_or_else(|e| panic!("write the root group: {e:#}"));
    writer
}

fn finish(writer: Box<dyn StoreWriter>) {
    writer.finish().unwrap_or_else(|e| panic!("finish: {e:#}"));
}

fn open(format: &dyn StoreFormat, path: &Path) -> std::sync::Arc<dyn Store> {
    format
        .open(path)
        .unwrap_or_else(|e| panic!("open {}: {e:#}", path.display()))
}

/// The error of a call that has to fail.
fn error_of<T>(what: &str, result: anndex_core::Result<T>) -> anndex_core::ErrorKind {
    match result {
        Ok(_) => panic!("{what}: this must fail"),
        Err(error) => error.kind(),
    }
}
