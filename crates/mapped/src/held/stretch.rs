//! Neighbouring columns or values of one packed block, whatever they were packed as.

use std::ops::Range;

use crate::columns::{Columns, PackedColumns, Runs};
use crate::pack::{Packed, Small};
use anndex_store::NumericArray;

/// Columns that were packed in any way.
pub(super) enum ColumnStretch<'a> {
    U8(&'a Runs, Range<usize>),
    U16(&'a [u16]),
    U32(&'a [u32]),
}

impl<'a> ColumnStretch<'a> {
    pub(super) fn new(block: &'a Columns, range: Range<usize>) -> Self {
        match block.packed() {
            PackedColumns::U8(runs) => Self::U8(runs, range),
            PackedColumns::U16(columns) => Self::U16(&columns[range]),
            PackedColumns::U32(columns) => Self::U32(&columns[range]),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::U8(_, range) => range.len(),
            Self::U16(columns) => columns.len(),
            Self::U32(columns) => columns.len(),
        }
    }

    /// Those at positions in `range`.
    pub(super) fn part(&self, range: Range<usize>) -> Self {
        match self {
            Self::U8(runs, all) => Self::U8(runs, all.start + range.start..all.start + range.end),
            Self::U16(columns) => Self::U16(&columns[range]),
            Self::U32(columns) => Self::U32(&columns[range]),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        let runs = match self {
            Self::U8(runs, range) => Some(runs.within(range.clone())),
            _ => None,
        };
        let lowest = runs.into_iter().flatten().flat_map(|(base, lowest)| {
            let column = move |&low| base + u32::from(low);
            lowest.iter().map(column)
        });
        let (narrow, wide): (&[u16], &[u32]) = match self {
            Self::U8(..) => (&[], &[]),
            Self::U16(columns) => (columns, &[]),
            Self::U32(columns) => (&[], columns),
        };
        let narrow = narrow.iter().map(|&column| u32::from(column));
        lowest.chain(narrow).chain(wide.iter().copied())
    }

    pub(super) fn widen(&self, out: &mut [i32]) {
        match self {
            Self::U8(runs, range) => runs.widen(range.clone(), out),
            Self::U16(columns) => copy(columns, out, |column| column.into()),
            Self::U32(columns) => copy(columns, out, |column| column as i32),
        }
    }
}

/// Values that were packed in any way.
pub(super) enum ValueStretch<'a> {
    U8(&'a [u8], LargerValues<'a>),
    U16(&'a [u16]),
    Wide(&'a NumericArray, Range<usize>),
}

impl<'a> ValueStretch<'a> {
    pub(super) fn new(block: &'a Packed, range: Range<usize>) -> Self {
        match block {
            Packed::U8(values) => {
                let larger = LargerValues {
                    values: values.larger_in(&range),
                    start: range.start,
                };
                Self::U8(&values.lowest[range], larger)
            }
            Packed::U16(values) => Self::U16(&values[range]),
            Packed::Wide(values) => Self::Wide(values, range),
        }
    }

    pub(super) fn widen<T: Small>(&self, out: &mut [T]) {
        match self {
            Self::U8(values, larger) => {
                copy(values, out, |value| T::of_small(value.into()));
                for (position, value) in larger.iter() {
                    out[position] = T::of_small(value);
                }
            }
            Self::U16(values) => copy(values, out, T::of_small),
            Self::Wide(values, range) => out.copy_from_slice(&wide(values)[range.clone()]),
        }
    }

    pub(super) fn for_each<T: Small>(&self, mut visit: impl FnMut(T)) {
        match self {
            Self::U8(values, larger) => {
                let mut done = 0;
                let ends = larger.iter().chain([(values.len(), 0)]);
                for (position, value) in ends {
                    let bytes = values[done..position].iter();
                    bytes.for_each(|&value| visit(T::of_small(value.into())));
                    if position < values.len() {
                        visit(T::of_small(value));
                    }
                    done = position + 1;
                }
            }
            Self::U16(values) => values
                .iter()
                .map(|&value| T::of_small(value))
                .for_each(visit),
            Self::Wide(values, range) => {
                wide(values)[range.clone()].iter().copied().for_each(visit);
            }
        }
    }
}

/// Those of a stretch of bytes that are larger.
pub(super) struct LargerValues<'a> {
    values: &'a [(u32, u16)],
    /// The position of the stretch.
    start: usize,
}

impl LargerValues<'_> {
    /// The position in the stretch and the value of each, in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, u16)> {
        let stretch = |&(position, value)| (position as usize - self.start, value);
        self.values.iter().map(stretch)
    }
}

pub(super) fn wide<T: Small>(values: &NumericArray) -> &[T] {
    bytemuck::cast_slice(values.bytes())
}

fn copy<A: Copy, B>(from: &[A], to: &mut [B], convert: impl Fn(A) -> B) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = convert(from);
    }
}
