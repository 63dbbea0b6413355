//! What a file holds and what can be mapped from it, without reading the data.

use serde::Serialize;

use super::matrix::{Element, Matrix};
use super::{BackedAnnData, BackedDataFrame, MatrixKey, SparseFormat};
use anndex_store::error::{ErrorKind, Result};
use anndex_store::{ArrayInfo, NodeKind};

/// The structure of one AnnData.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    /// The path or URL of the store.
    pub location: String,
    /// The format's name and version.
    pub format: String,
    /// The number of observations (cells).
    pub n_obs: u64,
    /// The number of variables (genes).
    pub n_vars: u64,
    /// Matrices and annotation columns.
    pub elements: Vec<ElementSummary>,
    /// Paths of everything else in the file, which can't be mapped.
    pub others: Vec<String>,
}

/// One matrix or annotation column.
#[derive(Debug, Clone, Serialize)]
pub struct ElementSummary {
    /// The path as in AnnData: `X`, `layers/counts`, `obs/cell_type`.
    pub path: String,
    /// The encoding in anndata's words, such as `csr_matrix`.
    pub encoding: String,
    /// The type of the values in NumPy's words.
    pub data_type: String,
    /// Extent along each axis, in elements.
    pub shape: Vec<u64>,
    /// The share of stored values among all, for sparse matrices.
    pub density: Option<f64>,
    /// The arrays that the element is stored in.
    pub arrays: Vec<ArraySummary>,
    /// The key under which `mapped` gives it; `None` if it can't.
    pub mapped_key: Option<String>,
    /// Why it can't be mapped, or what mapping it costs.
    pub note: Option<String>,
}

/// The layout of one stored array.
#[derive(Debug, Clone, Serialize)]
pub struct ArraySummary {
    /// The array's name in its element: `data`, `indices`, …; empty if it is the element.
    pub name: String,
    /// The type of one element.
    pub data_type: String,
    /// Extent along each axis, in elements.
    pub shape: Vec<u64>,
    /// Extent of a chunk; `None` if stored in one piece.
    pub chunk_shape: Option<Vec<u64>>,
    /// Extent of a shard, if sharded.
    pub shard_shape: Option<Vec<u64>>,
    /// Filters and codecs in writing order.
    pub filters: Vec<String>,
    /// Bytes in storage, if known.
    pub stored_bytes: Option<u64>,
}

impl ArraySummary {
    fn new(name: &str, info: &ArrayInfo) -> Self {
        Self {
            name: name.to_owned(),
            data_type: info.data_type.to_string(),
            shape: info.shape.clone(),
            chunk_shape: info.chunk_shape.clone(),
            shard_shape: info.shard_shape.clone(),
            filters: info.filters.clone(),
            stored_bytes: info.stored_bytes,
        }
    }
}

/// Lists the elements of an AnnData. An element that can't be understood is listed with the
/// reason instead of failing the whole.
///
/// # Errors
/// `Corrupt` or `Storage` if the store's tree can't be listed.
pub fn inspect(data: &BackedAnnData) -> Result<Inspection> {
    let mut elements = Vec::new();
    elements.extend(summarize(data, "X".to_owned(), &MatrixKey::X));
    elements.extend(summarize(data, "raw/X".to_owned(), &MatrixKey::RawX));
    for key in listed(data.layers_keys(), "layers", &mut elements)? {
        elements.extend(summarize(
            data,
            format!("layers/{key}"),
            &MatrixKey::Layer(key),
        ));
    }
    for key in listed(data.obsm_keys(), "obsm", &mut elements)? {
        elements.extend(summarize(
            data,
            format!("obsm/{key}"),
            &MatrixKey::Obsm(key),
        ));
    }
    elements.extend(columns(data.obs(), true));
    elements.extend(columns(data.var(), false));
    Ok(Inspection {
        location: data.store().location().to_owned(),
        format: data.store().format().to_owned(),
        n_obs: data.n_obs(),
        n_vars: data.n_vars(),
        elements,
        others: others(data)?,
    })
}

