//! Choosing a store by suffix, among the formats that were registered explicitly.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::{Attributes, Store, StoreWriter};
use crate::error::{Error, Result};
use crate::storage::RemoteContent;

/// One format, as a store crate offers it.
pub trait StoreFormat: Send + Sync + fmt::Debug {
    /// The name, which is also the facade's feature: `"hdf5"`, `"zarr"`.
    fn name(&self) -> &'static str;

    /// The suffixes of its files or directories, lowercase with the dot, the usual one first.
    fn suffixes(&self) -> &'static [&'static str];

    /// Opens a store for reading.
    ///
    /// # Errors
    /// `NotFound` if nothing is there, `Corrupt` if it is not of this format, `Storage` or
    /// `PermissionDenied` if it can't be read.
    fn open(&self, path: &Path) -> Result<Arc<dyn Store>>;

    /// Opens a store on a server for reading in place.
    ///
    /// # Errors
    /// As [`StoreFormat::open`]; `Unsupported` if stores of this format must be on this machine.
    fn open_remote(&self, content: &RemoteContent) -> Result<Arc<dyn Store>>;

    /// Starts writing a store at `path`, where nothing may stand yet.
    ///
    /// # Errors
    /// `AlreadyExists` if something is there, `Unsupported` if the format is read-only at this
    /// path, `Storage` or `PermissionDenied` if it can't be written.
    fn create(&self, path: &Path) -> Result<Box<dyn StoreWriter>>;

    /// Makes an existing directory a group whose children are the stores in it, or replaces the
    /// attributes of one, at once. Opened as a store it has these attributes. Other files in the
    /// directory stay; temporary ones have names that begin with `.anndex-`.
    ///
    /// # Errors
    /// `Unsupported` if stores of this format can't be in a group, `Storage` or
    /// `PermissionDenied` if it can't be written.
    fn group_stores(&self, directory: &Path, attributes: &Attributes) -> Result<()>;
}

/// Suffixes of formats that exist, with the facade's feature that reads them, so that a missing
/// feature can be named.
const KNOWN_FORMATS: &[(&str, &str)] = &[
    (".h5ad", "hdf5"),
    (".h5", "hdf5"),
    (".zarr", "zarr"),
    (".zarr.zip", "zarr"),
];

/// The formats that are compiled in.
#[derive(Debug, Clone, Default)]
pub struct StoreFormats(Vec<Arc<dyn StoreFormat>>);

impl StoreFormats {
    /// No formats.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a format. For a suffix that two formats share, the later one wins.
    pub fn register(&mut self, format: Arc<dyn StoreFormat>) {
        self.0.insert(0, format);
    }

    /// All suffixes that can be opened, sorted.
    pub fn suffixes(&self) -> Vec<&'static str> {
        let mut suffixes: Vec<_> = self.0.iter().flat_map(|f| f.suffixes()).copied().collect();
        suffixes.sort_unstable();
        suffixes.dedup();
        suffixes
    }

    /// The format for a path, by its suffix (any case).
    ///
    /// # Errors
    /// `Unsupported`, with what is compiled in and which feature is missing.
    pub fn for_path(&self, path: &Path) -> Result<&Arc<dyn StoreFormat>> {
        let name = path
            .file_name()
            .map(|n| n.to_string_lossy().to_lowercase())
            .unwrap_or_default();
        let found = self.0.iter().find(|format| {
            format
                .suffixes()
                .iter()
                .any(|suffix| name.ends_with(suffix))
        });
        found.ok_or_else(|| {
            let available = match self.suffixes() {
                suffixes if suffixes.is_empty() => "no format is compiled in".to_owned(),
                suffixes => format!("this build reads {}", suffixes.join(", ")),
            };
            let missing = KNOWN_FORMATS
                .iter()
                .find(|(suffix, _)| name.ends_with(suffix));
            let advice = missing
                .map(|(_, feature)| format!("; enable the feature `{feature}` for this one"))
                .unwrap_or_default();
            Error::unsupported(format!(
                "not an AnnData file that can be opened: {available}{advice}"
            ))
            .with("path", path.display())
        })
    }

    /// Opens a store with the format of its suffix.
    ///
    /// # Errors
    /// As [`StoreFormats::for_path`] and [`StoreFormat::open`].
    pub fn open(&self, path: &Path) -> Result<Arc<dyn Store>> {
        self.for_path(path)?
            .open(path)
            .map_err(|e| e.operation("open").with("path", path.display()))
    }

    /// As [`StoreFormats::open`], for a store on a server that is read in place.
    ///
    /// # Errors
    /// As [`StoreFormats::for_path`] and [`StoreFormat::open_remote`].
    pub fn open_remote(&self, content: &RemoteContent) -> Result<Arc<dyn Store>> {
        let opened = self
            .for_path(Path::new(content.key()))
            .and_then(|format| format.open_remote(content));
        opened.map_err(|e| e.operation("open").with("path", content.location()))
    }

    /// Starts writing a store with the format of its suffix.
    ///
    /// # Errors
    /// As [`StoreFormats::for_path`] and [`StoreFormat::create`].
    pub fn create(&self, path: &Path) -> Result<Box<dyn StoreWriter>> {
        self.for_path(path)?
            .create(path)
            .map_err(|e| e.operation("create").with("path", path.display()))
    }
}
