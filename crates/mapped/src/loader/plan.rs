//! Which observations are in which batch of an epoch.

use std::ops::Range;

use super::options::Options;
use crate::order::Order;
use anndex_store::error::{Error, Result};

/// The part of an epoch that one rank takes, in batches.
#[derive(Debug)]
pub(super) struct Plan {
    order: Order,
    /// The positions of the epoch that are taken.
    part: Range<u64>,
    batch_size: u64,
    n_batches: u64,
    /// Whether the last batch is an observation that the one before it gave up.
    is_split: bool,
}

impl Plan {
    /// All ranks have as many batches, since those that exchange gradients after each would wait
    /// for ever for one that has no more. Their parts differ by one observation; where that alone
    /// would be one batch more, the last batch of the others gives up one of its own.
    ///
    /// # Errors
    /// `InvalidInput` if there are too few observations for that.
    pub(super) fn new(order: Order, options: &Options) -> Result<Self> {
        let (world_size, batch_size) = (options.world_size, options.batch_size);
        // 128 bits, since the product need not fit 64.
        let cut = |rank: u64| {
            (u128::from(order.len()) * u128::from(rank) / u128::from(world_size)) as u64
        };
        let part = cut(options.rank)..cut(options.rank + 1);
        let n_batches = if options.drop_last {
            order.len() / world_size / batch_size
        } else {
            order.len().div_ceil(world_size).div_ceil(batch_size)
        };
        if !options.drop_last && order.len() / world_size < n_batches {
            return Err(Error::invalid_input(format!(
                "{} observations can't be divided so that each of {world_size} ranks has as many \
                 batches of {batch_size}, and ranks that train together would wait for one that \
                 has no more; set `drop_last` to leave out the last ones, or choose larger batches",
                order.len()
            )));
        }
        let own_batches = (part.end - part.start).div_ceil(batch_size);
        Ok(Self {
            order,
            part,
            batch_size,
            n_batches,
            is_split: own_batches < n_batches,
        })
    }

    pub(super) fn n_batches(&self) -> u64 {
        self.n_batches
    }

    /// The number of observations in some batches.
    pub(super) fn n_obs(&self, batches: Range<u64>) -> u64 {
        let positions = self.positions(batches);
        positions.end - positions.start
    }

    /// The observations of some batches, one batch after the other.
    pub(super) fn indices(&self, batches: Range<u64>) -> Vec<u64> {
        self.positions(batches)
            .map(|position| self.order.index(position))
            .collect()
    }

    /// The number of observations in all batches.
    pub(super) fn n_all_obs(&self) -> u64 {
        self.n_obs(0..self.n_batches)
    }

    fn positions(&self, batches: Range<u64>) -> Range<u64> {
        let position = |batch: u64| {
            let rows = batch.saturating_mul(self.batch_size);
            let given_up = u64::from(self.is_split && batch < self.n_batches);
            let end = self.part.end - given_up;
            self.part.start.saturating_add(rows).min(end)
        };
        position(batches.start)..position(batches.end)
    }

    /// Whether more batches read together means less to decode, however many there are.
    pub(super) fn is_scattered(&self) -> bool {
        self.order.is_scattered()
    }

    /// Whether the epoch is in another order than the collection.
    pub(super) fn is_shuffled(&self) -> bool {
        !matches!(self.order, Order::Sequential(_))
    }

