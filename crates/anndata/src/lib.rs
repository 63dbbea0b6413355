//! What the groups and arrays of a store mean: the AnnData on-disk format, versions 0.5 to 0.13.
//!
//! Everything about encodings is decided here, once, over [`anndex_store::Store`]; store crates
//! know nothing of it. The format is described at
//! <https://anndata.readthedocs.io/en/stable/fileformat-prose.html>; older files are read by the
//! rules that their writers used, named where they apply.

mod aligned;
mod awkward;
mod backed_data_frame;
mod categorical;
mod column;
mod compressed;
mod concat;
mod data_frame;
mod in_memory;
mod inspect;
mod label;
mod left_out;
mod mask;
mod matrix;
mod read;
mod read_rows;
mod sparse;
mod unstructured;
mod variables;
mod write;
mod write_rows;

use std::fmt;
use std::sync::Arc;

pub use aligned::Mapping;
pub use awkward::Awkward;
pub use backed_data_frame::BackedDataFrame;
pub use categorical::Categorical;
pub use column::{BackedColumn, Column, Values};
pub use compressed::sparse_data_type;
pub use compressed::{CscMatrix, CsrMatrix};
pub use concat::{ConcatOptions, concat, concat_matrices};
pub use data_frame::DataFrame;
pub use in_memory::{AnnData, InMemoryElement, InMemoryMatrix, Raw};
pub use inspect::{ArraySummary, ElementSummary, Inspection, inspect};
pub use label::Label;
pub use left_out::LeftOut;
pub use mask::Mask;
pub use matrix::{DenseMatrix, Element, Matrix};
pub use sparse::{SparseFormat, SparseMatrix};
pub use unstructured::Unstructured;
pub use variables::Join;
pub use variables::{ABSENT, Panels, VarMap, joined, maps};
pub use write::Writer;
pub use write::{WriteOptions, write};
pub use write_rows::{MatrixLayout, RowWriter};

use anndex_store::error::{Error, Result};
use anndex_store::{Array, Attribute, Attributes, NodeKind, Store};

/// Names a matrix of an AnnData with one row per observation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MatrixKey {
    /// `X`: observations × variables.
    X,
    /// `raw.X`: observations × the variables of `raw.var`.
    RawX,
    /// `layers[key]`: observations × variables.
    Layer(String),
    /// `obsm[key]`: observations × anything.
    Obsm(String),
}

impl MatrixKey {
    /// The key that `layers_keys` means: `"X"`, `"raw.X"` or a layer's name.
    pub fn from_layers_key(key: &str) -> Self {
        match key {
            "X" => Self::X,
            "raw.X" => Self::RawX,
            layer => Self::Layer(layer.to_owned()),
        }
    }
}

impl fmt::Display for MatrixKey {
    /// The key as it stands in samples: `X`, `raw.X`, the layer's name, `obsm_<key>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::X => f.write_str("X"),
            Self::RawX => f.write_str("raw.X"),
            Self::Layer(key) => f.write_str(key),
            Self::Obsm(key) => write!(f, "obsm_{key}"),
        }
    }
}

/// An AnnData that stays in its store and is read piece by piece.
#[derive(Debug, Clone)]
pub struct BackedAnnData {
    store: Arc<dyn Store>,
    obs: BackedDataFrame,
    var: BackedDataFrame,
}

impl BackedAnnData {
    /// Opens the AnnData at the root of a store; reads metadata only.
    ///
    /// # Errors
    /// `InvalidInput` if the store holds no `obs` and `var`; `Corrupt` or `Unsupported` if their
    /// encoding can't be understood.
    pub fn open(store: Arc<dyn Store>) -> Result<Self> {
        let frame = |path: &str| {
            BackedDataFrame::open(&store, path)?.ok_or_else(|| {
                Error::invalid_input(format!("this is not an AnnData: it has no `{path}`"))
                    .with("path", store.location())
            })
        };
        let (obs, var) = both(&store, || frame("obs"), || frame("var"));
        let (obs, var) = (obs?, var?);
        Ok(Self { store, obs, var })
    }

    /// The store that holds it.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The number of observations (cells).
    pub fn n_obs(&self) -> u64 {
        self.obs.len()
    }

    /// The number of variables (genes).
    pub fn n_vars(&self) -> u64 {
        self.var.len()
    }

    /// The annotations of the observations.
    pub fn obs(&self) -> &BackedDataFrame {
        &self.obs
    }

    /// The annotations of the variables.
    pub fn var(&self) -> &BackedDataFrame {
        &self.var
    }

    /// The annotations of the variables of `raw`, if there is a `raw`.
    ///
    /// # Errors
    /// As [`BackedAnnData::open`].
    pub fn raw_var(&self) -> Result<Option<BackedDataFrame>> {
        // Up to 0.6 `raw` was flattened into the root as `raw.X` and `raw.var`.
        match BackedDataFrame::open(&self.store, "raw/var")? {
            Some(frame) => Ok(Some(frame)),
            None => BackedDataFrame::open(&self.store, "raw.var"),
        }
    }

