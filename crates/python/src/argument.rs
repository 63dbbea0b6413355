//! Arguments from Python, as the engine's options.

use std::path::PathBuf;

use anndex_core::anndata::Label;
use anndex_core::mapped::{EncodeLabels, Join, MappedOptions, Shuffle, UnknownLabel};
use anndex_core::storage::StreamOptions;
use anndex_core::store::DataType;
use anndex_core::{Error, Result};
use pyo3::prelude::*;

/// A label as a Python object; `None` stands for a missing value.
#[derive(FromPyObject)]
pub(crate) enum LabelArgument {
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f64),
    String(String),
}

impl From<LabelArgument> for Label {
    fn from(argument: LabelArgument) -> Self {
        match argument {
            LabelArgument::Bool(value) => value.into(),
            LabelArgument::Int(value) => value.into(),
            LabelArgument::UInt(value) => value.into(),
            LabelArgument::Float(value) => value.into(),
            LabelArgument::String(value) => value.into(),
        }
    }
}

fn label(argument: Option<LabelArgument>) -> Label {
    argument.map_or(Label::Missing, Label::from)
}

/// How variables are joined.
///
/// # Errors
/// `InvalidInput` if it is none of the ways.
pub(crate) fn join(name: Option<&str>) -> Result<Option<Join>> {
    match name {
        None => Ok(None),
        Some("inner") => Ok(Some(Join::Inner)),
        Some("outer") => Ok(Some(Join::Outer)),
        Some(other) => Err(Error::invalid_input(format!(
            "join must be \"inner\", \"outer\" or None, but is \"{other}\""
        ))),
    }
}

/// A type that matrices are converted to.
///
/// # Errors
/// `Unsupported` if there is no such type.
pub(crate) fn dtype(name: Option<&str>) -> Result<Option<DataType>> {
    let data_type = |name: &str| {
        DataType::from_name(name).ok_or_else(|| {
            Error::unsupported(format!(
                "matrices can't be converted to {name}; choose bool, an integer or float type"
            ))
        })
    };
    name.map(data_type).transpose()
}

/// The order of observations: `"exact"`, `"block"` or nothing.
///
/// # Errors
/// `InvalidInput` if it is none of these.
pub(crate) fn shuffle(name: Option<&str>, seed: u64, rows: u64, window: u64) -> Result<Shuffle> {
    match name {
        None => Ok(Shuffle::None),
        Some("exact") => Ok(Shuffle::Exact { seed }),
        Some("block") => Ok(Shuffle::Block { seed, rows, window }),
        Some(other) => Err(Error::invalid_input(format!(
            "shuffle must be \"exact\", \"block\" or False, but is \"{other}\""
        ))),
    }
}

/// What `unknown_label` may be: one label, or one per obs key.
#[derive(FromPyObject)]
pub(crate) enum UnknownArgument {
    All(LabelArgument),
    Keys(Vec<(String, LabelArgument)>),
}

/// The options of a mapped collection, by the names that they have in Python.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct OptionsArgument {
    layers_keys: Vec<String>,
    obs_keys: Vec<String>,
    obsm_keys: Vec<String>,
    obs_filter: Vec<(String, Vec<Option<LabelArgument>>)>,
    join: Option<String>,
    /// `None` for all.
    encode_labels: Option<Vec<String>>,
    unknown_label: Option<UnknownArgument>,
    cache_categories: bool,
    dtype: Option<String>,
    cache_dir: Option<PathBuf>,
    names: Vec<String>,
    chunk_cache: u64,
    stream_gap: u64,
    stream_requests: usize,
}

impl OptionsArgument {
    /// # Errors
    /// `InvalidInput` if a name is none of those that it can be.
    pub(crate) fn into_options(self) -> Result<MappedOptions> {
        let join = join(self.join.as_deref())?;
        let dtype = dtype(self.dtype.as_deref())?;
        let mut options = MappedOptions::default()
            .layers_keys(self.layers_keys)
            .obs_keys(self.obs_keys)
            .obsm_keys(self.obsm_keys)
            .join(join)
            .encode_labels(match self.encode_labels {
                None => EncodeLabels::All,
                Some(keys) if keys.is_empty() => EncodeLabels::None,
                Some(keys) => EncodeLabels::Keys(keys),
            })
            .unknown_label(match self.unknown_label {
                None => UnknownLabel::None,
                Some(UnknownArgument::All(one)) => UnknownLabel::All(one.into()),
                Some(UnknownArgument::Keys(keys)) => {
                    let keys = keys.into_iter().map(|(key, one)| (key, one.into()));
                    UnknownLabel::Keys(keys.collect())
                }
            })
            .cache_categories(self.cache_categories)
            .dtype(dtype)
            .chunk_cache(self.chunk_cache)
            .names(self.names)
            .streaming(
                StreamOptions::default()
                    .gap(self.stream_gap)
                    .requests(self.stream_requests),
            );
        for (column, values) in self.obs_filter {
            options = options.obs_filter(column, values.into_iter().map(label));
        }
        if let Some(directory) = self.cache_dir {
            options = options.cache_dir(directory);
        }
        Ok(options)
    }
}
