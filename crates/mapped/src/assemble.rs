//! Putting rows from several stores into one output, in the order in which they were asked for.

use bytemuck::Zeroable;
use rayon::prelude::*;

use super::buffer::Buffers;
use super::held::HeldRows;
use super::pack::{Small, Sum, sum_of};
use super::rows::DirectRows;
use super::selection::Slot;
use super::shape::MatrixShape;
use super::source::Source;
use anndex_anndata::CsrMatrix;
use anndex_anndata::VarMap;
use anndex_store::error::{Error, Result};
use anndex_store::{DataType, NumericArray, with_element};

/// Fewer bytes than this are written by one thread, since waking others takes as long.
const PARALLEL_BYTES: usize = 256 << 10;

/// Rows of one matrix, and which of them make the output.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlacedRows<'a> {
    /// The rows of each group, of the output's type.
    pub(super) groups: &'a [PlacedGroup<'a>],
    /// One per row of the output.
    pub(super) slots: &'a [Slot],
}

/// The rows of one store.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlacedGroup<'a> {
    pub(super) source: &'a Source,
    pub(super) rows: GroupRows<'a>,
    /// How columns become the output's; `None` if they are the same.
    pub(super) map: Option<&'a VarMap>,
}

/// Where the values of rows come from.
#[derive(Debug, Clone, Copy)]
pub(super) enum GroupRows<'a> {
    /// Memory.
    Held(&'a HeldRows),
    /// Storage, when they are written.
    Direct(DirectRows<'a>),
}

impl<'a> PlacedRows<'a> {
    fn group(&self, slot: Slot) -> (&'a PlacedGroup<'a>, usize) {
        (&self.groups[slot.group as usize], slot.row as usize)
    }
}

impl PlacedGroup<'_> {
    fn writes_all(&self) -> bool {
        match self.rows {
            GroupRows::Held(held) => held.writes_all(self.map),
            GroupRows::Direct(rows) => rows.writes_all(self.map),
        }
    }

    fn write_dense<T: Small>(&self, row: usize, sum: Sum<T>, out: &mut [T]) -> Result<()> {
        match self.rows {
            GroupRows::Held(held) => {
                held.write_dense(row, self.map, sum, out);
                Ok(())
            }
            GroupRows::Direct(rows) => rows
                .write_dense(row, self.map, sum, out)
                .map_err(|error| self.source.locate(error)),
        }
    }

    fn count_sparse<T: Small>(&self, row: usize) -> usize {
        match self.rows {
            GroupRows::Held(held) => held.count_sparse::<T>(row, self.map),
            GroupRows::Direct(rows) => rows.count_sparse(row),
        }
    }

    fn write_sparse<T: Small>(
        &self,
        row: usize,
        columns: &mut [i32],
        values: &mut [T],
    ) -> Result<()> {
        match self.rows {
            GroupRows::Held(held) => {
                held.write_sparse(row, self.map, columns, values);
                Ok(())
            }
            GroupRows::Direct(rows) => rows
                .write_sparse(row, self.map, columns, values)
                .map_err(|error| self.source.locate(error)),
        }
    }
}

/// Writes every value of the rows.
///
/// # Errors
/// `InvalidInput` if the output does not fit into memory; what reading gives where rows are still
/// in storage.
pub(super) fn dense(
    placed: &PlacedRows<'_>,
    shape: &MatrixShape,
    buffers: &Buffers,
) -> Result<NumericArray> {
    let width: usize = shape.row_shape.iter().product();
    let full = [&[placed.slots.len()], shape.row_shape.as_slice()].concat();
    let mut is_new = false;
    let mut out = NumericArray::reusing(shape.data_type.clone(), full, |words| {
        let taken = buffers.take(words);
        is_new = taken.is_empty();
        taken
    })?;
    if width == 0 {
        return Ok(out);
    }
    with_element!(&shape.data_type, T => {
        let values: &mut [T] = bytemuck::cast_slice_mut(out.bytes_mut());
        let sum = sum_of::<T>(&shape.data_type);
        let write = |(out, &slot): (&mut [T], &Slot)| {
            let (group, row) = placed.group(slot);
            // New memory is all zeros.
            if !is_new && !group.writes_all() {
                out.fill(T::zeroed());
            }
            group.write_dense(row, sum, out)
        };
        if size_of_val(values) < PARALLEL_BYTES {
            values.chunks_mut(width).zip(placed.slots).try_for_each(write)?;
        } else {
            values.par_chunks_mut(width).zip(placed.slots).try_for_each(write)?;
        }
    }, else return Err(not_numeric(&shape.data_type)));
    Ok(out)
}

/// Writes what a sparse matrix keeps of the rows: stored values, and of dense rows those that are
/// not zero. Columns are sorted within each row if they are so in the store.
///
/// # Errors
/// As [`dense`]; `Unsupported` if there are too many columns.
pub(super) fn csr(
    placed: &PlacedRows<'_>,
    shape: &MatrixShape,
    buffers: &Buffers,
) -> Result<CsrMatrix> {
    let n_columns: usize = shape.row_shape.iter().product();
    if i32::try_from(n_columns).is_err() {
        return Err(Error::unsupported(
            "sparse batches of more than 2^31 - 1 columns",
        ));
    }
    with_element!(&shape.data_type, T => {
        csr_of::<T>(placed, &shape.data_type, n_columns, buffers)
    }, else Err(not_numeric(&shape.data_type)))
}

fn csr_of<T: Small>(
    placed: &PlacedRows<'_>,
    data_type: &DataType,
    n_columns: usize,
    buffers: &Buffers,
) -> Result<CsrMatrix> {
    let count = |&slot: &Slot| {
        let (group, row) = placed.group(slot);
        group.count_sparse::<T>(row)
    };
    let lengths: Vec<usize> = placed
        .slots
        .par_iter()
        .with_min_len(64)
        .map(count)
        .collect();
    let mut indptr = Vec::with_capacity(lengths.len() + 1);
    indptr.push(0i64);
    let mut total = 0;
    for &length in &lengths {
        total += length;
        indptr.push(total as i64);
    }
    let reuse = |words| buffers.take_roomy(words);
    let mut data = NumericArray::reusing(data_type.clone(), [total], reuse)?;
    let mut indices = NumericArray::reusing(DataType::Int32, [total], reuse)?;
    let mut values_left: &mut [T] = bytemuck::cast_slice_mut(data.bytes_mut());
    let mut columns_left: &mut [i32] = bytemuck::cast_slice_mut(indices.bytes_mut());
    let mut rows = Vec::with_capacity(lengths.len());
    for (&slot, length) in placed.slots.iter().zip(lengths) {
        let (values, columns);
        (values, values_left) = values_left.split_at_mut(length);
        (columns, columns_left) = columns_left.split_at_mut(length);
        rows.push((slot, columns, values));
    }
    rows.into_par_iter()
        .with_min_len(16)
        .try_for_each(|(slot, columns, values)| {
            let (group, row) = placed.group(slot);
            group.write_sparse(row, columns, values)
        })?;
    Ok(CsrMatrix::assembled(n_columns, data, indices, indptr))
}

fn not_numeric(data_type: &DataType) -> Error {
    Error::unsupported(format!("batches of {data_type}"))
}
