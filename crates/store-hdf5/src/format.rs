//! Registers HDF5 by its suffixes.

use std::path::Path;
use std::sync::Arc;

use anndex_store::storage::RemoteContent;
use anndex_store::{Attributes, Store, StoreFormat, StoreWriter};
use anndex_store::{Error, Result};

use crate::store::Hdf5Store;
use crate::writer::Hdf5Writer;

/// The format HDF5, for files that end in `.h5ad` or `.h5`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hdf5Format;

impl StoreFormat for Hdf5Format {
    fn name(&self) -> &'static str {
        "hdf5"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".h5ad", ".h5"]
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(Hdf5Store::open(path)?))
    }

    fn open_remote(&self, content: &RemoteContent) -> Result<Arc<dyn Store>> {
        let file = content
            .as_file()
            .ok_or_else(|| Error::corrupt("this is a directory, but HDF5 is a file"))?;
        let store = Hdf5Store::from_bytes(Arc::new(file), &content.location())?;
        Ok(Arc::new(store))
    }

    fn create(&self, path: &Path) -> Result<Box<dyn StoreWriter>> {
        Ok(Box::new(Hdf5Writer::create(path)?))
    }

    fn group_stores(&self, directory: &Path, _attributes: &Attributes) -> Result<()> {
        let message = "HDF5 files are in no group; choose Zarr";
        Err(Error::unsupported(message).with("path", directory.display()))
    }
}
