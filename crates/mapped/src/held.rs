//! Rows of a matrix in memory, as they were packed piece by piece, and writing them out.

mod scatter;
mod stretch;
mod summed;

use std::ops::Range;
use std::sync::Arc;

use super::columns::Columns;
use super::pack::{Packed, Small, Sum};
use anndex_anndata::VarMap;
use stretch::{ColumnStretch, ValueStretch};
pub(super) use summed::summed_rows;

/// One long sequence of elements that is held in pieces.
#[derive(Debug)]
pub(super) struct Pieces<B> {
    /// Where each piece ends in the whole sequence.
    ends: Vec<usize>,
    pieces: Vec<Piece<B>>,
}

#[derive(Debug)]
struct Piece<B> {
    block: Arc<B>,
    /// The first element of the block that belongs to the sequence.
    start: usize,
}

impl<B> Pieces<B> {
    pub(super) fn new() -> Self {
        Self {
            ends: Vec::new(),
            pieces: Vec::new(),
        }
    }

    /// Adds `length` elements of a block from `start` on.
    pub(super) fn push(&mut self, block: Arc<B>, start: usize, length: usize) {
        let end = self.ends.last().copied().unwrap_or_default() + length;
        self.ends.push(end);
        self.pieces.push(Piece { block, start });
    }

    pub(super) fn blocks(&self) -> impl Iterator<Item = &B> {
        self.pieces.iter().map(|piece| &*piece.block)
    }

    /// The stretches of blocks that hold `range`, in order.
    fn stretches(&self, range: Range<usize>) -> impl Iterator<Item = (&B, Range<usize>)> {
        let mut number = self.ends.partition_point(|&end| end <= range.start);
        let mut next = range.start;
        std::iter::from_fn(move || {
            if next >= range.end {
                return None;
            }
            let piece = self.pieces.get(number)?;
            let first = number.checked_sub(1).map_or(0, |before| self.ends[before]);
            let end = self.ends[number].min(range.end);
            let start = piece.start + next - first;
            let stretch = start..start + end - next;
            next = end;
            number += 1;
            Some((&*piece.block, stretch))
        })
    }
}

/// Rows of one matrix of one store, one after the other, of one type.
#[derive(Debug)]
pub(super) enum HeldRows {
    /// Every value of rows of `width` elements.
    Dense {
        width: usize,
        values: Pieces<Packed>,
    },
    /// Stored values with their columns; row `i` is at `starts[i]..starts[i + 1]`.
    Csr {
        starts: Vec<usize>,
        values: Pieces<Packed>,
        columns: Pieces<Columns>,
        /// The rows that may have a column twice, as [`summed_rows`] gives them.
        summed: Vec<u32>,
    },
}

impl HeldRows {
    /// The number of bytes held.
    pub(super) fn bytes(&self) -> usize {
        let packed = |values: &Pieces<Packed>| values.blocks().map(Packed::bytes).sum::<usize>();
        match self {
            Self::Dense { values, .. } => packed(values),
            Self::Csr {
                starts,
                values,
                columns,
                summed,
            } => {
                let columns: usize = columns.blocks().map(Columns::bytes).sum();
                let rows = size_of_val(starts.as_slice()) + size_of_val(summed.as_slice());
                packed(values) + columns + rows
            }
        }
    }

    /// Whether a dense output gets every value of its row from [`HeldRows::write_dense`].
    pub(super) fn writes_all(&self, map: Option<&VarMap>) -> bool {
        matches!(self, Self::Dense { .. }) && map.is_none()
    }

    /// Writes the values of a row into `out`, which is all zeros, to the columns that `map` gives;
    /// without one they are the stored ones. Values of one column are added by `sum`, in the order
    /// in which they are stored.
    pub(super) fn write_dense<T: Small>(
        &self,
        row: usize,
        map: Option<&VarMap>,
        sum: Sum<T>,
        out: &mut [T],
    ) {
        match self {
            Self::Dense { width, values } => {
                let mut column = 0;
                for (block, stretch) in values.stretches(row * width..(row + 1) * width) {
                    let length = stretch.len();
                    write_values(block, stretch, map, column, out);
                    column += length;
                }
            }
            Self::Csr { summed, .. } if summed.binary_search(&(row as u32)).is_ok() => {
                self.for_each_entry(row, map, |column, value| {
                    if let Some(place) = out.get_mut(column as usize) {
                        *place = sum(*place, value);
                    }
                });
            }
            Self::Csr { .. } => {
                self.for_each_stretch(row, |columns, values| {
                    scatter::scatter(&columns, values, map, out);
                });
            }
        }
    }

