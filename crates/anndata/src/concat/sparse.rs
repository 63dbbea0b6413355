//! Sparse matrices one below the other, by rows, read straight into the result.

use rayon::prelude::*;

use super::matrices::{ColumnMap, Part};
use crate::compressed::{CscMatrix, CsrMatrix, check_columns};
use crate::read::read_indices;
use crate::{Matrix, SparseFormat, SparseMatrix};
use anndex_store::error::{Error, Result};
use anndex_store::operation::carried;
use anndex_store::{
    Array, DataType, NumericArray, Span, check_plausible, read_all, read_into, row_blocks,
    with_element,
};

/// Rows are put in order by one thread for about so many values.
const TASK_VALUES: usize = 1 << 16;

/// Where the values of a part come from.
enum Source<'a> {
    /// It has none.
    Nothing,
    /// They are by rows in the store, with where each row begins.
    Stored(&'a SparseMatrix, Vec<i64>),
    /// They had to be put by rows first.
    InMemory(CsrMatrix),
}

impl Source<'_> {
    fn new<'a>(part: &Part<'a>) -> Result<Source<'a>> {
        Ok(match part.matrix {
            None => Source::Nothing,
            Some(Matrix::Dense(dense)) => Source::InMemory(by_rows(&read_all(&**dense.array())?)?),
            Some(Matrix::Sparse(sparse)) => match sparse.format() {
                SparseFormat::Csr => Source::Stored(sparse, sparse.read_pointers()?),
                SparseFormat::Csc => {
                    Source::InMemory(CscMatrix::from_transposed(sparse.read()?).to_csr()?)
                }
            },
        })
    }

    /// Where each row begins, and the end of the last one.
    fn pointers(&self) -> &[i64] {
        match self {
            Self::Nothing => &[],
            Self::Stored(_, pointers) => pointers,
            Self::InMemory(csr) => csr.indptr(),
        }
    }

    fn n_columns(&self) -> Result<usize> {
        match self {
            Self::Nothing => Ok(0),
            Self::Stored(sparse, _) => sparse.minor_extent(),
            Self::InMemory(csr) => Ok(csr.n_columns()),
        }
    }

    fn len(&self) -> usize {
        self.pointers().last().map_or(0, |&end| end as usize)
    }
}

