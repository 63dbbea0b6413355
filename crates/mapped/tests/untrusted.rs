//! Stores that can't be trusted: groups without end, and readers that panic.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use anndex_anndata::{AnnData, BackedAnnData, DataFrame, InMemoryMatrix, WriteOptions, write};
use anndex_mapped::{MappedCollection, MappedOptions};
use anndex_store::memory::MemoryStore;
use anndex_store::{Array, ArrayInfo, Attributes, NodeKind, NumericArray, Span, Store, Strings};
use anndex_store::{ErrorKind, Limits, Result};

fn small() -> MemoryStore {
    let names = |prefix: &str, count| {
        DataFrame::new(
            (0..count)
                .map(|number| format!("{prefix}{number}"))
                .collect(),
        )
    };
    let values: Vec<f32> = (0..40u8).map(f32::from).collect();
    let data = AnnData {
        x: Some(InMemoryMatrix::Dense(
            NumericArray::from_values([20, 2], &values).unwrap(),
        )),
        obs: names("cell", 20),
        var: names("gene", 2),
        ..AnnData::default()
    };
    let mut store = MemoryStore::new("small");
    write(&mut store, &data, &WriteOptions::default()).unwrap();
    store
}

/// A store in which each group of `uns` holds two more, and which panics when it reads `X`.
#[derive(Debug)]
struct Untrusted {
    store: MemoryStore,
    limits: Limits,
}

fn is_endless(path: &str) -> bool {
    path == "uns" || path.starts_with("uns/")
}

impl Store for Untrusted {
    fn location(&self) -> &str {
        self.store.location()
    }

    fn format(&self) -> &str {
        self.store.format()
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn node(&self, path: &str) -> Result<Option<NodeKind>> {
        match is_endless(path) {
            true => Ok(Some(NodeKind::Group)),
            false => self.store.node(path),
        }
    }

    fn children(&self, path: &str) -> Result<Vec<(String, NodeKind)>> {
        match is_endless(path) {
            // 2^40 groups: no deeper than what can be read.
            true if path.matches('/').count() < 40 => {
                let inner = ["a", "b"].map(|name| (name.to_owned(), NodeKind::Group));
                Ok(inner.to_vec())
            }
            true => Ok(Vec::new()),
            false => self.store.children(path),
        }
    }

    fn attributes(&self, path: &str) -> Result<Attributes> {
        match is_endless(path) {
            true => Ok(Attributes::new()),
            false => self.store.attributes(path),
        }
    }

    fn array(&self, path: &str) -> Result<Arc<dyn Array>> {
        let array = self.store.array(path)?;
        match path {
            "X" => Ok(Arc::new(Panics(array.info().clone()))),
            _ => Ok(array),
        }
    }
}

/// An array whose reader has a bug.
#[derive(Debug)]
struct Panics(ArrayInfo);

impl Array for Panics {
    fn info(&self) -> &ArrayInfo {
        &self.0
    }

    fn read_spans(&self, _: &[Span], _: &mut [u8]) -> Result<()> {
        panic!("a bug of the reader");
    }

    fn read_strings(&self, _: &[Span]) -> Result<Strings> {
        panic!("a bug of the reader");
    }

    fn field(&self, _: &str) -> Result<Arc<dyn Array>> {
        panic!("a bug of the reader");
    }
}

#[test]
fn groups_that_hold_each_other_many_times_are_refused() {
    let limits = Limits {
        nodes: 1000,
        ..Limits::DEFAULT
    };
    let store = small();
    let data = BackedAnnData::open(Arc::new(Untrusted { store, limits })).unwrap();
    let error = data.uns().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:#}");
    assert!(error.message().contains("links"), "{error}");
    assert_eq!(error.context("path"), Some("small"));
    assert!(error.context("node").unwrap().starts_with("/uns/a/a"));
}

#[test]
fn a_panic_in_a_thread_of_a_loader_is_one_of_whoever_uses_it() {
    let (store, limits) = (small(), Limits::DEFAULT);
    let store: Arc<dyn Store> = Arc::new(Untrusted { store, limits });
    let options = MappedOptions::default().join(None);
    let mapped = MappedCollection::open(vec![store], &options).unwrap();
    let loader = mapped.loader().batch_size(4).build().unwrap();
    let mut epoch = loader.epoch().unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| epoch.next().map(drop)));
    let panic = panic.expect_err("no failure of a storage");
    assert_eq!(panic.downcast_ref(), Some(&"a bug of the reader"));
    assert!(epoch.next().is_none());
}