    /// The names in `layers`, sorted.
    ///
    /// # Errors
    /// `Corrupt` or `Storage` if the store can't tell.
    pub fn layers_keys(&self) -> Result<Vec<String>> {
        names_in(&self.store, "layers")
    }

    /// The names in `obsm`, sorted.
    ///
    /// # Errors
    /// `Corrupt` or `Storage` if the store can't tell.
    pub fn obsm_keys(&self) -> Result<Vec<String>> {
        names_in(&self.store, "obsm")
    }

    /// What a key names: an array, a sparse matrix or a data frame; `None` if it is not there.
    ///
    /// # Errors
    /// `Corrupt` or `Unsupported` if its encoding can't be understood, or if it has not one row
    /// per observation.
    pub fn element(&self, key: &MatrixKey) -> Result<Option<Element>> {
        let found = match key {
            MatrixKey::X => Element::open(&self.store, "X")?,
            MatrixKey::RawX => match Element::open(&self.store, "raw/X")? {
                Some(element) => Some(element),
                None => Element::open(&self.store, "raw.X")?,
            },
            MatrixKey::Layer(name) => Element::open_child(&self.store, "layers", name)?,
            MatrixKey::Obsm(name) => Element::open_child(&self.store, "obsm", name)?,
        };
        let Some(element) = found else {
            return Ok(None);
        };
        let n_vars = match key {
            MatrixKey::X | MatrixKey::Layer(_) => Some(self.n_vars()),
            MatrixKey::RawX | MatrixKey::Obsm(_) => None,
        };
        element.check_shape(self.n_obs(), n_vars)?;
        Ok(Some(element))
    }

    /// The matrix that a key names; `None` if it is not there.
    ///
    /// # Errors
    /// As [`BackedAnnData::element`]; `Unsupported` if it is a data frame.
    pub fn matrix(&self, key: &MatrixKey) -> Result<Option<Matrix>> {
        match self.element(key)? {
            None => Ok(None),
            Some(Element::Matrix(matrix)) => Ok(Some(matrix)),
            Some(Element::DataFrame(_)) => Err(Error::unsupported(format!(
                "`{key}` is a data frame, which has no matrix rows; choose an array"
            ))
            .with("path", self.store.location())),
        }
    }
}

/// The names in a mapping such as `layers`, sorted; none if it is not there.
fn names_in(store: &Arc<dyn Store>, path: &str) -> Result<Vec<String>> {
    match store.node(path)? {
        None => Ok(Vec::new()),
        Some(NodeKind::Group) => Ok(store
            .children(path)?
            .into_iter()
            .map(|(name, _)| name)
            .collect()),
        // Up to 0.6 `obsm` was one compound dataset with a field per matrix.
        Some(_) => match &store.array(path)?.info().data_type {
            anndex_store::DataType::Struct(fields) => {
                Ok(fields.iter().map(|field| field.name.clone()).collect())
            }
            _ => Ok(Vec::new()),
        },
    }
}

/// Reads two things of a store: at the same time if it is on a server, since both mostly wait.
fn both<A: Send, B: Send>(
    store: &Arc<dyn Store>,
    one: impl FnOnce() -> A + Send,
    other: impl FnOnce() -> B + Send,
) -> (A, B) {
    match store.is_remote() {
        true => anndex_store::operation::join(one, other),
        false => (one(), other()),
    }
}

/// `parent/name`, or `name` at the root.
fn child_path(parent: &str, name: &str) -> String {
    if parent.is_empty() {
        name.to_owned()
    } else {
        format!("{parent}/{name}")
    }
}

/// The `encoding-type` of a node; `""` where the writer gave none (anndata before 0.7).
///
/// # Errors
/// As [`needed`].
fn encoding_type(attributes: &Attributes) -> Result<&str> {
    let encoding = needed(attributes, "encoding-type")?;
    Ok(encoding
        .and_then(|value| value.as_str())
        .unwrap_or_default())
}

/// An attribute that decides how its node is read; `None` if it is not there.
///
/// # Errors
/// `Corrupt` if it is there but can't be decoded: without it, the node would be read as something
/// else.
fn needed<'a>(attributes: &'a Attributes, name: &str) -> Result<Option<&'a Attribute>> {
    match attributes.get(name) {
        Some(Attribute::Other(reason)) => Err(Error::corrupt(format!(
            "the attribute `{name}` can't be decoded: {reason}"
        ))),
        found => Ok(found),
    }
}

/// Adds where in which store an error came up.
fn locate(store: &Arc<dyn Store>, node: &str) -> impl Fn(Error) -> Error {
    move |error| {
        error
            .with("path", store.location())
            .with("node", format!("/{node}"))
    }
}

/// Opens an array that the encoding of the node above it promises.
fn required_array(store: &Arc<dyn Store>, path: &str) -> Result<Arc<dyn Array>> {
    let array = match store.node(path).map_err(locate(store, path))? {
        Some(NodeKind::Array) => store.array(path),
        _ => Err(Error::corrupt(
            "the encoding needs an array here, but there is none",
        )),
    };
    array.map_err(locate(store, path))
}
