//! A whole AnnData in memory: what is written, and what small files are read into.

use std::collections::BTreeMap;

use super::data_frame::DataFrame;
use crate::error::{Error, Result};
use crate::store::NumericArray;

/// A sparse matrix by rows, in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct CsrMatrix {
    n_columns: usize,
    data: NumericArray,
    /// Of int32.
    indices: NumericArray,
    indptr: Vec<i64>,
}

impl CsrMatrix {
    /// A matrix of `indptr.len() - 1` rows. Row `i` holds the values `data[indptr[i]..indptr[i +
    /// 1]]` in the columns `indices[indptr[i]..indptr[i + 1]]`.
    ///
    /// # Errors
    /// `InvalidInput` if the lengths do not fit, `indptr` does not grow from 0 to the number of
    /// values, or a column is out of range.
    pub fn new(
        n_columns: usize,
        data: NumericArray,
        indices: Vec<i32>,
        indptr: Vec<i64>,
    ) -> Result<Self> {
        let grows = indptr.windows(2).all(|pair| pair[0] <= pair[1]);
        let ends = indptr.first() == Some(&0)
            && indptr.last().and_then(|&end| usize::try_from(end).ok()) == Some(data.len());
        let in_range = indices
            .iter()
            .all(|&i| usize::try_from(i).is_ok_and(|index| index < n_columns));
        if data.shape().len() != 1 || data.len() != indices.len() || !grows || !ends || !in_range {
            return Err(Error::invalid_input(
                "the parts of the sparse matrix do not fit",
            ));
        }
        Ok(Self {
            n_columns,
            data,
            indices: NumericArray::from_values([indices.len()], &indices)?,
            indptr,
        })
    }

    /// A matrix of parts that are known to fit, which is not checked again.
    pub(crate) fn assembled(
        n_columns: usize,
        data: NumericArray,
        indices: NumericArray,
        indptr: Vec<i64>,
    ) -> Self {
        Self {
            n_columns,
            data,
            indices,
            indptr,
        }
    }

    /// The number of rows.
    pub fn n_rows(&self) -> usize {
        self.indptr.len() - 1
    }

    /// The number of columns.
    pub fn n_columns(&self) -> usize {
        self.n_columns
    }

    /// The stored values, row after row.
    pub fn data(&self) -> &NumericArray {
        &self.data
    }

    /// The column of each stored value.
    pub fn indices(&self) -> &[i32] {
        self.indices.as_slice().unwrap_or_default()
    }

    /// The stored values, their columns (int32) and the row pointers, without a copy.
    pub fn into_parts(self) -> (NumericArray, NumericArray, Vec<i64>) {
        (self.data, self.indices, self.indptr)
    }

    /// Where each row begins in `data` and `indices`, and the end of the last one.
    pub fn indptr(&self) -> &[i64] {
        &self.indptr
    }
}

/// A matrix in memory.
#[derive(Debug, Clone, PartialEq)]
pub enum InMemoryMatrix {
    /// Every value; one row per observation along axis 0.
    Dense(NumericArray),
    /// Only values that are not zero.
    Csr(CsrMatrix),
}

impl InMemoryMatrix {
    /// Extent along each axis.
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Self::Dense(values) => values.shape().to_vec(),
            Self::Csr(csr) => vec![csr.n_rows(), csr.n_columns()],
        }
    }
}

/// The matrix and variables from before filtering.
#[derive(Debug, Clone, PartialEq)]
pub struct Raw {
    /// Observations × the variables of `var`.
    pub x: InMemoryMatrix,
    /// The annotations of its variables.
    pub var: DataFrame,
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
    /// Matrices of observations × anything.
    pub obsm: BTreeMap<String, InMemoryMatrix>,
    /// The matrix and variables from before filtering.
    pub raw: Option<Raw>,
}

impl AnnData {
    /// Checks that all parts fit together.
    ///
    /// # Errors
    /// `InvalidInput` naming the part whose shape differs from `obs` × `var`.
    pub fn check(&self) -> Result<()> {
        let (n_obs, n_vars) = (self.obs.len(), self.var.len());
        let check = |name: &str, matrix: &InMemoryMatrix, columns: Option<usize>| {
            let shape = matrix.shape();
            let fits = shape.first() == Some(&n_obs)
                && columns.is_none_or(|n| shape.len() == 2 && shape[1] == n);
            if fits {
                return Ok(());
            }
            Err(Error::invalid_input(format!(
                "`{name}` has the shape {shape:?}, but there are {n_obs} observations and {} \
                 variables",
                columns.unwrap_or(n_vars)
            )))
        };
        for (name, matrix) in self.x.iter().map(|x| ("X", x)).chain(named(&self.layers)) {
            check(name, matrix, Some(n_vars))?;
        }
        for (name, matrix) in named(&self.obsm) {
            check(name, matrix, None)?;
        }
        match &self.raw {
            Some(raw) => check("raw.X", &raw.x, Some(raw.var.len())),
            None => Ok(()),
        }
    }
}

fn named(
    matrices: &BTreeMap<String, InMemoryMatrix>,
) -> impl Iterator<Item = (&str, &InMemoryMatrix)> {
    matrices
        .iter()
        .map(|(name, matrix)| (name.as_str(), matrix))
}
