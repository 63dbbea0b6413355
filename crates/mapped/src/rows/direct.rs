//! Rows that lie in storage as they are wanted: each is read straight to its place.
//!
//! What needs no decoding costs the same whether it is read together or alone, so there is nothing
//! to be gained by holding it first. Only the columns of sparse rows need a look on the way.

use super::{MatrixRows, Parts, scratch};
use crate::columns::{ColumnPacking, Columns};
use crate::format::BatchFormat;
use crate::held::sort_by_column;
use crate::pack::{Small, Sum};
use anndex_anndata::{ABSENT, VarMap};
use anndex_store::error::{Error, Result};
use anndex_store::{Array, DataType, Span};

/// Some rows of a matrix, none of them read yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DirectRows<'a> {
    matrix: &'a MatrixRows,
    /// Row numbers, in range.
    rows: &'a [u64],
}

impl MatrixRows {
    /// `rows`, which are in range, to be read straight into an output of the given type and
    /// format; `None` if they have to be decoded, converted or searched for values on the way.
    pub(crate) fn direct<'a>(
        &'a self,
        rows: &'a [u64],
        data_type: &DataType,
        format: BatchFormat,
        map: Option<&VarMap>,
    ) -> Option<DirectRows<'a>> {
        let fits = match &self.parts {
            Parts::Dense(_) => format == BatchFormat::Dense,
            Parts::Csr { indices, .. } => {
                let is_wanted = format == BatchFormat::Dense || map.is_none_or(VarMap::keeps_all);
                is_wanted && is_index(indices.data_type())
            }
        };
        let is_direct = fits && !self.is_read_together() && self.data_type() == data_type;
        is_direct.then_some(DirectRows { matrix: self, rows })
    }
}

/// The types in which AnnData stores columns; damaged files have others.
fn is_index(data_type: &DataType) -> bool {
    use DataType::{Int32, Int64, UInt32, UInt64};
    matches!(data_type, Int32 | Int64 | UInt32 | UInt64)
}

