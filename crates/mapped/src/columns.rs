//! Column indices of sparse rows, in little more than a byte each.
//!
//! Columns of a row are sorted, so neighbours have the same high byte for a while: of 2,000 among
//! 20,000 about 25. One byte is held for each column and two for each such run. Any order is kept;
//! one that has too many runs is held in two bytes each, and so is what becomes sparse batches, to
//! which runs are copied more slowly.

mod falls;

use std::ops::Range;

use num_traits::AsPrimitive;

use anndex_store::error::{Error, Result};
use anndex_store::{DataType, Element, with_element};
use falls::Falls;

/// Elements checked at once, so that all loops over them are vectorised and find them in the cache.
const SEGMENT: usize = 1024;
/// No run goes on past a multiple of so many columns, from which a run can therefore be found.
const STRETCH: usize = 256;
/// Runs are worth it if there are no more than one for so many columns.
const SHORTEST_RUN: usize = 4;
/// Columns that are written out together: about as many as a run has.
const BLOCK: usize = 32;

/// Column indices, all of them in range, and where they do not rise.
#[derive(Debug)]
pub(super) struct Columns {
    packed: PackedColumns,
    falls: Falls,
}

/// Column indices in the smallest type.
#[derive(Debug)]
pub(super) enum PackedColumns {
    /// Of a matrix of at most 65,536 columns, in runs.
    U8(Runs),
    /// The same where runs would be too short, or slower.
    U16(Vec<u16>),
    /// Of a larger one.
    U32(Vec<u32>),
}

/// How columns are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnPacking {
    /// In as few bytes as may be.
    Small,
    /// So that they are copied to sparse rows as fast as may be.
    Fast,
}

/// Columns as their lowest bytes, and runs of equal high bytes.
#[derive(Debug)]
pub(super) struct Runs {
    lowest: Vec<u8>,
    runs: Vec<Run>,
    /// The first run of each stretch.
    first: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    /// One less than its number of columns, which is at most 256.
    last: u8,
    high: u8,
}

impl Columns {
    /// Takes native little-endian indices of `data_type` into `n_columns` columns. A damaged one
    /// would put a value into another gene, so all are checked.
    ///
    /// # Errors
    /// `Corrupt` if an index is out of range or no integer.
    pub(super) fn new(
        data_type: &DataType,
        bytes: &[u8],
        n_columns: usize,
        packing: ColumnPacking,
    ) -> Result<Self> {
        let narrow = |columns: Vec<u16>| {
            let falls = Falls::new(&columns);
            let runs = (packing == ColumnPacking::Small).then(|| Runs::new(&columns));
            let packed = runs.flatten();
            let packed = packed.map_or(PackedColumns::U16(columns), PackedColumns::U8);
            Self { packed, falls }
        };
        let wide = |columns: Vec<u32>| Self {
            falls: Falls::new(&columns),
            packed: PackedColumns::U32(columns),
        };
        if data_type.is_float() || *data_type == DataType::Bool {
            return Err(not_integers());
        }
        with_element!(data_type, T => {
            let indices: &[T] = bytemuck::cast_slice(bytes);
            // Negative numbers become very large ones, past any number of columns.
            let columns = match (u32::try_from(n_columns), size_of::<T>()) {
                (Ok(n), ..=4) if n <= 1 << 16 => {
                    checked(indices, n, AsPrimitive::<u32>::as_, |i| i as u16).map(narrow)
                }
                (Ok(n), ..=4) if n <= 1 << 31 => {
                    checked(indices, n, AsPrimitive::<u32>::as_, |i| i).map(wide)
                }
                (Ok(n), _) if n <= 1 << 16 => {
                    checked(indices, n.into(), wide_index, |i| i as u16).map(narrow)
                }
                _ => checked(indices, n_columns as u64, wide_index, |i| i as u32).map(wide),
            };
            columns.ok_or_else(|| out_of_range(indices, n_columns))
        }, else Err(not_integers()))
    }

    /// The number of bytes held.
    pub(super) fn bytes(&self) -> usize {
        let packed = match &self.packed {
            PackedColumns::U8(runs) => {
                runs.lowest.len()
                    + size_of_val(runs.runs.as_slice())
                    + size_of_val(runs.first.as_slice())
            }
            PackedColumns::U16(columns) => size_of_val(columns.as_slice()),
            PackedColumns::U32(columns) => size_of_val(columns.as_slice()),
        };
        packed + self.falls.bytes()
    }

    pub(super) fn packed(&self) -> &PackedColumns {
        &self.packed
    }

    /// The positions in `range` whose columns are not larger than the one before; `None` if there
    /// are too many for a list of them.
    pub(super) fn falls(&self, range: Range<usize>) -> Option<&[u32]> {
        self.falls.within(range)
    }
}

impl Runs {
    /// `None` if runs are too short.
    fn new(columns: &[u16]) -> Option<Self> {
        let mut runs = Vec::with_capacity(columns.len() / SHORTEST_RUN);
        let mut first = Vec::with_capacity(columns.len() / STRETCH + 1);
        for stretch in columns.chunks(STRETCH) {
            first.push(u32::try_from(runs.len()).ok()?);
            let same_high = |a: &u16, b: &u16| a >> 8 == b >> 8;
            runs.extend(stretch.chunk_by(same_high).map(|run| Run {
                last: (run.len() - 1) as u8,
                high: (run[0] >> 8) as u8,
            }));
            if runs.len() > columns.len() / SHORTEST_RUN + 1 {
                return None;
            }
        }
        runs.shrink_to_fit();
        Some(Self {
            lowest: columns.iter().map(|&column| column as u8).collect(),
            runs,
            first,
        })
    }

