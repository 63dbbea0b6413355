//! Matrices and other elements in their store.

use std::sync::Arc;

use super::backed_data_frame::BackedDataFrame;
use super::sparse::{SparseFormat, SparseMatrix};
use super::{child_path, encoding_type, locate, needed};
use anndex_store::error::{Error, Result};
use anndex_store::{Array, DataType, NodeKind, Store};

/// A matrix that stays in its store.
#[derive(Debug, Clone)]
pub enum Matrix {
    /// Every value is stored; one row per observation along axis 0.
    Dense(DenseMatrix),
    /// Only values that are not zero are stored.
    Sparse(SparseMatrix),
}

/// A matrix of which every value is stored.
#[derive(Debug, Clone)]
pub struct DenseMatrix {
    path: String,
    array: Arc<dyn Array>,
}

impl DenseMatrix {
    /// The path inside the store.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The stored array.
    pub fn array(&self) -> &Arc<dyn Array> {
        &self.array
    }
}

impl Matrix {
    /// The path inside the store.
    pub fn path(&self) -> &str {
        match self {
            Self::Dense(dense) => dense.path(),
            Self::Sparse(sparse) => sparse.path(),
        }
    }

    /// The type of the values.
    pub fn data_type(&self) -> &DataType {
        match self {
            Self::Dense(dense) => &dense.array.info().data_type,
            Self::Sparse(sparse) => &sparse.data().info().data_type,
        }
    }

    /// Extent along each axis; a sparse matrix has two.
    pub fn shape(&self) -> Vec<u64> {
        match self {
            Self::Dense(dense) => dense.array.info().shape.clone(),
            Self::Sparse(sparse) => vec![sparse.n_rows(), sparse.n_columns()],
        }
    }

    /// The encoding in anndata's words: `array`, `csr_matrix` or `csc_matrix`.
    pub fn encoding(&self) -> &'static str {
        match self {
            Self::Dense(_) => "array",
            Self::Sparse(sparse) => match sparse.format() {
                SparseFormat::Csr => "csr_matrix",
                SparseFormat::Csc => "csc_matrix",
            },
        }
    }
}

/// What stands under a key of an AnnData that is aligned to its observations.
#[derive(Debug, Clone)]
pub enum Element {
    /// An array or a sparse matrix.
    Matrix(Matrix),
    /// A table.
    DataFrame(BackedDataFrame),
}

impl Element {
    /// Opens the element at `path`; `None` if nothing stands there, or anndata's `null`.
    ///
    /// # Errors
    /// `Unsupported` if its encoding is none of these, `Corrupt` if its parts do not fit.
    pub fn open(store: &Arc<dyn Store>, path: &str) -> Result<Option<Self>> {
        let located = locate(store, path);
        let Some(kind) = store.node(path).map_err(&located)? else {
            return Ok(None);
        };
        let attributes = store.attributes(path).map_err(&located)?;
        // Before 0.7 the h5sparse library's attributes said what is sparse.
        let legacy = needed(&attributes, "h5sparse_format").map_err(&located)?;
        let legacy = legacy.and_then(|value| value.as_str());
        let encoding = encoding_type(&attributes).map_err(&located)?;
        let format = match (kind, encoding, legacy) {
            (_, "null", _) => return Ok(None),
            (NodeKind::Array, "array" | "", _) => {
                let array = store.array(path).map_err(&located)?;
                return Self::dense(path, array).map_err(located).map(Some);
            }
            (NodeKind::Group, "csr_matrix", _) | (NodeKind::Group, "", Some("csr")) => {
                SparseFormat::Csr
            }
            (NodeKind::Group, "csc_matrix", _) | (NodeKind::Group, "", Some("csc")) => {
                SparseFormat::Csc
            }
            (NodeKind::Group, "dataframe", _) => {
                let frame = BackedDataFrame::open(store, path)?;
                return Ok(frame.map(Self::DataFrame));
            }
            (_, other, _) => {
                return Err(located(Error::unsupported(format!(
                    "a matrix encoded as `{other}` can't be read"
                ))));
            }
        };
        let shape = attributes
            .get("shape")
            .or_else(|| attributes.get("h5sparse_shape"));
        let sparse = SparseMatrix::open(store, path, format, shape).map_err(located)?;
        Ok(Some(Self::Matrix(Matrix::Sparse(sparse))))
    }

    /// Opens the element `name` of a mapping such as `layers` or `obsm`, which is a group, or
    /// (before 0.7) a compound dataset with a field per element.
    pub(super) fn open_child(
        store: &Arc<dyn Store>,
        mapping: &str,
        name: &str,
    ) -> Result<Option<Self>> {
        let path = child_path(mapping, name);
        if store.node(mapping)? != Some(NodeKind::Array) {
            // A slash would reach past the mapping, into the parts of another element.
            return if name.contains('/') {
                Ok(None)
            } else {
                Self::open(store, &path)
            };
        }
        let array = store.array(mapping)?;
        let DataType::Struct(fields) = &array.info().data_type else {
            return Ok(None);
        };
        if fields.iter().all(|field| field.name != name) {
            return Ok(None);
        }
        Self::dense(&path, array.field(name)?)
            .map_err(locate(store, &path))
            .map(Some)
    }

    fn dense(path: &str, array: Arc<dyn Array>) -> Result<Self> {
        let info = array.info();
        if !info.data_type.is_numeric() {
            return Err(Error::unsupported(format!(
                "a matrix of {} can't be read as numbers",
                info.data_type
            )));
        }
        Ok(Self::Matrix(Matrix::Dense(DenseMatrix {
            path: path.to_owned(),
            array,
        })))
    }

    /// Checks the element's extents against its AnnData.
    ///
    /// # Errors
    /// `Corrupt` if there is not one row per observation, or not one column per variable where
    /// `n_vars` is given.
    pub(super) fn check_shape(&self, n_obs: u64, n_vars: Option<u64>) -> Result<()> {
        let (path, shape) = match self {
            Self::Matrix(matrix) => (matrix.path(), matrix.shape()),
            Self::DataFrame(frame) => (frame.path(), vec![frame.len()]),
        };
        let fits = shape.first() == Some(&n_obs)
            && n_vars.is_none_or(|n_vars| shape.len() == 2 && shape[1] == n_vars);
        if fits {
            return Ok(());
        }
        let columns = n_vars
            .map(|n| format!(" x {n} variables"))
            .unwrap_or_default();
        Err(Error::corrupt(format!(
            "the shape {shape:?} does not fit the {n_obs} observations{columns} of the file"
        ))
        .with("node", format!("/{path}")))
    }
}
