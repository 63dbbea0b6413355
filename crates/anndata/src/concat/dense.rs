//! Dense matrices one below the other, read straight into the result.

use rayon::prelude::*;

use super::matrices::{ColumnMap, Part};
use crate::Matrix;
use anndex_store::error::{Error, Result};
use anndex_store::operation::carried;
use anndex_store::{Array, DataType, NumericArray, Span, check_plausible, read_into, row_blocks};

/// The rows of all parts, which have `tail` as their axes after the second one.
pub(super) fn concat(
    parts: &[Part<'_>],
    tail: &[usize],
    data_type: DataType,
) -> Result<NumericArray> {
    let width = parts.first().map_or(0, |part| part.map.width());
    let rows = parts.iter().map(|part| part.rows).sum();
    let shape = [&[rows, width], tail].concat();
    for part in parts {
        if let Some(Matrix::Dense(matrix)) = part.matrix {
            check_plausible(matrix.array().info()).map_err(|error| part.locate(error))?;
        }
    }
    let mut out = NumericArray::zeros(data_type.clone(), shape)?;
    let row_bytes = out.bytes().len() / rows.max(1);
    let mut rest = out.bytes_mut();
    for part in parts {
        let (own, others) = rest.split_at_mut(part.rows * row_bytes);
        rest = others;
        match part.matrix {
            Some(Matrix::Dense(matrix)) => {
                read_part(&**matrix.array(), &part.map, &data_type, own)
                    .map_err(|error| part.locate(error))?;
            }
            _ => fill_missing(own),
        }
    }
    Ok(out)
}

/// Fills rows of float64, which is what rows with missing values are of.
fn fill_missing(rows: &mut [u8]) {
    let values: &mut [f64] = bytemuck::cast_slice_mut(rows);
    values.fill(f64::NAN);
}

fn read_part(
    array: &dyn Array,
    map: &ColumnMap,
    data_type: &DataType,
    out: &mut [u8],
) -> Result<()> {
    let info = array.info();
    let rows = Span::new(0, info.rows());
    let columns = info.shape.get(1).map_or(0, |&columns| columns as usize);
    let identity = map.is_identity(columns);
    if identity && info.data_type == *data_type {
        return read_into(array, rows, out);
    }
    let pairs = (0..columns).filter_map(|column| Some((column, map.position(column)?)));
    let pairs: Vec<(usize, usize)> = pairs.collect();
    let tail = info.shape.iter().skip(2).product::<u64>() as usize;
    let element = data_type.fixed_size()? * tail;
    let row_bytes = map.width() * element;
    let mut rest = out;
    let mut tasks = Vec::new();
    for block in row_blocks(info, rows)? {
        let bytes = block.len() as usize * row_bytes;
        let (head, others) = rest.split_at_mut_checked(bytes).ok_or_else(|| {
            Error::invalid_input("the matrix has more rows than there are observations")
        })?;
        tasks.push((block, head));
        rest = others;
    }
    let read = carried(|(block, out): (Span, &mut [u8])| {
        let values = NumericArray::read(array, &[block])?.cast(data_type)?;
        if identity {
            out.copy_from_slice(values.bytes());
            return Ok(());
        }
        if pairs.len() < map.width() {
            fill_missing(out);
        }
        let from = values.bytes();
        match element {
            1 => scatter::<u8>(from, columns, out, map.width(), &pairs),
            2 => scatter::<u16>(from, columns, out, map.width(), &pairs),
            4 => scatter::<u32>(from, columns, out, map.width(), &pairs),
            8 => scatter::<u64>(from, columns, out, map.width(), &pairs),
            _ => scatter_long(from, columns, out, map.width(), &pairs, element),
        }
        Ok(())
    });
    tasks.into_par_iter().try_for_each(read)
}

/// Puts the elements of each row in their places.
fn scatter<T: bytemuck::Pod>(
    from: &[u8],
    from_width: usize,
    out: &mut [u8],
    width: usize,
    pairs: &[(usize, usize)],
) {
    let from: &[T] = bytemuck::cast_slice(from);
    let out: &mut [T] = bytemuck::cast_slice_mut(out);
    let rows = from.chunks_exact(from_width.max(1));
    for (from, out) in rows.zip(out.chunks_exact_mut(width.max(1))) {
        for &(column, position) in pairs {
            out[position] = from[column];
        }
    }
}

/// The same for elements that are arrays of this many bytes.
fn scatter_long(
    from: &[u8],
    from_width: usize,
    out: &mut [u8],
    width: usize,
    pairs: &[(usize, usize)],
    element: usize,
) {
    let rows = from.chunks_exact((from_width * element).max(1));
    for (from, out) in rows.zip(out.chunks_exact_mut((width * element).max(1))) {
        for &(column, position) in pairs {
            out[position * element..][..element]
                .copy_from_slice(&from[column * element..][..element]);
        }
    }
}