    /// The parts of runs that are at positions in `range`: the column that the lowest byte is
    /// added to, and those bytes.
    pub(super) fn within(&self, range: Range<usize>) -> impl Iterator<Item = (u32, &[u8])> {
        let parts = self.parts(range);
        parts.map(|(base, positions)| (base, &self.lowest[positions]))
    }

    /// Writes the columns at positions in `range` to `out`, which is as long.
    pub(super) fn widen(&self, range: Range<usize>, out: &mut [i32]) {
        let lowest = &self.lowest[range.clone()];
        for (base, positions) in self.parts(range.clone()) {
            let end = positions.end - range.start;
            let mut at = positions.start - range.start;
            while at < end {
                // Whole blocks need no loop over a rest. What is written past the end of the run is
                // written again by the next ones.
                let from = lowest[at..].first_chunk::<BLOCK>();
                match (from, out[at..].first_chunk_mut::<BLOCK>()) {
                    (Some(from), Some(to)) => add(base, from, to),
                    _ => add(base, &lowest[at..end], &mut out[at..end]),
                }
                at += BLOCK;
            }
        }
    }

    /// The same as [`Runs::within`], as positions.
    fn parts(&self, range: Range<usize>) -> impl Iterator<Item = (u32, Range<usize>)> {
        let stretch = range.start / STRETCH;
        let first = self.first.get(stretch).map_or(0, |&run| run as usize);
        let mut runs = self.runs[first..].iter();
        let mut next = stretch * STRETCH;
        std::iter::from_fn(move || {
            while next < range.end {
                let run = runs.next()?;
                let start = next.max(range.start);
                next += usize::from(run.last) + 1;
                if next > range.start {
                    return Some((u32::from(run.high) << 8, start..next.min(range.end)));
                }
            }
            None
        })
    }
}

fn add(base: u32, lowest: &[u8], out: &mut [i32]) {
    for (out, &low) in out.iter_mut().zip(lowest) {
        *out = base as i32 + i32::from(low);
    }
}

/// All indices, `None` if one is out of range.
fn checked<T: Element, W: Copy + PartialOrd, N: Copy>(
    indices: &[T],
    n_columns: W,
    widen: impl Fn(T) -> W,
    cut: impl Fn(W) -> N,
) -> Option<Vec<N>> {
    let mut columns = Vec::with_capacity(indices.len());
    for segment in indices.chunks(SEGMENT) {
        // Twice over what is in the cache, so that both loops are vectorised.
        let in_range = |all, &index| all & (widen(index) < n_columns);
        if !segment.iter().fold(true, in_range) {
            return None;
        }
        columns.extend(segment.iter().map(|&index| cut(widen(index))));
    }
    Some(columns)
}

fn wide_index<T: AsPrimitive<u64>>(index: T) -> u64 {
    index.as_()
}

fn out_of_range<T: Element + AsPrimitive<u64> + std::fmt::Display>(
    indices: &[T],
    n_columns: usize,
) -> Error {
    let wrong = indices
        .iter()
        .find(|&&index| wide_index(index) >= n_columns as u64);
    let wrong = wrong.map(ToString::to_string).unwrap_or_default();
    Error::corrupt(format!(
        "the column index {wrong} is out of range: there are {n_columns} columns"
    ))
}

fn not_integers() -> Error {
    Error::corrupt("column indices must be integers")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn columns(values: &[i32], n_columns: usize) -> Result<Columns> {
        let bytes = bytemuck::cast_slice(values);
        Columns::new(&DataType::Int32, bytes, n_columns, ColumnPacking::Small)
    }

    #[test]
    fn columns_are_checked() {
        let sorted = columns(&[0, 1, 2, 4], 5).unwrap();
        assert!(
            matches!(sorted.packed, PackedColumns::U8(_)) && sorted.bytes() < 4 * size_of::<u32>()
        );
        let apart: Vec<i32> = (0..40).map(|i| i * 1000).collect();
        let packed = |values: &[i32], n_columns| columns(values, n_columns).unwrap().packed;
        assert!(matches!(packed(&apart, 65_536), PackedColumns::U16(v) if v.len() == 40));
        assert!(matches!(packed(&[70_000], 70_001), PackedColumns::U32(v) if v == [70_000]));
        for wrong in [-1, 5, i32::MIN] {
            let error = columns(&[0, wrong], 5).unwrap_err();
            assert!(error.to_string().contains(&wrong.to_string()), "{error}");
        }
        assert!(Columns::new(&DataType::Float32, &[0; 4], 5, ColumnPacking::Fast).is_err());
    }

    proptest! {
        #[test]
        fn any_part_of_runs_is_what_was_held(
            gaps in prop::collection::vec(prop_oneof![9 => 0i32..30, 1 => 0i32..3000], 1..3000),
            start in 0usize..3000,
            length in 0usize..3000,
        ) {
            let mut last = 0;
            let values: Vec<i32> = gaps.iter().map(|gap| {
                last = (last + gap) % 65_536;
                last
            }).collect();
            let start = start.min(values.len());
            let end = (start + length).min(values.len());
            if let PackedColumns::U8(runs) = columns(&values, 65_536).unwrap().packed {
                let parts = runs.within(start..end);
                let found: Vec<i32> = parts
                    .flat_map(|(base, low)| low.iter().map(move |&low| base + u32::from(low)))
                    .map(|column| column as i32)
                    .collect();
                prop_assert_eq!(&found, &values[start..end]);
                let mut widened = vec![-1; end - start];
                runs.widen(start..end, &mut widened);
                prop_assert_eq!(widened, found);
            }
        }
    }
}
