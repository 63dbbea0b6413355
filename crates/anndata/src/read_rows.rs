//! Reading some rows of a matrix, for a look into a file that is not read as a whole.

use super::compressed::CsrMatrix;
use super::in_memory::InMemoryMatrix;
use super::matrix::Matrix;
use super::{SparseFormat, SparseMatrix};
use anndex_store::error::{Error, Result};
use anndex_store::{DataType, NumericArray, Span};

impl Matrix {
    /// Reads rows, which rise and are there, in this order. A matrix that is compressed by columns
    /// is read as a whole for it.
    ///
    /// # Errors
    /// `InvalidInput` if a row is out of range or not after the one before it; `Corrupt`,
    /// `Unsupported` or `Storage` if they can't be decoded.
    pub fn read_rows(&self, rows: &[u64]) -> Result<InMemoryMatrix> {
        let n_rows = self.shape().first().copied().unwrap_or_default();
        let rise = rows.windows(2).all(|pair| pair[0] < pair[1]);
        if !rise || rows.last().is_some_and(|&last| last >= n_rows) {
            return Err(Error::invalid_input(format!(
                "the rows must rise and be below {n_rows}"
            )));
        }
        match self {
            Self::Dense(dense) => {
                NumericArray::read(&**dense.array(), &spans_of(rows)).map(InMemoryMatrix::Dense)
            }
            Self::Sparse(sparse) => match sparse.format() {
                SparseFormat::Csr => sparse.read_csr_rows(rows).map(InMemoryMatrix::Csr),
                SparseFormat::Csc => {
                    let InMemoryMatrix::Csc(csc) = self.read()? else {
                        return Err(Error::corrupt("the matrix is not what its encoding says"));
                    };
                    csc.to_csr()?.select_rows(rows).map(InMemoryMatrix::Csr)
                }
            },
        }
    }
}

/// Neighbouring rows together.
fn spans_of(rows: &[u64]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for &row in rows {
        match spans.last_mut() {
            Some(last) if last.end == row => last.end += 1,
            _ => spans.push(Span::new(row, row + 1)),
        }
    }
    spans
}

impl SparseMatrix {
    fn read_csr_rows(&self, rows: &[u64]) -> Result<CsrMatrix> {
        let n_columns = self.minor_extent()?;
        let pointers = self.read_pointers()?;
        let mut indptr = vec![0i64];
        let mut end = 0;
        for &row in rows {
            end += pointers[row as usize + 1] - pointers[row as usize];
            indptr.push(end);
        }
        let spans = spans_of(rows).into_iter().map(|span| {
            let at = |row: u64| pointers[row as usize] as u64;
            Span::new(at(span.start), at(span.end))
        });
        let spans: Vec<Span> = spans.filter(|span| !span.is_empty()).collect();
        let data = NumericArray::read(&**self.data(), &spans)?;
        let indices = NumericArray::read(&**self.indices(), &spans)?.cast(&DataType::Int64)?;
        let indices = indices.as_slice::<i64>().unwrap_or_default().iter();
        let narrow: Option<Vec<i32>> = indices.map(|&index| i32::try_from(index).ok()).collect();
        let narrow = narrow.ok_or_else(|| Error::corrupt("an index is out of range"))?;
        CsrMatrix::new(n_columns, data, narrow, indptr)
            .map_err(|error| Error::corrupt("the rows do not fit the matrix").source_error(error))
    }
}

impl CsrMatrix {
    /// Some of the rows.
    fn select_rows(&self, rows: &[u64]) -> Result<Self> {
        let size = self.data().data_type().fixed_size()?;
        let (mut data, mut indices, mut indptr) = (Vec::new(), Vec::new(), vec![0i64]);
        for &row in rows {
            let ends = &self.indptr()[row as usize..row as usize + 2];
            let own = ends[0] as usize..ends[1] as usize;
            data.extend_from_slice(&self.data().bytes()[own.start * size..own.end * size]);
            indices.extend_from_slice(&self.indices()[own]);
            indptr.push(indices.len() as i64);
        }
        let data_type = self.data().data_type().clone();
        let data = NumericArray::from_bytes(data_type, [indices.len()], &data)?;
        Self::new(self.n_columns(), data, indices, indptr)
    }
}
