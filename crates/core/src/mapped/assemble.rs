//! Putting rows from several stores into one output, in the order in which they were asked for.

use bytemuck::Pod;
use num_traits::Zero;

use super::join::{ABSENT, VarMap};
use super::rows::RowBlock;
use crate::anndata::CsrMatrix;
use crate::error::{Error, Result};
use crate::store::{DataType, Element, NumericArray, with_element};

/// Rows of one store with the rows of the output that they become.
#[derive(Debug)]
pub(super) struct PlacedBlock<'a> {
    /// The rows, already of the output's type.
    pub(super) block: RowBlock,
    /// Pairs of a row of the block and a row of the output.
    pub(super) placements: &'a [(usize, usize)],
    /// How the block's columns become the output's; `None` if they are the same.
    pub(super) map: Option<&'a VarMap>,
}

/// Writes a block's rows into `out`, whose first axis are the output rows and which is all zeros
/// there.
pub(super) fn scatter(placed: &PlacedBlock<'_>, out: &mut NumericArray) -> Result<()> {
    // Values are only moved, so their size is all that matters.
    match out.data_type().fixed_size()? {
        1 => scatter_words::<u8>(placed, out),
        2 => scatter_words::<u16>(placed, out),
        4 => scatter_words::<u32>(placed, out),
        _ => scatter_words::<u64>(placed, out),
    }
    Ok(())
}

fn scatter_words<T: Pod>(placed: &PlacedBlock<'_>, out: &mut NumericArray) {
    let width: usize = out.shape().iter().skip(1).product();
    let out: &mut [T] = bytemuck::cast_slice_mut(out.bytes_mut());
    let (values, stored) = match &placed.block {
        RowBlock::Dense(values) => (values, values.shape().iter().skip(1).product()),
        RowBlock::Csr { data, .. } => (data, 0),
    };
    let values: &[T] = bytemuck::cast_slice(values.bytes());
    for &(row, output_row) in placed.placements {
        let target = &mut out[output_row * width..(output_row + 1) * width];
        match (&placed.block, placed.map) {
            (RowBlock::Dense(_), None) => {
                target.copy_from_slice(&values[row * stored..(row + 1) * stored]);
            }
            (RowBlock::Dense(_), Some(map)) => {
                let source = &values[row * stored..(row + 1) * stored];
                for (&value, &column) in source.iter().zip(&map.to_joint) {
                    if column != ABSENT {
                        target[column as usize] = value;
                    }
                }
            }
            (
                RowBlock::Csr {
                    columns, starts, ..
                },
                map,
            ) => {
                let stretch = starts[row]..starts[row + 1];
                for (&value, &column) in values[stretch.clone()].iter().zip(&columns[stretch]) {
                    let column = map.map_or(column, |map| map.to_joint[column as usize]);
                    if column != ABSENT {
                        target[column as usize] = value;
                    }
                }
            }
        }
    }
}

/// Joins blocks into one sparse matrix of `n_rows` output rows and `n_columns` columns. Columns
/// are sorted within each row if they were so in the store.
pub(super) fn join_csr(
    blocks: &[PlacedBlock<'_>],
    data_type: &DataType,
    n_rows: usize,
    n_columns: usize,
) -> Result<CsrMatrix> {
    if i32::try_from(n_columns).is_err() {
        return Err(Error::unsupported(
            "sparse batches of more than 2^31 - 1 columns",
        ));
    }
    if *data_type == DataType::Bool {
        return join_csr_bool(blocks, n_rows, n_columns);
    }
    with_element!(data_type, T => join_csr_of::<T>(blocks, n_rows, n_columns), else {
        Err(Error::unsupported(format!("sparse batches of {data_type}")))
    })
}

fn join_csr_bool(blocks: &[PlacedBlock<'_>], n_rows: usize, n_columns: usize) -> Result<CsrMatrix> {
    let csr = join_csr_of::<u8>(blocks, n_rows, n_columns)?;
    let data = NumericArray::from_bytes(DataType::Bool, [csr.data().len()], csr.data().bytes())?;
    Ok(csr.with_data(data))
}

fn join_csr_of<T: Element + Zero + PartialEq>(
    blocks: &[PlacedBlock<'_>],
    n_rows: usize,
    n_columns: usize,
) -> Result<CsrMatrix> {
    let mut origin = vec![(0, 0); n_rows];
    for (index, placed) in blocks.iter().enumerate() {
        for &(row, output_row) in placed.placements {
            origin[output_row] = (index, row);
        }
    }
    let mut data: Vec<T> = Vec::new();
    let mut indices: Vec<i32> = Vec::new();
    let mut indptr = Vec::with_capacity(n_rows + 1);
    indptr.push(0);
    let mut entries: Vec<(u32, T)> = Vec::new();
    for (index, row) in origin {
        entries.clear();
        match &blocks[index].block {
            RowBlock::Dense(values) => {
                let width: usize = values.shape().iter().skip(1).product();
                let values: &[T] = bytemuck::cast_slice(values.bytes());
                let row = &values[row * width..(row + 1) * width];
                let nonzero = row.iter().enumerate().filter(|(_, value)| !value.is_zero());
                entries.extend(nonzero.map(|(column, &value)| (column as u32, value)));
            }
            RowBlock::Csr {
                data,
                columns,
                starts,
            } => {
                let values: &[T] = bytemuck::cast_slice(data.bytes());
                let stretch = starts[row]..starts[row + 1];
                let columns = columns[stretch.clone()].iter().copied();
                entries.extend(columns.zip(values[stretch].iter().copied()));
            }
        }
        if let Some(map) = blocks[index].map {
            entries
                .iter_mut()
                .for_each(|(column, _)| *column = map.to_joint[*column as usize]);
            entries.retain(|(column, _)| *column != ABSENT);
            entries.sort_by_key(|(column, _)| *column);
        }
        data.extend(entries.iter().map(|(_, value)| *value));
        indices.extend(entries.iter().map(|(column, _)| *column as i32));
        indptr.push(data.len() as i64);
    }
    CsrMatrix::new(
        n_columns,
        NumericArray::from_values([data.len()], &data)?,
        indices,
        indptr,
    )
}
