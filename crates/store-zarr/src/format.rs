//! Zarr as a format that is chosen by suffix.

use std::path::Path;
use std::sync::Arc;

use anndex_store::storage::RemoteContent;
use anndex_store::{Attributes, Store, StoreFormat, StoreWriter};
use anndex_store::{Error, ErrorKind, Limits, Result};

use crate::store::ZarrStore;
use crate::writer::{self, ZarrWriter};

/// A version of the Zarr specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ZarrVersion {
    /// Zarr v2: `.zgroup`, `.zarray` and `.zattrs`; no shards.
    V2,
    /// Zarr v3: `zarr.json`; arrays may be sharded.
    #[default]
    V3,
}

/// Opens Zarr v2 and v3 directories and zips, and writes directories of one version.
#[derive(Debug, Clone, Copy, Default)]
pub struct ZarrFormat {
    version: ZarrVersion,
    limits: Limits,
}

impl ZarrFormat {
    /// Reads every version and writes v3.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the version that is written.
    pub fn writing(mut self, version: ZarrVersion) -> Self {
        self.version = version;
        self
    }

    /// Sets how much may be taken for what a store says of itself.
    pub fn within(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

impl StoreFormat for ZarrFormat {
    fn name(&self) -> &'static str {
        "zarr"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".zarr", ".zarr.zip"]
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn Store>> {
        let store =
            ZarrStore::open(path, self.limits).map_err(|e| e.with("path", path.display()))?;
        Ok(Arc::new(store))
    }

    fn open_remote(&self, content: &RemoteContent) -> Result<Arc<dyn Store>> {
        if content.as_file().is_some() {
            return Err(Error::unsupported(
                "zips are not read in place, since each of their members takes a request; leave \
                 out `stream`, so that it is cached first",
            ));
        }
        Ok(Arc::new(ZarrStore::open_remote(content, self.limits)?))
    }

    fn create(&self, path: &Path) -> Result<Box<dyn StoreWriter>> {
        if path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("zip"))
        {
            let message = "zips of a Zarr directory are only read; write a .zarr and zip it";
            return Err(Error::new(ErrorKind::Unsupported, message).with("path", path.display()));
        }
        Ok(Box::new(ZarrWriter::create(path, self.version)?))
    }

    fn group_stores(&self, directory: &Path, attributes: &Attributes) -> Result<()> {
        writer::group_stores(self.version, directory, attributes)
    }
}
