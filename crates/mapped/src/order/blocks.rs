//! Shuffled blocks: neighbouring rows are read together, and are apart in the epoch.

use super::permutation::{Permutation, mix};

/// An order of `0..length` in which blocks of neighbours are permuted, and then rows within windows
/// of many blocks.
#[derive(Debug, Clone)]
pub(crate) struct Blocks {
    length: u64,
    /// Rows of a block; the last one in the collection may have fewer.
    rows: u64,
    /// Blocks of a window; the last one in the epoch may have fewer.
    window: u64,
    seed: u64,
    blocks: Permutation,
    count: u64,
    /// Where the last block of the collection stands in the epoch, and the rows that it lacks.
    short: (u64, u64),
}

impl Blocks {
    pub(super) fn new(length: u64, rows: u64, window_rows: u64, seed: u64) -> Self {
        let count = length.div_ceil(rows);
        let blocks = Permutation::new(count, mix(seed, u64::MAX));
        let last = (0..count).find(|&place| blocks.apply(place) + 1 == count);
        Self {
            length,
            rows,
            window: window_rows.div_ceil(rows).max(1),
            seed,
            blocks,
            count,
            short: (last.unwrap_or_default(), count * rows - length),
        }
    }

    /// The observation at a position of the epoch.
    pub(super) fn index(&self, position: u64) -> u64 {
        let window = self.find(position, self.window);
        let first = self.start(window * self.window);
        let end = self.start((window + 1) * self.window);
        let within = Permutation::new(end - first, mix(self.seed, window));
        let shuffled = first + within.apply(position - first);
        let place = self.find(shuffled, 1);
        self.blocks.apply(place) * self.rows + shuffled - self.start(place)
    }

    /// Where the window that holds a position ends.
    pub(super) fn window_end(&self, position: u64) -> u64 {
        self.start((self.find(position, self.window) + 1) * self.window)
    }

    /// Where the block at a place of the epoch begins.
    fn start(&self, place: u64) -> u64 {
        if place >= self.count {
            return self.length;
        }
        let (short, lacking) = self.short;
        place * self.rows - if place > short { lacking } else { 0 }
    }

    /// Which group of `blocks` blocks a position is in. The short block may have moved it by less
    /// than one block.
    fn find(&self, position: u64, blocks: u64) -> u64 {
        let group = position / (blocks * self.rows);
        if position >= self.start((group + 1) * blocks) {
            group + 1
        } else {
            group
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_index_comes_once_and_in_whole_blocks(
            length in 1u64..3_000,
            rows in 1u64..300,
            window in 1u64..1_000,
            seed: u64,
        ) {
            let blocks = Blocks::new(length, rows, window, seed);
            let mut start = 0;
            let mut seen = Vec::new();
            while start < length {
                let end = blocks.window_end(start);
                prop_assert!(end > start && end <= length);
                let mut indices: Vec<u64> = (start..end).map(|p| blocks.index(p)).collect();
                indices.sort_unstable();
                let mut whole: Vec<u64> = indices.iter().map(|index| index / rows).collect();
                whole.dedup();
                let expected = whole
                    .iter()
                    .flat_map(|block| block * rows..((block + 1) * rows).min(length));
                prop_assert!(indices.iter().copied().eq(expected));
                seen.extend(indices);
                start = end;
            }
            seen.sort_unstable();
            prop_assert!(seen.into_iter().eq(0..length));
        }
    }
}
