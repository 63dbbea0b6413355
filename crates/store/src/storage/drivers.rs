//! Choosing a storage by the scheme of its URL, among the drivers that were registered explicitly.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::bounded::Bounded;
use super::{ObjectStorage, StorageUrl};
use crate::error::{Error, Result};

/// What opens storages at URLs.
pub trait StorageDriver: Send + Sync + fmt::Debug {
    /// The schemes of its URLs, in lower case.
    fn schemes(&self) -> &'static [&'static str];

    /// Opens the storage whose root is at the URL. Nothing need be there, and nothing is asked of
    /// the server.
    ///
    /// # Errors
    /// `InvalidInput` if what the environment says about the storage can't be used.
    fn open(&self, root: &StorageUrl) -> Result<Arc<dyn ObjectStorage>>;
}

/// The drivers that are compiled in.
#[derive(Debug, Clone, Default)]
pub struct StorageDrivers(Vec<Arc<dyn StorageDriver>>);

impl StorageDrivers {
    /// No drivers: local directories only.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a driver. For a scheme that two share, the later one wins.
    pub fn register(&mut self, driver: Arc<dyn StorageDriver>) {
        self.0.insert(0, driver);
    }

    /// All schemes that can be opened, sorted.
    pub fn schemes(&self) -> Vec<&'static str> {
        let mut schemes: Vec<_> = self.0.iter().flat_map(|d| d.schemes()).copied().collect();
        schemes.sort_unstable();
        schemes.dedup();
        schemes
    }

    /// Opens the storage at a URL.
    ///
    /// # Errors
    /// `Unsupported`, with what is compiled in and which feature is missing; else as
    /// [`StorageDriver::open`].
    pub fn open(&self, root: &StorageUrl) -> Result<Arc<dyn ObjectStorage>> {
        let scheme = root.scheme();
        let driver = self
            .0
            .iter()
            .find(|driver| driver.schemes().contains(&scheme));
        let Some(driver) = driver else {
            let available = match self.schemes() {
                schemes if schemes.is_empty() => "this build reads local paths only".to_owned(),
                schemes => format!(
                    "this build reads local paths and {}",
                    schemes.join("://, ") + "://"
                ),
            };
            let advice = match StorageUrl::feature(scheme) {
                Some(feature) => format!("; enable the feature `{feature}` for this one"),
                None => String::new(),
            };
            return Err(Error::unsupported(format!(
                "{scheme}:// can't be opened: {available}{advice}"
            )));
        };
        let opened = driver.open(root).map_err(|e| e.with("storage", root))?;
        Ok(Arc::new(Bounded(opened)))
    }

    /// Opens the storage at `root` as one that is written; `None` if that is not a URL but a path.
    ///
    /// # Errors
    /// `InvalidInput` if it can't be written, or the URL can't be understood; else as
    /// [`StorageDrivers::open`].
    pub fn writable(&self, root: &Path) -> Result<Option<(StorageUrl, Arc<dyn ObjectStorage>)>> {
        let Some(text) = root.to_str().filter(|root| StorageUrl::is_one(root)) else {
            return Ok(None);
        };
        let url = StorageUrl::parse(text)?;
        let storage = self.open(&url)?;
        match storage.capabilities().write {
            true => Ok(Some((url, storage))),
            false => Err(Error::invalid_input(
                "this storage is for reading only, so nothing could be saved there; name a bucket \
                 or a directory",
            )
            .with("storage", url)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn what_is_not_compiled_in_is_named_with_its_feature() {
        let open = |text| {
            let url = StorageUrl::parse(text).unwrap();
            StorageDrivers::new().open(&url).unwrap_err()
        };
        for (url, feature) in [
            ("s3://b", "`s3`"),
            ("gs://b", "`gcs`"),
            ("https://h/", "`http`"),
            ("sftp://h/", "`opendal`"),
            ("hf://lab/cells", "`huggingface`"),
        ] {
            let error = open(url);
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.message().contains(feature), "{error}");
        }
        assert!(!open("ftp://h").message().contains("feature"));
    }
}