    /// The number of values of a row that a sparse output keeps.
    pub(super) fn count_sparse<T: Small>(&self, row: usize, map: Option<&VarMap>) -> usize {
        match self {
            Self::Csr { starts, .. } if map.is_none_or(VarMap::keeps_all) => {
                starts[row + 1] - starts[row]
            }
            _ => {
                let mut count = 0;
                self.for_each_entry::<T>(row, map, |_, _| count += 1);
                count
            }
        }
    }

    /// Writes a row's columns and values, of which there are [`HeldRows::count_sparse`]. Columns
    /// are sorted if they are so in the store.
    pub(super) fn write_sparse<T: Small>(
        &self,
        row: usize,
        map: Option<&VarMap>,
        columns_out: &mut [i32],
        values_out: &mut [T],
    ) {
        if let (Self::Csr { .. }, None) = (self, map) {
            let mut at = 0;
            self.for_each_stretch(row, |columns, values| {
                let end = at + columns.len();
                columns.widen(&mut columns_out[at..end]);
                values.widen(&mut values_out[at..end]);
                at = end;
            });
            return;
        }
        let mut at = 0;
        self.for_each_entry::<T>(row, map, |column, value| {
            columns_out[at] = column as i32;
            values_out[at] = value;
            at += 1;
        });
        if map.is_some_and(|map| !map.keeps_order()) {
            sort_by_column(columns_out, values_out);
        }
    }

    fn for_each_entry<T: Small>(
        &self,
        row: usize,
        map: Option<&VarMap>,
        mut visit: impl FnMut(u32, T),
    ) {
        let mut visit = |column: u32, value: T| match map {
            None => visit(column, value),
            Some(map) => {
                if let Some(column) = map.joint(column) {
                    visit(column, value);
                }
            }
        };
        match self {
            Self::Dense { width, values } => {
                let mut column = 0;
                for (block, stretch) in values.stretches(row * width..(row + 1) * width) {
                    ValueStretch::new(block, stretch).for_each(|value: T| {
                        if value != T::zeroed() {
                            visit(column, value);
                        }
                        column += 1;
                    });
                }
            }
            Self::Csr { .. } => self.for_each_stretch(row, |columns, values| {
                let mut columns = columns.iter();
                values.for_each(|value| {
                    if let Some(column) = columns.next() {
                        visit(column, value);
                    }
                });
            }),
        }
    }

    /// Columns and values of a sparse row are packed apart, so their pieces differ.
    fn for_each_stretch(
        &self,
        row: usize,
        mut visit: impl FnMut(ColumnStretch<'_>, ValueStretch<'_>),
    ) {
        let Self::Csr {
            starts,
            values,
            columns,
            ..
        } = self
        else {
            return;
        };
        let range = starts[row]..starts[row + 1];
        let mut values = values.stretches(range.clone());
        let mut value: Option<(&Packed, Range<usize>)> = None;
        for (block, mut stretch) in columns.stretches(range) {
            while !stretch.is_empty() {
                let Some((packed, left)) = value.take().or_else(|| values.next()) else {
                    return;
                };
                let length = left.len().min(stretch.len());
                let middle = left.start + length;
                visit(
                    ColumnStretch::new(block, stretch.start..stretch.start + length),
                    ValueStretch::new(packed, left.start..middle),
                );
                stretch.start += length;
                if middle < left.end {
                    value = Some((packed, middle..left.end));
                }
            }
        }
    }
}

/// Writes values of neighbouring columns from `column` on.
fn write_values<T: Small>(
    block: &Packed,
    range: Range<usize>,
    map: Option<&VarMap>,
    column: usize,
    out: &mut [T],
) {
    let length = range.len();
    let stretch = ValueStretch::new(block, range);
    match map {
        None => stretch.widen(&mut out[column..column + length]),
        Some(map) => {
            let mut columns = map.to_joint[column..column + length].iter();
            stretch.for_each(|value| {
                let joint = columns
                    .next()
                    .and_then(|&joint| out.get_mut(joint as usize));
                if let Some(place) = joint {
                    *place = value;
                }
            });
        }
    }
}

pub(super) fn sort_by_column<T: Copy>(columns: &mut [i32], values: &mut [T]) {
    if columns.is_sorted() {
        return;
    }
    let mut entries: Vec<(i32, T)> = columns
        .iter()
        .copied()
        .zip(values.iter().copied())
        .collect();
    entries.sort_by_key(|(column, _)| *column);
    for ((column, value), entry) in columns.iter_mut().zip(values).zip(entries) {
        (*column, *value) = entry;
    }
}