impl DirectRows<'_> {
    /// Whether a dense output gets every value of its row from [`DirectRows::write_dense`].
    pub(crate) fn writes_all(&self, map: Option<&VarMap>) -> bool {
        matches!(self.matrix.parts, Parts::Dense(_)) && map.is_none()
    }

    /// The number of stored values of a sparse row.
    pub(crate) fn count_sparse(&self, row: usize) -> usize {
        self.span(row).len() as usize
    }

    /// Writes the values of a row into `out`, which is all zeros, to the columns that `map` gives;
    /// without one they are the stored ones. Values of one column are added by `sum`, in the order
    /// in which they are stored.
    ///
    /// # Errors
    /// `Corrupt` or `Storage` if the row can't be read.
    pub(crate) fn write_dense<T: Small>(
        &self,
        row: usize,
        map: Option<&VarMap>,
        sum: Sum<T>,
        out: &mut [T],
    ) -> Result<()> {
        let span = self.span(row);
        match (&self.matrix.parts, map) {
            (Parts::Dense(array), None) => {
                self.read(array.array(), "", span, bytemuck::cast_slice_mut(out))
            }
            (Parts::Dense(array), Some(map)) => {
                let width = map.to_joint.len();
                scratch::with(width * size_of::<T>(), |bytes| {
                    self.read(array.array(), "", span, bytes)?;
                    let values: &[T] = bytemuck::cast_slice(bytes);
                    for (&joint, &value) in map.to_joint.iter().zip(values) {
                        // One that is not among the joined ones is past the end.
                        if let Some(place) = out.get_mut(joint as usize) {
                            *place = value;
                        }
                    }
                    Ok(())
                })
            }
            (Parts::Csr { data, indices, .. }, _) => {
                let count = span.len() as usize;
                let value_bytes = (count * size_of::<T>()).next_multiple_of(8);
                let index_bytes = count * indices.data_type().fixed_size()?;
                scratch::with(value_bytes + index_bytes, |bytes| {
                    let (values, columns) = bytes.split_at_mut(value_bytes);
                    let values = &mut values[..count * size_of::<T>()];
                    self.read(data.array(), "/data", span, values)?;
                    self.read(indices.array(), "/indices", span, columns)?;
                    let values: &[T] = bytemuck::cast_slice(values);
                    let all_in_range = if index_bytes == count * size_of::<u32>() {
                        let columns: &[u32] = bytemuck::cast_slice(columns);
                        scatter(columns, |c| c as usize, values, map, sum, out)
                    } else {
                        let columns: &[u64] = bytemuck::cast_slice(columns);
                        let column = |c| usize::try_from(c).unwrap_or(usize::MAX);
                        scatter(columns, column, values, map, sum, out)
                    };
                    if all_in_range {
                        Ok(())
                    } else {
                        Err(self.out_of_range(indices.data_type(), columns))
                    }
                })
            }
        }
    }

    /// Writes a sparse row's columns and values, of which there are [`DirectRows::count_sparse`].
    ///
    /// # Errors
    /// As [`DirectRows::write_dense`].
    pub(crate) fn write_sparse<T: Small>(
        &self,
        row: usize,
        map: Option<&VarMap>,
        columns_out: &mut [i32],
        values_out: &mut [T],
    ) -> Result<()> {
        let Parts::Csr { data, indices, .. } = &self.matrix.parts else {
            return Err(Error::invalid_input("a dense matrix has no sparse rows"));
        };
        let span = self.span(row);
        let values = bytemuck::cast_slice_mut(values_out);
        self.read(data.array(), "/data", span, values)?;
        if indices.data_type().fixed_size()? == size_of::<i32>() {
            let bytes = bytemuck::cast_slice_mut(columns_out);
            self.read(indices.array(), "/indices", span, bytes)?;
        } else {
            scratch::with(columns_out.len() * size_of::<u64>(), |bytes| {
                self.read(indices.array(), "/indices", span, bytes)?;
                let stored: &[u64] = bytemuck::cast_slice(bytes);
                for (column, &stored) in columns_out.iter_mut().zip(stored) {
                    // One that does not fit is out of range, as -1 is.
                    *column = i32::try_from(stored).unwrap_or(-1);
                }
                Ok(())
            })?;
        }
        let n_columns = self.matrix.n_columns() as u32;
        let in_range = |all, &column| all & ((column as u32) < n_columns);
        if !columns_out.iter().fold(true, in_range) {
            let columns = bytemuck::cast_slice(columns_out);
            return Err(self.out_of_range(&DataType::Int32, columns));
        }
        if let Some(map) = map {
            for column in columns_out.iter_mut() {
                *column = map.to_joint[*column as usize] as i32;
            }
            if !map.keeps_order() {
                sort_by_column(columns_out, values_out);
            }
        }
        Ok(())
    }

    /// Where a row lies in its arrays.
    fn span(&self, row: usize) -> Span {
        let row = self.rows[row];
        match &self.matrix.parts {
            Parts::Dense(_) => Span::new(row, row + 1),
            Parts::Csr { indptr, .. } => Span::new(indptr[row as usize], indptr[row as usize + 1]),
        }
    }

    fn read(&self, array: &dyn Array, part: &str, span: Span, out: &mut [u8]) -> Result<()> {
        if span.is_empty() {
            return Ok(());
        }
        let read = array.read_spans(&[span], out);
        read.map_err(|error| self.matrix.locate(error, part))
    }

    /// The error that names the first of some columns that does not exist.
    fn out_of_range(&self, data_type: &DataType, columns: &[u8]) -> Error {
        let n_columns = self.matrix.n_columns();
        let error = Columns::new(data_type, columns, n_columns, ColumnPacking::Fast)
            .err()
            .unwrap_or_else(|| Error::corrupt("a column index is out of range"));
        self.matrix.locate(error, "/indices")
    }
}

/// Puts values at their columns, and adds those of one that is there twice. Says whether all
/// columns exist.
fn scatter<C: Copy + PartialOrd, T: Copy>(
    columns: &[C],
    wide: impl Fn(C) -> usize,
    values: &[T],
    map: Option<&VarMap>,
    sum: Sum<T>,
    out: &mut [T],
) -> bool {
    let rises = |all, pair: &[C]| all & (pair[0] < pair[1]);
    let entries = columns.iter().map(|&column| wide(column)).zip(values);
    match columns.windows(2).fold(true, rises) {
        true => put(entries, map, |place, value| *place = value, out),
        false => put(
            entries,
            map,
            |place, value| *place = sum(*place, value),
            out,
        ),
    }
}

fn put<'a, T: Copy + 'a>(
    entries: impl Iterator<Item = (usize, &'a T)>,
    map: Option<&VarMap>,
    write: impl Fn(&mut T, T),
    out: &mut [T],
) -> bool {
    let mut all = true;
    match map {
        None => entries.for_each(|(column, &value)| match out.get_mut(column) {
            Some(place) => write(place, value),
            None => all = false,
        }),
        Some(map) => entries.for_each(|(column, &value)| {
            let joint = map.to_joint.get(column).copied();
            match joint.and_then(|joint| out.get_mut(joint as usize)) {
                Some(place) => write(place, value),
                None => all &= joint == Some(ABSENT),
            }
        }),
    }
    all
}
