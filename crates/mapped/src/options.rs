//! What to map and how: every parameter of `mapped()`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::keys::Keys;
use anndex_anndata::{Join, Label, MatrixKey};
use anndex_store::DataType;
use anndex_store::error::{Error, Result};
use anndex_store::storage::StreamOptions;

/// Which obs keys are encoded into integers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum EncodeLabels {
    /// All of them.
    #[default]
    All,
    /// None of them.
    None,
    /// These.
    Keys(Vec<String>),
}

/// Which label is encoded as -1.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum UnknownLabel {
    /// None.
    #[default]
    None,
    /// This one, in every encoded obs key.
    All(Label),
    /// One per obs key.
    Keys(BTreeMap<String, Label>),
}

/// The parameters of `mapped()`, with lamindb's defaults.
///
/// ```
/// use anndex_mapped::{Join, MappedOptions};
///
/// let options = MappedOptions::default().obs_keys(["cell_type"]).join(Join::Outer);
/// assert_eq!(options.layers_keys, ["X"]);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MappedOptions {
    /// The layers of each sample: `"X"`, `"raw.X"` or names in `layers`. Default: `X`.
    pub layers_keys: Vec<String>,
    /// The columns of `obs` in each sample. Default: none.
    pub obs_keys: Vec<String>,
    /// The matrices of `obsm` in each sample, under `obsm_<key>`. Default: none.
    pub obsm_keys: Vec<String>,
    /// Keep observations whose value in every named column is one of those listed;
    /// [`Label::Missing`] selects missing values. Default: all observations.
    pub obs_filter: Vec<(String, Vec<Label>)>,
    /// How variables are joined; `None` takes them as stored. Default: inner.
    pub join: Option<Join>,
    /// Which obs keys are encoded into integers. Default: all.
    pub encode_labels: EncodeLabels,
    /// Which label is encoded as -1. Default: none.
    pub unknown_label: UnknownLabel,
    /// Keep the columns of `obs_keys` in memory (4 bytes per observation and encoded key);
    /// otherwise every read fetches them again. Default: true.
    pub cache_categories: bool,
    /// Whether several processes will sample. Reads are positioned and share no state between
    /// processes, so this changes nothing; it is here for those who pass it. Default: false.
    pub parallel: bool,
    /// Convert layers and obsm to this type. Default: as stored.
    pub dtype: Option<DataType>,
    /// Read artifacts at URLs in place instead of caching them first, unless they are in the cache
    /// already. Local ones always are read in place. Default: false.
    pub stream: bool,
    /// How artifacts are read in place.
    pub streaming: StreamOptions,
    /// Where matrices that are compressed by columns are kept after their conversion. Default:
    /// a directory of the user's cache (`$XDG_CACHE_HOME/anndex` or `~/.cache/anndex`).
    pub cache_dir: Option<PathBuf>,
    /// What the stores are called in notices, in their order. Default: their locations.
    pub names: Vec<String>,
    /// The bytes that decoded chunks may take which single samples and batches come back to;
    /// loaders have a budget of their own. Default: 128 MiB.
    pub chunk_cache: u64,
}

impl Default for MappedOptions {
    fn default() -> Self {
        Self {
            layers_keys: vec!["X".to_owned()],
            obs_keys: Vec::new(),
            obsm_keys: Vec::new(),
            obs_filter: Vec::new(),
            join: Some(Join::Inner),
            encode_labels: EncodeLabels::All,
            unknown_label: UnknownLabel::None,
            cache_categories: true,
            parallel: false,
            dtype: None,
            stream: false,
            streaming: StreamOptions::default(),
            cache_dir: None,
            names: Vec::new(),
            chunk_cache: 128 << 20,
        }
    }
}

fn owned<S: Into<String>>(keys: impl IntoIterator<Item = S>) -> Vec<String> {
    keys.into_iter().map(Into::into).collect()
}

impl MappedOptions {
    /// Sets [`MappedOptions::layers_keys`].
    pub fn layers_keys<S: Into<String>>(mut self, keys: impl IntoIterator<Item = S>) -> Self {
        self.layers_keys = owned(keys);
        self
    }

    /// Sets [`MappedOptions::obs_keys`].
    pub fn obs_keys<S: Into<String>>(mut self, keys: impl IntoIterator<Item = S>) -> Self {
        self.obs_keys = owned(keys);
        self
    }

