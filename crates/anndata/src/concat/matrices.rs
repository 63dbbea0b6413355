//! Matrices one below the other: which columns go where, and of what type the result is.

use std::sync::Arc;

use super::{dense, sparse};
use crate::{ABSENT, BackedAnnData, InMemoryMatrix, Matrix, MatrixKey, VarMap};
use anndex_store::error::{Error, Result};
use anndex_store::{DataType, promote};

/// Where the columns of a part are in the result.
#[derive(Debug, Clone)]
pub(super) enum ColumnMap {
    /// As many as there are, in the same places.
    Same(usize),
    /// Where the variables of their names are.
    Names(Arc<VarMap>),
    /// The first ones, up to this many, in the same places.
    First(usize),
}

impl ColumnMap {
    /// The number of columns of the result.
    pub(super) fn width(&self) -> usize {
        match self {
            Self::Same(width) | Self::First(width) => *width,
            Self::Names(map) => map.width,
        }
    }

    /// The place of a column; `None` if it is left out.
    pub(super) fn position(&self, column: usize) -> Option<usize> {
        let position = match self {
            Self::Same(_) | Self::First(_) => column,
            Self::Names(map) => match map.to_joint.get(column) {
                None | Some(&ABSENT) => return None,
                Some(&position) => position as usize,
            },
        };
        (position < self.width()).then_some(position)
    }

    /// Whether all of `columns` columns stay in their places, and there are no others.
    pub(super) fn is_identity(&self, columns: usize) -> bool {
        let stays = |column| self.position(column) == Some(column);
        columns == self.width()
            && match self {
                Self::Same(_) | Self::First(_) => true,
                Self::Names(_) => (0..columns).all(stays),
            }
    }

    /// Whether each column of the result has a place in a part with `columns` columns.
    fn fills(&self, columns: usize) -> bool {
        match self {
            Self::Same(width) | Self::First(width) => columns >= *width,
            Self::Names(map) => {
                let known = columns.min(map.to_joint.len());
                let kept = (0..known).filter(|&column| self.position(column).is_some());
                kept.count() == self.width()
            }
        }
    }

    /// Whether columns that are kept stay in order.
    pub(super) fn keeps_order(&self) -> bool {
        match self {
            Self::Same(_) | Self::First(_) => true,
            Self::Names(map) => map.keeps_order(),
        }
    }
}

/// The rows of one AnnData.
#[derive(Debug)]
pub(super) struct Part<'a> {
    pub(super) location: &'a str,
    pub(super) rows: usize,
    /// `None` if it lacks the matrix.
    pub(super) matrix: Option<&'a Matrix>,
    pub(super) map: ColumnMap,
}

impl<'a> Part<'a> {
    pub(super) fn new(data: &'a BackedAnnData, matrix: Option<&'a Matrix>, map: ColumnMap) -> Self {
        Self {
            location: data.store().location(),
            rows: data.n_obs() as usize,
            matrix,
            map,
        }
    }

    /// Adds which AnnData and matrix an error came up in.
    pub(super) fn locate(&self, error: Error) -> Error {
        let path = self.matrix.map(Matrix::path).unwrap_or_default();
        error
            .with("path", self.location)
            .with("node", format!("/{path}"))
    }

    fn columns(&self) -> usize {
        let shape = self.matrix.map(Matrix::shape).unwrap_or_default();
        shape.get(1).map_or(0, |&columns| columns as usize)
    }

    /// The type that the part has once the columns that it lacks are filled.
    fn data_type(&self, sparse: bool) -> DataType {
        let width = self.map.width();
        let fills = match sparse {
            // Zeros are of any type, but anndata makes a matrix of no columns anew.
            true => width == 0 || self.columns() > 0,
            false => self.map.fills(self.columns()),
        };
        match self.matrix {
            Some(matrix) if fills => matrix.data_type().clone(),
            // NaN fills what is missing, and NumPy's is float64.
            _ => DataType::Float64,
        }
    }
}

/// Puts the parts, which have the same number of columns then, one below the other: by rows if one
/// of them is sparse, else dense.
///
/// # Errors
/// `InvalidInput` if their further axes differ or the result does not fit into memory; what
/// reading gives.
pub(super) fn concat(parts: &[Part<'_>], key: &MatrixKey) -> Result<InMemoryMatrix> {
    let matrices = || parts.iter().filter_map(|part| part.matrix);
    let sparse = matrices().any(|matrix| matches!(matrix, Matrix::Sparse(_)));
    let mut types = parts.iter().map(|part| part.data_type(sparse));
    let first = types.next().unwrap_or(DataType::Float32);
    let data_type = types.try_fold(first, |a, b| promote(&a, &b))?;
    let tail = |matrix: &Matrix| matrix.shape().get(2..).unwrap_or_default().to_vec();
    let first_tail = matrices().next().map(tail).unwrap_or_default();
    for part in parts {
        let tail = part.matrix.map(tail).unwrap_or_default();
        if tail != first_tail || sparse && !tail.is_empty() {
            return Err(part.locate(Error::invalid_input(format!(
                "`{key}` has further axes of {tail:?} here but of {first_tail:?} in another file, \
                 so it can't be concatenated"
            ))));
        }
    }
    if sparse {
        sparse::concat(parts, data_type).map(InMemoryMatrix::Csr)
    } else {
        let tail: Vec<usize> = first_tail.iter().map(|&extent| extent as usize).collect();
        dense::concat(parts, &tail, data_type).map(InMemoryMatrix::Dense)
    }
}
