//! Which sparse rows are summed: those whose columns do not rise, so that one may be there twice.

use super::Pieces;
use super::stretch::ColumnStretch;
use crate::columns::Columns;

/// The rows whose columns do not rise, sorted. Row `i` is at `starts[i]..starts[i + 1]`.
pub(crate) fn summed_rows(starts: &[usize], columns: &Pieces<Columns>) -> Vec<u32> {
    let mut rows = Rows {
        starts,
        row: 0,
        found: Vec::new(),
    };
    let end = starts.last().copied().unwrap_or_default();
    let mut first = 0;
    let mut last = None;
    for (block, stretch) in columns.stretches(0..end) {
        let length = stretch.len();
        if length == 0 {
            continue;
        }
        let own = ColumnStretch::new(block, stretch.clone());
        // Of two neighbours in different blocks, neither knows.
        if last >= own.part(0..1).iter().next() {
            rows.add(first);
        }
        match block.falls(stretch.start + 1..stretch.end) {
            Some(falls) => {
                let positions = falls.iter().map(|&fall| fall as usize - stretch.start);
                positions.for_each(|position| rows.add(first + position));
            }
            None => {
                let mut before = None;
                for (position, column) in own.iter().enumerate() {
                    if before >= Some(column) {
                        rows.add(first + position);
                    }
                    before = Some(column);
                }
            }
        }
        last = own.part(length - 1..length).iter().next();
        first += length;
    }
    rows.found
}

struct Rows<'a> {
    starts: &'a [usize],
    /// The row of the last position that was looked at.
    row: usize,
    found: Vec<u32>,
}

impl Rows<'_> {
    /// Takes up the row of a position, which is after all before, unless the row begins there.
    fn add(&mut self, position: usize) {
        while self.starts[self.row + 1] <= position {
            self.row += 1;
        }
        let row = self.row as u32;
        if self.starts[self.row] < position && self.found.last() != Some(&row) {
            self.found.push(row);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::columns::ColumnPacking;
    use anndex_store::DataType;

    proptest! {
        #[test]
        fn rows_are_summed_if_their_columns_do_not_rise(
            rows in prop::collection::vec(prop::collection::vec(0i32..70_000, 0..12), 1..30),
            sorted in prop::collection::vec(prop::bool::weighted(0.8), 30),
            cuts in prop::collection::vec(0usize..300, 0..6),
            wide in any::<bool>(),
            fast in any::<bool>(),
        ) {
            let most = if wide { 70_000 } else { 200 };
            let packing = if fast { ColumnPacking::Fast } else { ColumnPacking::Small };
            let rows: Vec<Vec<i32>> = rows.into_iter().zip(sorted).map(|(row, sorted)| {
                let mut row: Vec<i32> = row.into_iter().map(|column| column % most).collect();
                if sorted {
                    row.sort_unstable();
                    row.dedup();
                }
                row
            }).collect();
            let starts: Vec<usize> = std::iter::once(0).chain(rows.iter().scan(0, |end, row| {
                *end += row.len();
                Some(*end)
            })).collect();
            let all = rows.concat();
            let mut ends: Vec<usize> = cuts.into_iter().map(|cut| cut.min(all.len())).collect();
            ends.push(all.len());
            ends.sort_unstable();
            let mut columns = Pieces::new();
            let mut start = 0;
            for end in ends {
                let bytes = bytemuck::cast_slice(&all[start..end]);
                let block = Columns::new(&DataType::Int32, bytes, most as usize, packing);
                columns.push(Arc::new(block.unwrap()), 0, end - start);
                start = end;
            }
            let expected: Vec<u32> = (0..rows.len())
                .filter(|&row| rows[row].windows(2).any(|pair| pair[0] >= pair[1]))
                .map(|row| row as u32)
                .collect();
            prop_assert_eq!(summed_rows(&starts, &columns), expected);
        }
    }
}
