//! Reading a whole AnnData into memory, each array on all cores.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::compressed::{CscMatrix, CsrMatrix, check_columns};
use super::in_memory::{AnnData, InMemoryElement, InMemoryMatrix, Raw};
use super::matrix::{Element, Matrix};
use super::unstructured::Unstructured;
use super::{BackedAnnData, MatrixKey, SparseFormat, SparseMatrix, locate};
use crate::error::{Error, Result};
use crate::store::{Array, DataType, NumericArray, Span, Store, check_plausible, read_all};
use crate::store::{read_blocks, read_into, row_blocks};

impl BackedAnnData {
    /// Reads all of it. Beside the result there is no more memory than a few chunks per thread.
    ///
    /// # Errors
    /// `Unsupported` if an element's encoding can't be read, naming its path; `Corrupt` or
    /// `Storage` if the bytes can't be had.
    pub fn read(&self) -> Result<AnnData> {
        let store = self.store();
        let x = self.matrix(&MatrixKey::X)?;
        let layers = self.layers_keys()?.into_iter().map(|name| {
            let key = MatrixKey::Layer(name);
            let matrix = self.matrix(&key)?.map(|matrix| self.read_matrix(&matrix));
            Ok((name_of(key), matrix.transpose()?))
        });
        let obsm = self.obsm_keys()?.into_iter().map(|name| {
            let key = MatrixKey::Obsm(name);
            let element = self.element(&key)?.map(|element| element.read());
            Ok((name_of(key), element.transpose()?))
        });
        let (n_obs, n_vars) = (self.n_obs(), self.n_vars());
        let raw = match (self.raw_var()?, self.matrix(&MatrixKey::RawX)?) {
            (Some(var), Some(x)) => Some(Raw {
                varm: aligned(
                    store,
                    if var.path() == "raw.var" {
                        "raw.varm"
                    } else {
                        "raw/varm"
                    },
                    var.len(),
                )?,
                x: self.read_matrix(&x)?,
                var: var.read()?,
            }),
            _ => None,
        };
        let read = AnnData {
            x: x.map(|x| self.read_matrix(&x)).transpose()?,
            obs: self.obs().read()?,
            var: self.var().read()?,
            layers: present(layers)?,
            obsm: present(obsm)?,
            varm: aligned(store, "varm", n_vars)?,
            obsp: pairwise(store, "obsp", n_obs)?,
            varp: pairwise(store, "varp", n_vars)?,
            raw,
            uns: self.uns()?,
        };
        let checked = read.check().map(|()| read);
        checked.map_err(|error| error.with("path", store.location()))
    }

    /// Reads `uns`, without what older versions kept there of the columns of `obs` and `var`.
    ///
    /// # Errors
    /// As [`BackedAnnData::read`].
    pub fn uns(&self) -> Result<BTreeMap<String, Unstructured>> {
        let mut uns = Unstructured::read_mapping(self.store(), "uns")?;
        let frames = [self.obs(), self.var()];
        uns.retain(|name, _| {
            let column = name.strip_suffix("_categories");
            let is_of = |name| frames.iter().any(|frame| frame.has_legacy_categories(name));
            !column.is_some_and(is_of)
        });
        Ok(uns)
    }

    /// Reads a whole matrix of this AnnData.
    fn read_matrix(&self, matrix: &Matrix) -> Result<InMemoryMatrix> {
        matrix.read().map_err(locate(self.store(), matrix.path()))
    }
}

fn name_of(key: MatrixKey) -> String {
    match key {
        MatrixKey::Layer(name) | MatrixKey::Obsm(name) => name,
        other => other.to_string(),
    }
}

/// What is there of the elements of a mapping.
fn present<T>(
    items: impl Iterator<Item = Result<(String, Option<T>)>>,
) -> Result<BTreeMap<String, T>> {
    let items = items.filter_map(|item| match item {
        Ok((name, Some(value))) => Some(Ok((name, value))),
        Ok((_, None)) => None,
        Err(error) => Some(Err(error)),
    });
    items.collect()
}

/// Reads the elements of a mapping with one row per observation or variable.
fn aligned(
    store: &Arc<dyn Store>,
    path: &str,
    rows: u64,
) -> Result<BTreeMap<String, InMemoryElement>> {
    let names = super::names_in(store, path)?.into_iter().map(|name| {
        let Some(element) = Element::open_child(store, path, &name)? else {
            return Ok((name, None));
        };
        element
            .check_shape(rows, None)
            .map_err(|error| error.with("path", store.location()))?;
        Ok((name, Some(element.read().map_err(locate(store, path))?)))
    });
    present(names)
}

/// Reads the matrices of a mapping with one row and one column per observation or variable.
fn pairwise(
    store: &Arc<dyn Store>,
    path: &str,
    rows: u64,
) -> Result<BTreeMap<String, InMemoryMatrix>> {
    let elements = aligned(store, path, rows)?.into_iter();
    let matrices = elements.map(|(name, element)| match element {
        InMemoryElement::Matrix(matrix) => Ok((name, matrix)),
        InMemoryElement::DataFrame(_) => Err(Error::unsupported("a table is no pairwise matrix")
            .with("path", store.location())
            .with("node", format!("/{path}/{name}"))),
    });
    matrices.collect()
}