    /// Sets [`MappedOptions::obsm_keys`].
    pub fn obsm_keys<S: Into<String>>(mut self, keys: impl IntoIterator<Item = S>) -> Self {
        self.obsm_keys = owned(keys);
        self
    }

    /// Adds a condition to [`MappedOptions::obs_filter`]: `column` holds one of `values`.
    pub fn obs_filter<L: Into<Label>>(
        mut self,
        column: impl Into<String>,
        values: impl IntoIterator<Item = L>,
    ) -> Self {
        self.obs_filter
            .push((column.into(), values.into_iter().map(Into::into).collect()));
        self
    }

    /// Sets [`MappedOptions::join`].
    pub fn join(mut self, join: impl Into<Option<Join>>) -> Self {
        self.join = join.into();
        self
    }

    /// Sets [`MappedOptions::encode_labels`].
    pub fn encode_labels(mut self, encode_labels: EncodeLabels) -> Self {
        self.encode_labels = encode_labels;
        self
    }

    /// Sets [`MappedOptions::unknown_label`].
    pub fn unknown_label(mut self, unknown_label: UnknownLabel) -> Self {
        self.unknown_label = unknown_label;
        self
    }

    /// Sets [`MappedOptions::cache_categories`].
    pub fn cache_categories(mut self, cache_categories: bool) -> Self {
        self.cache_categories = cache_categories;
        self
    }

    /// Sets [`MappedOptions::parallel`].
    pub fn parallel(mut self, parallel: bool) -> Self {
        self.parallel = parallel;
        self
    }

    /// Sets [`MappedOptions::dtype`].
    pub fn dtype(mut self, dtype: impl Into<Option<DataType>>) -> Self {
        self.dtype = dtype.into();
        self
    }

    /// Sets [`MappedOptions::stream`].
    pub fn stream(mut self, stream: bool) -> Self {
        self.stream = stream;
        self
    }

    /// Sets [`MappedOptions::streaming`].
    pub fn streaming(mut self, streaming: StreamOptions) -> Self {
        self.streaming = streaming;
        self
    }

    /// Sets [`MappedOptions::chunk_cache`].
    pub fn chunk_cache(mut self, bytes: u64) -> Self {
        self.chunk_cache = bytes;
        self
    }

    /// Sets [`MappedOptions::names`].
    pub fn names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.names = owned(names);
        self
    }

    /// Sets [`MappedOptions::cache_dir`].
    pub fn cache_dir(mut self, cache_dir: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(cache_dir.into());
        self
    }

    /// Checks the options against each other, which needs no store.
    ///
    /// # Errors
    /// `InvalidInput` if they contradict each other, `Unsupported` if `dtype` is not a number.
    pub fn check(&self) -> Result<()> {
        self.keys().map(drop)
    }

    /// The keys of a sample, after checking the options against each other.
    pub(super) fn keys(&self) -> Result<Keys> {
        if let Some(dtype) = &self.dtype {
            dtype.fixed_size()?;
        }
        let encoded = match &self.encode_labels {
            EncodeLabels::All => self.obs_keys.clone(),
            EncodeLabels::None => Vec::new(),
            EncodeLabels::Keys(keys) => {
                if let Some(key) = keys.iter().find(|key| !self.obs_keys.contains(key)) {
                    return Err(Error::invalid_input(
                        "every key of `encode_labels` must be one of `obs_keys`",
                    )
                    .with("key", key));
                }
                keys.clone()
            }
        };
        if let UnknownLabel::Keys(labels) = &self.unknown_label
            && !encoded.is_empty()
            && let Some(key) = labels.keys().find(|key| !encoded.contains(key))
        {
            return Err(Error::invalid_input(
                "every key of `unknown_label` must be an encoded one of `obs_keys`",
            )
            .with("key", key));
        }
        let layers = self
            .layers_keys
            .iter()
            .map(|key| MatrixKey::from_layers_key(key));
        let obsm = self
            .obsm_keys
            .iter()
            .map(|key| MatrixKey::Obsm(key.clone()));
        Ok(Keys {
            matrices: distinct(layers.chain(obsm)),
            obs: distinct(self.obs_keys.iter().cloned()),
            encoded: distinct(encoded),
            filtered: self
                .obs_filter
                .iter()
                .map(|(column, _)| column.clone())
                .collect(),
        })
    }
}

/// A key that is named twice is still one key of the sample.
fn distinct<T: PartialEq>(keys: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut distinct = Vec::new();
    for key in keys {
        if !distinct.contains(&key) {
            distinct.push(key);
        }
    }
    distinct
}