/// The rows of all parts.
pub(super) fn concat(parts: &[Part<'_>], data_type: DataType) -> Result<CsrMatrix> {
    let width = parts.first().map_or(0, |part| part.map.width());
    check_columns(width)?;
    let sources = parts.iter().map(|part| {
        let source = Source::new(part).map_err(|error| part.locate(error))?;
        if let Source::Stored(sparse, _) = &source {
            check_plausible(sparse.data().info()).map_err(|error| part.locate(error))?;
        }
        Ok(source)
    });
    let sources: Vec<Source<'_>> = sources.collect::<Result<_>>()?;
    let most = sources
        .iter()
        .try_fold(0usize, |sum, source| sum.checked_add(source.len()))
        .ok_or_else(|| Error::invalid_input("more values than memory can hold"))?;
    // What is not needed in the end is never touched, so it takes no memory.
    let mut data = NumericArray::zeros(data_type, [most])?;
    let mut indices = NumericArray::zeros(DataType::Int32, [most])?;
    let rows: usize = parts.iter().map(|part| part.rows).sum();
    let mut indptr = Vec::with_capacity(rows + 1);
    indptr.push(0i64);
    let mut end = 0usize;
    for (part, source) in parts.iter().zip(sources) {
        let lengths = read_part(part, source, &mut data, &mut indices, end)
            .map_err(|error| part.locate(error))?;
        for length in lengths {
            end += length;
            indptr.push(end as i64);
        }
    }
    Ok(CsrMatrix::assembled(
        width,
        data.truncate(end),
        indices.truncate(end),
        indptr,
    ))
}

/// Reads a part to where the result ends so far; gives the length of each of its rows.
fn read_part(
    part: &Part<'_>,
    source: Source<'_>,
    data: &mut NumericArray,
    indices: &mut NumericArray,
    start: usize,
) -> Result<Vec<usize>> {
    let pointers = source.pointers().to_vec();
    if pointers.is_empty() {
        return Ok(vec![0; part.rows]);
    }
    let (len, n_columns) = (source.len(), source.n_columns()?);
    let size = data.data_type().fixed_size()?;
    let data_type = data.data_type().clone();
    let values = &mut data.bytes_mut()[start * size..(start + len) * size];
    let columns = indices.as_mut_slice::<i32>().unwrap_or_default();
    let columns = &mut columns[start..start + len];
    match source {
        Source::Nothing => {}
        Source::Stored(sparse, _) => {
            let stored = Span::new(0, len as u64);
            read_values(&**sparse.data(), stored, &data_type, values)?;
            read_indices(&**sparse.indices(), stored, n_columns, columns)?;
        }
        Source::InMemory(csr) => {
            let (from, of_columns, _) = csr.into_parts();
            values.copy_from_slice(from.cast(&data_type)?.bytes());
            columns.copy_from_slice(of_columns.as_slice().unwrap_or_default());
        }
    }
    if part.map.is_identity(n_columns) {
        return Ok(lengths_of(&pointers));
    }
    with_element!(&data_type, T => {
        Ok(place(bytemuck::cast_slice_mut::<u8, T>(values), columns, &pointers, &part.map))
    }, else Err(Error::unsupported("a sparse matrix holds numbers")))
}

fn lengths_of(pointers: &[i64]) -> Vec<usize> {
    let lengths = pointers.windows(2);
    lengths.map(|ends| (ends[1] - ends[0]) as usize).collect()
}

/// Reads values into `out`, in another type if need be.
fn read_values(array: &dyn Array, rows: Span, data_type: &DataType, out: &mut [u8]) -> Result<()> {
    if array.info().data_type == *data_type {
        return read_into(array, rows, out);
    }
    let size = data_type.fixed_size()?;
    let mut rest = out;
    let mut tasks = Vec::new();
    for block in row_blocks(array.info(), rows)? {
        let (head, others) = rest.split_at_mut(block.len() as usize * size);
        tasks.push((block, head));
        rest = others;
    }
    let read = carried(|(block, out): (Span, &mut [u8])| {
        let values = NumericArray::read(array, &[block])?.cast(data_type)?;
        out.copy_from_slice(values.bytes());
        Ok(())
    });
    tasks.into_par_iter().try_for_each(read)
}

/// Gives the values of all rows their columns in the result, in order, and drops those that have
/// none. What is left stands at the beginning; gives the length of each row.
fn place<T: bytemuck::Pod + Send>(
    values: &mut [T],
    columns: &mut [i32],
    pointers: &[i64],
    map: &ColumnMap,
) -> Vec<usize> {
    // Only names need a list; others may have more columns than there is memory for one.
    let listed = match map {
        ColumnMap::Names(map) => map.to_joint.len(),
        ColumnMap::Same(_) | ColumnMap::First(_) => 0,
    };
    let position = |column| map.position(column).map_or(-1, |position| position as i32);
    let positions: Vec<i32> = (0..listed).map(position).collect();
    let position = |column: i32| match positions.get(column as usize) {
        Some(&position) => position,
        None => position(column as usize),
    };
    let (mut rest_values, mut rest_columns) = (&mut *values, &mut *columns);
    let mut tasks = Vec::new();
    let mut first = 0;
    while first + 1 < pointers.len() {
        let limit = pointers[first] + TASK_VALUES as i64;
        let last = pointers.partition_point(|&pointer| pointer <= limit) - 1;
        let last = last.clamp(first + 1, pointers.len() - 1);
        let len = (pointers[last] - pointers[first]) as usize;
        let (own_values, others) = rest_values.split_at_mut(len);
        rest_values = others;
        let (own_columns, others) = rest_columns.split_at_mut(len);
        rest_columns = others;
        tasks.push((own_values, own_columns, &pointers[first..=last]));
        first = last;
    }
    let order = map.keeps_order();
    let placed = tasks.into_par_iter().map(|(values, columns, pointers)| {
        let lengths = place_rows(values, columns, pointers, position, order);
        (pointers[0] as usize, lengths)
    });
    let placed: Vec<(usize, Vec<usize>)> = placed.collect();
    let mut end = 0usize;
    let mut lengths = Vec::with_capacity(pointers.len());
    for (start, own) in placed {
        let len: usize = own.iter().sum();
        if start != end {
            values.copy_within(start..start + len, end);
            columns.copy_within(start..start + len, end);
        }
        end += len;
        lengths.extend(own);
    }
    lengths
}

/// The same for some rows, whose values begin at the first of `pointers`.
fn place_rows<T: Copy>(
    values: &mut [T],
    columns: &mut [i32],
    pointers: &[i64],
    position: impl Fn(i32) -> i32,
    keeps_order: bool,
) -> Vec<usize> {
    let base = pointers[0];
    let mut end = 0;
    let mut scratch: Vec<(i32, T)> = Vec::new();
    let rows = pointers.windows(2).map(|ends| {
        let begin = end;
        for at in (ends[0] - base) as usize..(ends[1] - base) as usize {
            let position = position(columns[at]);
            if position >= 0 {
                columns[end] = position;
                values[end] = values[at];
                end += 1;
            }
        }
        let (columns, values) = (&mut columns[begin..end], &mut values[begin..end]);
        if !keeps_order && !columns.is_sorted() {
            scratch.clear();
            scratch.extend(columns.iter().copied().zip(values.iter().copied()));
            scratch.sort_by_key(|&(column, _)| column);
            for ((column, value), &(to_column, to_value)) in
                columns.iter_mut().zip(values).zip(&scratch)
            {
                (*column, *value) = (to_column, to_value);
            }
        }
        end - begin
    });
    rows.collect()
}

/// The values of a dense matrix that are not zero, by rows.
fn by_rows(dense: &NumericArray) -> Result<CsrMatrix> {
    let width = dense.shape().get(1).copied().unwrap_or_default();
    check_columns(width)?;
    let rows = dense.shape().first().copied().unwrap_or_default();
    let mut columns: Vec<i32> = Vec::new();
    let mut indptr = vec![0i64];
    let data = with_element!(dense.data_type(), T => {
        let values: &[T] = bytemuck::cast_slice(dense.bytes());
        let mut data: Vec<T> = Vec::new();
        for row in 0..rows {
            for (column, &value) in values[row * width..(row + 1) * width].iter().enumerate() {
                if num_traits::AsPrimitive::<f64>::as_(value) != 0.0 {
                    data.push(value);
                    columns.push(column as i32);
                }
            }
            indptr.push(data.len() as i64);
        }
        let bytes = bytemuck::cast_slice(&data);
        NumericArray::from_bytes(dense.data_type().clone(), [data.len()], bytes)?
    }, else return Err(Error::unsupported("a matrix holds numbers")));
    CsrMatrix::new(width, data, columns, indptr)
}