impl Element {
    /// Reads all of it.
    ///
    /// # Errors
    /// `Corrupt`, `Unsupported` or `Storage` if it can't be decoded.
    pub fn read(&self) -> Result<InMemoryElement> {
        match self {
            Self::Matrix(matrix) => matrix.read().map(InMemoryElement::Matrix),
            Self::DataFrame(frame) => frame.read().map(InMemoryElement::DataFrame),
        }
    }
}

impl Matrix {
    /// Reads all of it.
    ///
    /// # Errors
    /// `Corrupt`, `Unsupported` or `Storage` if it can't be decoded.
    pub fn read(&self) -> Result<InMemoryMatrix> {
        match self {
            Self::Dense(dense) => read_all(&**dense.array()).map(InMemoryMatrix::Dense),
            Self::Sparse(sparse) => {
                let major = sparse.read()?;
                Ok(match sparse.format() {
                    SparseFormat::Csr => InMemoryMatrix::Csr(major),
                    SparseFormat::Csc => InMemoryMatrix::Csc(CscMatrix::from_transposed(major)),
                })
            }
        }
    }
}

impl SparseMatrix {
    /// Reads all of it, by rows as it is or, in CSC, as the rows of its transpose.
    pub(super) fn read(&self) -> Result<CsrMatrix> {
        let n_columns = self.minor_extent()?;
        let indptr = self.read_pointers()?;
        let stored = Span::new(0, indptr.last().copied().unwrap_or_default() as u64);
        let count = usize::try_from(stored.len())
            .map_err(|_| Error::corrupt("more values than memory can hold"))?;
        check_plausible(self.data().info())?;
        let mut data = NumericArray::zeros(self.data().info().data_type.clone(), [count])?;
        read_into(&**self.data(), stored, data.bytes_mut())?;
        let mut indices = NumericArray::zeros(DataType::Int32, [count])?;
        let out = indices.as_mut_slice().unwrap_or_default();
        read_indices(&**self.indices(), stored, n_columns, out)?;
        Ok(CsrMatrix::assembled(n_columns, data, indices, indptr))
    }

    /// The extent of the axis that is not compressed.
    pub(super) fn minor_extent(&self) -> Result<usize> {
        let minor = match self.format() {
            SparseFormat::Csr => self.n_columns(),
            SparseFormat::Csc => self.n_rows(),
        };
        let minor = usize::try_from(minor).unwrap_or(usize::MAX);
        check_columns(minor).map(|()| minor)
    }

    /// As [`SparseMatrix::read_indptr`], in the type of matrices in memory.
    pub(super) fn read_pointers(&self) -> Result<Vec<i64>> {
        // None is past the range of int64.
        let pointers = self.read_indptr()?.into_iter();
        Ok(pointers.map(|pointer| pointer as i64).collect())
    }
}

/// Reads `rows` of the indices of a sparse matrix, each of which must be below `end`.
///
/// # Errors
/// `Corrupt` if one is not; as [`Array::read_spans`].
pub(super) fn read_indices(
    array: &dyn Array,
    rows: Span,
    end: usize,
    out: &mut [i32],
) -> Result<()> {
    check_plausible(array.info())?;
    let check = |wrong: Option<i64>| match wrong {
        None => Ok(()),
        Some(index) => Err(Error::corrupt(format!(
            "the index {index} is out of range: it must be below {end}"
        ))),
    };
    if array.info().data_type == DataType::Int32 {
        read_into(array, rows, bytemuck::cast_slice_mut(out))?;
        // As unsigned numbers negative ones are too large, so that one comparison is enough.
        let fits = |all, &index: &i32| all & ((index as u32) < end as u32);
        let wrong = |part: &[i32]| {
            let fine = part.iter().fold(true, fits);
            let wrong = part.iter().find(|&&index| (index as u32) >= end as u32);
            wrong.filter(|_| !fine).map(|&index| i64::from(index))
        };
        return check(out.chunks(1 << 16).find_map(wrong));
    }
    let blocks = row_blocks(array.info(), rows)?;
    let mut rest = out;
    let mut parts = Vec::with_capacity(blocks.len());
    for block in &blocks {
        let (head, tail) = rest.split_at_mut(block.len() as usize);
        parts.push(std::sync::Mutex::new(head));
        rest = tail;
    }
    read_blocks(array, &blocks, |number, values| {
        // Unsigned values past the range of int64 wrap below 0 and are out of range.
        let wide = values.cast(&DataType::Int64)?;
        let wide = wide.as_slice::<i64>().unwrap_or_default();
        let mut part = parts[number]
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        for (out, &index) in part.iter_mut().zip(wide) {
            if usize::try_from(index).map_or(true, |index| index >= end) {
                check(Some(index))?;
            }
            *out = index as i32;
        }
        Ok(())
    })
}
