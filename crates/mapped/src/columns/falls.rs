//! Where columns of sparse rows do not rise.
//!
//! In nearly all files they rise within every row, so that each gene is there once and its value is
//! put in its place. Where they do not, a gene may be listed twice, and its values are added. To
//! look for that in each row that is written would cost what writing it does, so it is noted once,
//! when columns are packed. Mostly it is where rows begin.

use std::ops::Range;

/// Columns among which a fall is looked for at once.
const SEGMENT: usize = 64;
/// Falls are listed if there are no more than one for so many columns.
const SHORTEST_RISE: usize = 8;

/// Positions of columns that are not larger than the one before.
#[derive(Debug)]
pub(super) enum Falls {
    /// These, sorted.
    At(Vec<u32>),
    /// So many that they are not worth a list.
    Many,
}

impl Falls {
    pub(super) fn new<C: PartialOrd>(columns: &[C]) -> Self {
        let most = columns.len() / SHORTEST_RISE + 1;
        let mut falls = Vec::new();
        let mut start = 0;
        while start + 1 < columns.len() {
            // The last column of a segment is the first of the next.
            let end = (start + SEGMENT + 1).min(columns.len());
            let segment = &columns[start..end];
            let rises = |all, pair: &[C]| all & (pair[0] < pair[1]);
            if !segment.windows(2).fold(true, rises) {
                for (offset, pair) in segment.windows(2).enumerate() {
                    if pair[0] < pair[1] {
                        continue;
                    }
                    let Ok(position) = u32::try_from(start + offset + 1) else {
                        return Self::Many;
                    };
                    falls.push(position);
                }
                if falls.len() > most {
                    return Self::Many;
                }
            }
            start += SEGMENT;
        }
        Self::At(falls)
    }

    /// The number of bytes held.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::At(falls) => size_of_val(falls.as_slice()),
            Self::Many => 0,
        }
    }

    /// Those at positions in `range`; `None` if they are not listed.
    pub(super) fn within(&self, range: Range<usize>) -> Option<&[u32]> {
        let Self::At(falls) = self else { return None };
        let before = |end: usize| falls.partition_point(|&position| (position as usize) < end);
        Some(&falls[before(range.start)..before(range.end).max(before(range.start))])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn falls_are_where_columns_do_not_rise(
            steps in prop::collection::vec(prop_oneof![40 => 1i32..9, 1 => -200i32..1], 0..500),
            start in 0usize..500,
            length in 0usize..500,
        ) {
            let mut last = 1000;
            let columns: Vec<u32> = steps.iter().map(|step| {
                last += step;
                last as u32
            }).collect();
            let range = start.min(columns.len())..(start + length).min(columns.len());
            let expected: Vec<u32> = (1..columns.len())
                .filter(|&at| columns[at] <= columns[at - 1])
                .filter(|at| range.contains(at))
                .map(|at| at as u32)
                .collect();
            match Falls::new(&columns).within(range) {
                Some(falls) => prop_assert_eq!(falls, expected),
                None => prop_assert!(steps.iter().filter(|&&step| step < 1).count() > columns.len() / 8),
            }
        }
    }
}
