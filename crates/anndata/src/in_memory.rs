//! A whole AnnData in memory: what is written, and what small files are read into.

use std::collections::BTreeMap;

use super::compressed::{CscMatrix, CsrMatrix};
use super::data_frame::DataFrame;
use super::unstructured::Unstructured;
use anndex_store::error::{Error, Result};
use anndex_store::{DataType, NumericArray};

/// A matrix in memory.
#[derive(Debug, Clone, PartialEq)]
pub enum InMemoryMatrix {
    /// Every value; one row per observation along axis 0.
    Dense(NumericArray),
    /// Only values that are not zero, by rows.
    Csr(CsrMatrix),
    /// Only values that are not zero, by columns.
    Csc(CscMatrix),
}

impl InMemoryMatrix {
    /// Extent along each axis.
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Self::Dense(values) => values.shape().to_vec(),
            Self::Csr(csr) => vec![csr.n_rows(), csr.n_columns()],
            Self::Csc(csc) => vec![csc.n_rows(), csc.n_columns()],
        }
    }

    /// The values that are stored: all of a dense matrix, those that are not zero of a sparse one.
    pub fn stored(&self) -> &NumericArray {
        match self {
            Self::Dense(values) => values,
            Self::Csr(csr) => csr.data(),
            Self::Csc(csc) => csc.transposed().data(),
        }
    }

    /// The type of the values.
    pub fn data_type(&self) -> &DataType {
        self.stored().data_type()
    }
}

/// What is aligned to the observations or variables under a key, in memory.
#[derive(Debug, Clone, PartialEq)]
pub enum InMemoryElement {
    /// An array or a sparse matrix.
    Matrix(InMemoryMatrix),
    /// A table.
    DataFrame(DataFrame),
    /// An array of something else than numbers: of text, of records or of lists.
    Other(Unstructured),
}

impl InMemoryElement {
    /// The matrix, if it is one.
    pub fn matrix(&self) -> Option<&InMemoryMatrix> {
        match self {
            Self::Matrix(matrix) => Some(matrix),
            Self::DataFrame(_) | Self::Other(_) => None,
        }
    }

    /// Extent along each axis; of what is neither a matrix nor a table, along the first.
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Self::Matrix(matrix) => matrix.shape(),
            Self::DataFrame(frame) => vec![frame.len(), frame.columns().len()],
            Self::Other(array) => array.rows().into_iter().collect(),
        }
    }
}

impl From<InMemoryMatrix> for InMemoryElement {
    fn from(matrix: InMemoryMatrix) -> Self {
        Self::Matrix(matrix)
    }
}

/// The matrix and variables from before filtering.
#[derive(Debug, Clone, PartialEq)]
pub struct Raw {
    /// Observations × the variables of `var`.
    pub x: InMemoryMatrix,
    /// The annotations of its variables.
    pub var: DataFrame,
    /// Variables × anything.
    pub varm: BTreeMap<String, InMemoryElement>,
}

/// An AnnData in memory.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AnnData {
    /// Observations × variables.
    pub x: Option<InMemoryMatrix>,
    /// The annotations of the observations.
    pub obs: DataFrame,
    /// The annotations of the variables.
    pub var: DataFrame,
    /// More matrices of observations × variables.
    pub layers: BTreeMap<String, InMemoryMatrix>,
    /// Matrices and tables of observations × anything.
    pub obsm: BTreeMap<String, InMemoryElement>,
    /// Matrices and tables of variables × anything.
    pub varm: BTreeMap<String, InMemoryElement>,
    /// Matrices of observations × observations.
    pub obsp: BTreeMap<String, InMemoryMatrix>,
    /// Matrices of variables × variables.
    pub varp: BTreeMap<String, InMemoryMatrix>,
    /// The matrix and variables from before filtering.
    pub raw: Option<Raw>,
    /// Whatever else was kept.
    pub uns: BTreeMap<String, Unstructured>,
}

impl AnnData {
    /// Checks that all parts fit together.
    ///
    /// # Errors
    /// `InvalidInput` naming the part whose shape differs from `obs` × `var`.
    pub fn check(&self) -> Result<()> {
        let (n_obs, n_vars) = (self.obs.len(), self.var.len());
        let check = |place: &str, name: &str, shape: Vec<usize>, wanted: [Option<usize>; 2]| {
            let [rows, columns] = wanted;
            let fits = shape.first().copied() == rows
                && columns.is_none_or(|n| shape.len() == 2 && shape[1] == n);
            if fits {
                return Ok(());
            }
            let columns = columns.map_or_else(|| "anything".to_owned(), |n| n.to_string());
            Err(Error::invalid_input(format!(
                "`{place}{name}` has the shape {shape:?}, but must have {} × {columns}",
                rows.unwrap_or_default()
            )))
        };
        let (obs, var) = (Some(n_obs), Some(n_vars));
        if let Some(x) = &self.x {
            check("X", "", x.shape(), [obs, var])?;
        }
        for (name, matrix) in &self.layers {
            check("layers/", name, matrix.shape(), [obs, var])?;
        }
        for (name, element) in &self.obsm {
            check("obsm/", name, element.shape(), [obs, None])?;
        }
        for (name, element) in &self.varm {
            check("varm/", name, element.shape(), [var, None])?;
        }
        for (name, matrix) in &self.obsp {
            check("obsp/", name, matrix.shape(), [obs, obs])?;
        }
        for (name, matrix) in &self.varp {
            check("varp/", name, matrix.shape(), [var, var])?;
        }
        if let Some(raw) = &self.raw {
            let raw_var = Some(raw.var.len());
            check("raw.X", "", raw.x.shape(), [obs, raw_var])?;
            for (name, element) in &raw.varm {
                check("raw/varm/", name, element.shape(), [raw_var, None])?;
            }
        }
        Ok(())
    }
}