/// The names of a mapping; none, and an element that says why, if it can't be read itself.
fn listed(
    keys: Result<Vec<String>>,
    path: &str,
    elements: &mut Vec<ElementSummary>,
) -> Result<Vec<String>> {
    match keys {
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            elements.push(unreadable(path.to_owned(), &error));
            Ok(Vec::new())
        }
        keys => keys,
    }
}

fn others(data: &BackedAnnData) -> Result<Vec<String>> {
    let store = data.store();
    let mut paths = Vec::new();
    for (name, kind) in store.children("")? {
        if [
            "X", "obs", "var", "layers", "obsm", "raw", "raw.X", "raw.var",
        ]
        .contains(&name.as_str())
        {
            continue;
        }
        match kind {
            NodeKind::Array | NodeKind::Unreadable => paths.push(name),
            NodeKind::Group => {
                let children = store.children(&name)?;
                paths.extend(
                    children
                        .into_iter()
                        .map(|(child, _)| format!("{name}/{child}")),
                );
            }
        }
    }
    Ok(paths)
}

fn summarize(data: &BackedAnnData, path: String, key: &MatrixKey) -> Option<ElementSummary> {
    match data.element(key) {
        Ok(None) => None,
        Err(error) => Some(unreadable(path, &error)),
        Ok(Some(Element::DataFrame(frame))) => Some(ElementSummary {
            path,
            encoding: "dataframe".to_owned(),
            data_type: "mixed".to_owned(),
            shape: vec![frame.len(), frame.columns().len() as u64],
            density: None,
            arrays: Vec::new(),
            mapped_key: None,
            note: Some("a data frame has no matrix rows".to_owned()),
        }),
        Ok(Some(Element::Matrix(matrix))) => Some(summarize_matrix(path, key, &matrix)),
    }
}

fn summarize_matrix(path: String, key: &MatrixKey, matrix: &Matrix) -> ElementSummary {
    let mut note = None;
    let (arrays, density) = match matrix {
        Matrix::Dense(dense) => (vec![ArraySummary::new("", dense.array().info())], None),
        Matrix::Sparse(sparse) => {
            if sparse.format() == SparseFormat::Csc {
                note = Some("compressed by columns: mapping converts it once".to_owned());
            }
            let parts = [
                ("data", sparse.data()),
                ("indices", sparse.indices()),
                ("indptr", sparse.indptr()),
            ];
            let cells = sparse.n_rows() as f64 * sparse.n_columns() as f64;
            let density = (cells > 0.0).then(|| sparse.n_stored() as f64 / cells);
            let arrays = parts.map(|(name, array)| ArraySummary::new(name, array.info()));
            (arrays.to_vec(), density)
        }
    };
    ElementSummary {
        path,
        encoding: matrix.encoding().to_owned(),
        data_type: matrix.data_type().to_string(),
        shape: matrix.shape(),
        density,
        arrays,
        mapped_key: Some(key.to_string()),
        note,
    }
}

fn columns(frame: &BackedDataFrame, mapped: bool) -> impl Iterator<Item = ElementSummary> {
    frame.columns().iter().map(move |name| {
        let path = format!("{}/{name}", frame.path());
        match frame.column(name) {
            Err(error) => unreadable(path, &error),
            Ok(column) => ElementSummary {
                path,
                encoding: column.encoding().to_owned(),
                data_type: column.data_type().to_string(),
                shape: vec![column.len()],
                density: None,
                arrays: column
                    .arrays()
                    .map(|(part, array)| ArraySummary::new(part, array.info()))
                    .collect(),
                mapped_key: mapped.then(|| name.clone()),
                note: None,
            },
        }
    })
}

fn unreadable(path: String, error: &anndex_store::Error) -> ElementSummary {
    ElementSummary {
        path,
        encoding: "unknown".to_owned(),
        data_type: "unknown".to_owned(),
        shape: Vec::new(),
        density: None,
        arrays: Vec::new(),
        mapped_key: None,
        note: Some(error.message().to_owned()),
    }
}
