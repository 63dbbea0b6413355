//! Drawing observations by weight.

use super::permutation::mix;
use anndex_store::error::{Error, Result};

/// Draws with replacement: any number of them, each independent of all others.
#[derive(Debug)]
pub(crate) struct Cumulative {
    /// The sum of all weights up to each observation.
    sums: Vec<f64>,
}

impl Cumulative {
    pub(super) fn new(weights: &[f64]) -> Result<Self> {
        check(weights)?;
        let mut sum = 0.0;
        let add = |weight: &f64| {
            sum += weight;
            sum
        };
        let sums: Vec<f64> = weights.iter().map(add).collect();
        if !(sum > 0.0 && sum.is_finite()) {
            return Err(Error::invalid_input(
                "the weights must have a finite sum above 0",
            ));
        }
        Ok(Self { sums })
    }

    /// The observation that is drawn at a position.
    pub(super) fn draw(&self, seed: u64, position: u64) -> u64 {
        let total = self.sums.last().copied().unwrap_or_default();
        let target = uniform(mix(seed, position)) * total;
        // The first whose sum is above, which an observation of weight 0 never is.
        let index = self.sums.partition_point(|&sum| sum <= target);
        // Rounding may give the total itself.
        let last = || self.sums.partition_point(|&sum| sum < total);
        if index < self.sums.len() {
            index as u64
        } else {
            last() as u64
        }
    }
}

/// Draws `count` distinct observations, one after the other from those that are left, by the
/// method of P. Efraimidis and P. Spirakis ("Weighted random sampling with a reservoir", 2006).
pub(super) fn without_replacement(weights: &[f64], count: usize, seed: u64) -> Result<Vec<u64>> {
    check(weights)?;
    let mut keys: Vec<(f64, u64)> = weights
        .iter()
        .enumerate()
        .filter(|(_, weight)| **weight > 0.0)
        .map(|(index, weight)| {
            let uniform = 1.0 - uniform(mix(seed, index as u64));
            (-uniform.ln() / weight, index as u64)
        })
        .collect();
    if keys.len() < count {
        return Err(Error::invalid_input(format!(
            "{count} observations can't be drawn without replacement: {} have a weight above 0",
            keys.len()
        )));
    }
    keys.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    keys.truncate(count);
    Ok(keys.into_iter().map(|(_, index)| index).collect())
}

fn check(weights: &[f64]) -> Result<()> {
    match weights
        .iter()
        .position(|weight| !(*weight >= 0.0 && weight.is_finite()))
    {
        None => Ok(()),
        Some(index) => Err(Error::invalid_input(format!(
            "the weight of observation {index} is {}, but weights are finite and not negative",
            weights[index]
        ))),
    }
}

/// A hash as a number from 0 up to, but not including, 1.
fn uniform(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_the_weights() {
        let weights = [1.0, 0.0, 3.0, 0.0];
        let cumulative = Cumulative::new(&weights).unwrap();
        let mut counts = [0u32; 4];
        for position in 0..100_000 {
            counts[cumulative.draw(7, position) as usize] += 1;
        }
        assert_eq!((counts[1], counts[3]), (0, 0));
        // Five standard deviations of a binomial are 685.
        assert!(counts[0].abs_diff(25_000) < 685, "{counts:?}");
    }

    #[test]
    fn without_replacement_nothing_comes_twice() {
        let weights = [1.0, 0.0, 3.0, 2.0];
        let mut first = [0u32; 4];
        for seed in 0..60_000 {
            let mut drawn = without_replacement(&weights, 3, seed).unwrap();
            first[drawn[0] as usize] += 1;
            drawn.sort_unstable();
            assert_eq!(drawn, [0, 2, 3]);
        }
        for (count, expected) in first.into_iter().zip([10_000, 0, 30_000, 20_000]) {
            assert!(count.abs_diff(expected) < 620, "{first:?}");
        }
        assert!(without_replacement(&weights, 4, 0).is_err());
    }

    #[test]
    fn wrong_weights_are_refused() {
        for wrong in [&[-1.0][..], &[f64::NAN], &[f64::INFINITY], &[0.0], &[]] {
            assert!(Cumulative::new(wrong).is_err(), "{wrong:?}");
        }
    }
}
