//! Memory stores behind the interface of a format, so that they can stand in for files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::MemoryStore;
use crate::error::{Error, Result};
use crate::storage::RemoteContent;
use crate::{ArrayData, ArraySpec, Attributes, Store, StoreFormat, StoreWriter};

/// Memory stores by path. Clones share their stores.
#[derive(Debug, Clone, Default)]
pub struct MemoryFormat {
    stores: Arc<Mutex<BTreeMap<PathBuf, Arc<MemoryStore>>>>,
}

/// A store that enters its format when it is finished.
struct MemoryWriter {
    store: MemoryStore,
    path: PathBuf,
    format: MemoryFormat,
}

impl MemoryFormat {
    fn get(&self, path: &Path) -> Option<Arc<MemoryStore>> {
        let stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        stores.get(path).cloned()
    }
}

impl StoreFormat for MemoryFormat {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".memory"]
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn Store>> {
        match self.get(path) {
            Some(store) => Ok(store),
            None => Err(Error::not_found("no such store in memory").with("path", path.display())),
        }
    }

    fn open_remote(&self, content: &RemoteContent) -> Result<Arc<dyn Store>> {
        Err(Error::unsupported("stores in memory are on no server")
            .with("path", content.location()))
    }

    fn create(&self, path: &Path) -> Result<Box<dyn StoreWriter>> {
        if self.get(path).is_some() {
            return Err(exists(path));
        }
        Ok(Box::new(MemoryWriter {
            store: MemoryStore::new(path.to_string_lossy()),
            path: path.to_owned(),
            format: self.clone(),
        }))
    }

    fn group_stores(&self, directory: &Path, _attributes: &Attributes) -> Result<()> {
        let message = "stores in memory are in no group";
        Err(Error::unsupported(message).with("path", directory.display()))
    }
}

impl StoreWriter for MemoryWriter {
    fn write_group(&mut self, path: &str, attributes: &Attributes) -> Result<()> {
        self.store.write_group(path, attributes)
    }

    fn write_array(
        &mut self,
        path: &str,
        spec: &ArraySpec,
        data: ArrayData<'_>,
        attributes: &Attributes,
    ) -> Result<()> {
        self.store.write_array(path, spec, data, attributes)
    }

    fn start_array(&mut self, path: &str, spec: &ArraySpec, attributes: &Attributes) -> Result<()> {
        self.store.start_array(path, spec, attributes)
    }

    fn append(&mut self, path: &str, rows: &[u8]) -> Result<()> {
        self.store.append(path, rows)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let mut stores = self
            .format
            .stores
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if stores.contains_key(&self.path) {
            return Err(exists(&self.path));
        }
        stores.insert(self.path, Arc::new(self.store));
        Ok(())
    }
}

fn exists(path: &Path) -> Error {
    Error::new(
        crate::error::ErrorKind::AlreadyExists,
        "a store is here already",
    )
    .with("path", path.display())
}
