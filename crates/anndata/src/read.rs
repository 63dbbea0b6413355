//! Reading a whole AnnData into memory, each array on all cores.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::compressed::{CscMatrix, CsrMatrix, check_columns};
use super::in_memory::{AnnData, InMemoryElement, InMemoryMatrix, Raw};
use super::left_out::LeftOut;
use super::matrix::{Element, Matrix};
use super::unstructured::Unstructured;
use super::{
    BackedAnnData, BackedDataFrame, MatrixKey, SparseFormat, SparseMatrix, child_path, locate,
};
use anndex_store::error::{Error, ErrorKind, Result};
use anndex_store::{Array, DataType, NumericArray, Span, Store, check_plausible, read_all};
use anndex_store::{read_blocks, read_into, row_blocks};

impl BackedAnnData {
    /// Reads all of it, but for elements and columns that can't be read: one warning names them.
    /// Beside the result there is no more memory than a few chunks per thread.
    ///
    /// # Errors
    /// `Unsupported` if `X` or an index can't be read; `Corrupt` or `Storage` if the bytes can't be
    /// had.
    pub fn read(&self) -> Result<AnnData> {
        let mut left_out = LeftOut::new();
        let read = self.read_noting(&mut left_out);
        let read = read.map_err(|error| error.with("path", self.store().location()))?;
        left_out.warn();
        Ok(read)
    }

    fn read_noting(&self, left_out: &mut LeftOut) -> Result<AnnData> {
        let (n_obs, n_vars) = (self.n_obs(), self.n_vars());
        let x = self.matrix(&MatrixKey::X)?;
        let mut mapping = |path, rows, columns| self.mapping(path, rows, columns, &mut *left_out);
        let layers = matrices(mapping("layers", n_obs, Some(n_vars))?);
        let obsm = mapping("obsm", n_obs, None)?;
        let varm = mapping("varm", n_vars, None)?;
        let obsp = matrices(mapping("obsp", n_obs, Some(n_obs))?);
        let varp = matrices(mapping("varp", n_vars, Some(n_vars))?);
        let read = AnnData {
            x: x.map(|x| self.read_matrix(&x)).transpose()?,
            obs: self.obs().read_noting(left_out)?,
            var: self.var().read_noting(left_out)?,
            layers,
            obsm,
            varm,
            obsp,
            varp,
            raw: self.raw(left_out)?,
            uns: self.read_uns(left_out)?,
        };
        read.check()?;
        Ok(read)
    }

    /// `raw`, of which no part is left out but those of its `var` and `varm`.
    fn raw(&self, left_out: &mut LeftOut) -> Result<Option<Raw>> {
        let read = || match (self.raw_var()?, self.matrix(&MatrixKey::RawX)?) {
            (Some(var), Some(x)) => Ok(Some((self.read_matrix(&x)?, var))),
            _ => Ok(None),
        };
        let found = left_out.unless_unsupported(self.store().location(), "raw", read())?;
        let Some((x, var)) = found.flatten() else {
            return Ok(None);
        };
        let varm = match var.path() {
            "raw.var" => "raw.varm",
            _ => "raw/varm",
        };
        let varm = self.mapping(varm, var.len(), None, left_out)?;
        let var = var.read_noting(left_out)?;
        Ok(Some(Raw { x, var, varm }))
    }

    /// Reads `uns`, without what older versions kept there of the columns of `obs` and `var`, and
    /// without what can't be read: one warning names it.
    ///
    /// # Errors
    /// As [`BackedAnnData::read`].
    pub fn uns(&self) -> Result<BTreeMap<String, Unstructured>> {
        let mut left_out = LeftOut::new();
        let uns = self.read_uns(&mut left_out)?;
        left_out.warn();
        Ok(uns)
    }

    fn read_uns(&self, left_out: &mut LeftOut) -> Result<BTreeMap<String, Unstructured>> {
        let store = self.store();
        let uns = Unstructured::read_mapping(store, "uns", left_out);
        let uns = left_out.unless_unsupported(store.location(), "uns", uns)?;
        let mut uns = uns.unwrap_or_default();
        let labels = uns
            .keys()
            .filter_map(|name| name.strip_suffix("_categories"));
        let mut labels: Vec<String> = labels.map(str::to_owned).collect();
        let frames = [self.obs(), self.var()];
        labels.retain(|name| {
            // A column that can't be read leaves them where they are.
            let is_of = |frame: &&BackedDataFrame| frame.has_legacy_categories(name);
            frames.iter().any(|frame| is_of(frame).unwrap_or(false))
        });
        for name in labels {
            uns.remove(&format!("{name}_categories"));
        }
        Ok(uns)
    }

    /// Reads the elements of a mapping, with as many rows and, where that is given, columns, which
    /// only matrices have. What can't be read is noted.
    fn mapping(
        &self,
        path: &str,
        rows: u64,
        columns: Option<u64>,
        left_out: &mut LeftOut,
    ) -> Result<BTreeMap<String, InMemoryElement>> {
        let store = self.store();
        let mut read = BTreeMap::new();
        for name in self.names_in(path, left_out)? {
            let place = child_path(path, &name);
            let element = read_element(store, path, &name, rows, columns, left_out);
            let element = element.map_err(locate(store, &place));
            let kept = left_out.unless_unsupported(store.location(), &place, element)?;
            if let Some(element) = kept.flatten() {
                read.insert(name, element);
            }
        }
        Ok(read)
    }

    /// The names in a mapping; none, and a note, if it can't be read.
    pub(super) fn names_in(&self, mapping: &str, left_out: &mut LeftOut) -> Result<Vec<String>> {
        let names = super::names_in(self.store(), mapping);
        let names = left_out.unless_unsupported(self.store().location(), mapping, names)?;
        Ok(names.unwrap_or_default())
    }

    /// Reads a whole matrix of this AnnData.
    fn read_matrix(&self, matrix: &Matrix) -> Result<InMemoryMatrix> {
        matrix.read().map_err(locate(self.store(), matrix.path()))
    }
}

/// Reads an element of a mapping; `None` if it is not there.
fn read_element(
    store: &Arc<dyn Store>,
    mapping: &str,
    name: &str,
    rows: u64,
    columns: Option<u64>,
    left_out: &mut LeftOut,
) -> Result<Option<InMemoryElement>> {
    match Element::open_child(store, mapping, name) {
        Ok(None) => Ok(None),
        Ok(Some(element)) => {
            element.check_shape(rows, columns)?;
            Ok(Some(match element {
                Element::Matrix(matrix) => InMemoryElement::Matrix(matrix.read()?),
                Element::DataFrame(_) if columns.is_some() => {
                    return Err(Error::unsupported("a table is not a matrix"));
                }
                Element::DataFrame(frame) => {
                    InMemoryElement::DataFrame(frame.read_noting(left_out)?)
                }
            }))
        }
        // It may be an array of something else than numbers, where that is allowed.
        Err(error) if error.kind() == ErrorKind::Unsupported && columns.is_none() => {
            let path = child_path(mapping, name);
            match Unstructured::read_rows_of(store, &path, rows)? {
                Some(array) => Ok(Some(InMemoryElement::Other(array))),
                None => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

/// What is read with a number of columns: all of it are matrices.
fn matrices(elements: BTreeMap<String, InMemoryElement>) -> BTreeMap<String, InMemoryMatrix> {
    let matrices = elements
        .into_iter()
        .filter_map(|(name, element)| match element {
            InMemoryElement::Matrix(matrix) => Some((name, matrix)),
            _ => None,
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