    /// One past the last of the batches from `first` on that are to be read together: as many as
    /// have about `rows` observations, at least one, and no part of a shuffled window that could
    /// be left for the next ones. A shuffled window that has more is still read at once if it has
    /// at most `most_rows`, since each part of it has rows of nearly all of its chunks.
    pub(super) fn window(&self, first: u64, rows: u64, most_rows: u64) -> u64 {
        let after = |rows: u64| {
            let batches = (rows / self.batch_size).max(1);
            first.saturating_add(batches).min(self.n_batches)
        };
        let (wanted, most) = (after(rows), after(most_rows.max(rows)));
        let start = self.positions(first..first).start;
        let mut end = None;
        let mut position = start;
        while let Some(next) = self.order.window_end(position.min(self.order.len() - 1)) {
            let batch = match next < self.part.end {
                true => (next - self.part.start.min(next)).div_ceil(self.batch_size),
                false => self.n_batches,
            };
            let fits = batch <= wanted || (end.is_none() && batch <= most);
            if !fits || next <= position {
                break;
            }
            end = Some(batch.max(first + 1));
            position = next;
            if next >= self.part.end {
                break;
            }
        }
        end.unwrap_or(wanted).min(most)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{BatchFormat, Sampler, Shuffle};

    fn options(batch_size: u64, drop_last: bool, rank: u64, world_size: u64) -> Options {
        Options {
            batch_size,
            shuffle: Shuffle::None,
            sampler: Sampler::All,
            format: BatchFormat::Dense,
            drop_last,
            rank,
            world_size,
            memory: None,
            threads: 0,
        }
    }

    fn shuffles() -> impl Strategy<Value = Shuffle> {
        prop_oneof![
            Just(Shuffle::None),
            any::<u64>().prop_map(|seed| Shuffle::Exact { seed }),
            (any::<u64>(), 1u64..50, 1u64..200).prop_map(|(seed, rows, window)| Shuffle::Block {
                seed,
                rows,
                window
            }),
        ]
    }

    #[test]
    fn a_shuffled_window_is_read_at_once_where_it_may_be() {
        let shuffle = Shuffle::Block {
            seed: 1,
            rows: 10,
            window: 100,
        };
        let order = Order::new(1000, shuffle, &Sampler::All, 0).unwrap();
        let plan = Plan::new(order, &options(5, false, 0, 1)).unwrap();
        assert_eq!(plan.window(0, 250, 250), 40, "two whole ones");
        assert_eq!(plan.window(0, 60, 100), 20, "more than wanted, but whole");
        assert_eq!(plan.window(0, 60, 99), 12, "a part, since no more may be");
    }

    #[test]
    fn a_rank_that_is_one_observation_short_has_as_many_batches() {
        let plan = |rank, batch_size| {
            let order = Order::new(129, Shuffle::None, &Sampler::All, 0).unwrap();
            Plan::new(order, &options(batch_size, false, rank, 2))
        };
        let sizes = |rank| {
            let plan = plan(rank, 64).unwrap();
            let sizes = (0..plan.n_batches()).map(|batch| plan.n_obs(batch..batch + 1));
            sizes.collect::<Vec<_>>()
        };
        assert_eq!([sizes(0), sizes(1)], [[63, 1], [64, 1]]);
        let error = plan(0, 1).unwrap_err().to_string();
        assert!(error.contains("drop_last"), "{error}");
    }

    proptest! {
        #[test]
        fn ranks_make_the_whole_epoch(
            n_obs in 0u64..700,
            shuffle in shuffles(),
            batch_size in 1u64..40,
            world_size in 1u64..6,
            window_rows in 1u64..300,
        ) {
            let mut all = Vec::new();
            let (mut counts, mut even_counts) = (Vec::new(), Vec::new());
            for rank in 0..world_size {
                let order = || Order::new(n_obs, shuffle, &Sampler::All, 3).unwrap();
                let own = options(batch_size, false, rank, world_size);
                let Ok(plan) = Plan::new(order(), &own) else {
                    prop_assert!(batch_size == 1 || n_obs < world_size);
                    prop_assert!(n_obs % world_size != 0);
                    return Ok(());
                };
                counts.push(plan.n_batches());
                let sizes = (0..plan.n_batches()).map(|batch| plan.n_obs(batch..batch + 1));
                let sizes: Vec<u64> = sizes.collect();
                prop_assert!(sizes.iter().all(|&size| (1..=batch_size).contains(&size)));
                let full = sizes.iter().filter(|&&size| size == batch_size).count();
                prop_assert!(full + 2 >= sizes.len());
                let mut first = 0;
                let mut own = Vec::new();
                while first < plan.n_batches() {
                    let end = plan.window(first, window_rows, 2 * window_rows);
                    prop_assert!(end > first && end <= plan.n_batches());
                    let rows = plan.n_obs(first..end);
                    prop_assert!(end == first + 1 || rows <= 2 * window_rows);
                    own.extend(plan.indices(first..end));
                    first = end;
                }
                prop_assert_eq!(own.clone(), plan.indices(0..plan.n_batches()));
                all.extend(own);
                let even = options(batch_size, true, rank, world_size);
                let even = Plan::new(order(), &even).unwrap();
                prop_assert!(even.n_batches() <= plan.n_batches());
                let kept = even.n_obs(0..even.n_batches());
                prop_assert_eq!(kept, even.n_batches() * batch_size);
                even_counts.push(even.n_batches());
            }
            for counts in [counts, even_counts] {
                prop_assert!(counts.windows(2).all(|pair| pair[0] == pair[1]));
            }
            all.sort_unstable();
            prop_assert!(all.into_iter().eq(0..n_obs));
        }
    }
}
