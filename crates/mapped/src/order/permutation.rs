//! A seeded permutation of any length that takes no memory and can be entered anywhere.
//!
//! A generalized Feistel network over the integers below `left` × `right` (J. Black and P. Rogaway,
//! "Ciphers with Arbitrary Finite Domains", 2002): each round adds a keyed hash of one half to the
//! other, which can be undone, so the whole is a bijection. Results past the end are sent through
//! again. Integer arithmetic only, so a seed gives the same order on every machine.

/// Enough for the orders of short lists to be evenly spread, too.
const ROUNDS: usize = 12;

/// A bijection of `0..length`.
#[derive(Debug, Clone)]
pub(crate) struct Permutation {
    length: u64,
    left: u64,
    right: u64,
    keys: [u64; ROUNDS],
}

impl Permutation {
    pub(super) fn new(length: u64, seed: u64) -> Self {
        let left = length.isqrt().max(1);
        let right = length.div_ceil(left);
        let mut keys = [0; ROUNDS];
        for (round, key) in keys.iter_mut().enumerate() {
            *key = mix(seed, round as u64);
        }
        Self {
            length,
            left,
            right,
            keys,
        }
    }

    /// Where `index`, which is below the length, is sent.
    pub(super) fn apply(&self, index: u64) -> u64 {
        let mut value = index;
        loop {
            value = self.encrypt(value);
            if value < self.length {
                return value;
            }
        }
    }

    fn encrypt(&self, value: u64) -> u64 {
        let (mut left, mut right) = (value / self.right, value % self.right);
        for pair in self.keys.chunks_exact(2) {
            left = add(left, below(mix(pair[0], right), self.left), self.left);
            right = add(right, below(mix(pair[1], left), self.right), self.right);
        }
        left * self.right + right
    }
}

/// The sum of two numbers below `modulus`, which is at most 2^33, in its residue.
fn add(a: u64, b: u64, modulus: u64) -> u64 {
    let sum = a + b;
    if sum >= modulus { sum - modulus } else { sum }
}

/// A 64-bit hash as a number below `n`.
fn below(hash: u64, n: u64) -> u64 {
    ((u128::from(hash) * u128::from(n)) >> 64) as u64
}

/// A hash of two numbers: two rounds of SplitMix64 (G. Steele and others, 2014).
pub(super) fn mix(key: u64, value: u64) -> u64 {
    let scrambled = finish(value.wrapping_add(0x9e37_79b9_7f4a_7c15));
    finish(key ^ scrambled.wrapping_add(0x9e37_79b9_7f4a_7c15))
}

fn finish(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_index_comes_once(length in 1u64..5_000, seed: u64) {
            let permutation = Permutation::new(length, seed);
            let mut seen: Vec<u64> = (0..length).map(|i| permutation.apply(i)).collect();
            seen.sort_unstable();
            prop_assert!(seen.into_iter().eq(0..length));
        }

        #[test]
        fn large_ones_stay_in_range(length in 1u64 << 40..1 << 50, seed: u64, index: u64) {
            let permutation = Permutation::new(length, seed);
            prop_assert!(permutation.apply(index % length) < length);
        }
    }

    /// Pearson's statistic of how often each outcome was counted.
    fn chi_square(counts: &[u64]) -> f64 {
        let expected = counts.iter().sum::<u64>() as f64 / counts.len() as f64;
        let deviation = |&count: &u64| (count as f64 - expected).powi(2) / expected;
        counts.iter().map(deviation).sum()
    }

    #[test]
    fn all_orders_of_a_short_list_are_equally_likely() {
        let mut counts = vec![0u64; 120];
        for seed in 0..24_000 {
            let permutation = Permutation::new(5, seed);
            let mut left: Vec<u64> = (0..5).collect();
            let rank = (0..5).fold(0, |rank, index| {
                let value = permutation.apply(index);
                let position = left.iter().position(|&v| v == value).unwrap();
                left.remove(position);
                rank * (5 - index as usize) + position
            });
            counts[rank] += 1;
        }
        // The 99.99 % quantile with 119 degrees of freedom is 182.
        assert!(chi_square(&counts) < 182.0, "{}", chi_square(&counts));
    }

    #[test]
    fn neighbours_are_sent_anywhere() {
        const N: u64 = 1_000;
        let mut counts = vec![0u64; 100];
        for seed in 0..20 {
            let permutation = Permutation::new(N, seed);
            for index in 0..N {
                let (a, b) = (permutation.apply(index), permutation.apply((index + 1) % N));
                counts[((b + N - a) % N / 10) as usize] += 1;
            }
        }
        // The 99.99 % quantile with 99 degrees of freedom is 158.
        assert!(chi_square(&counts) < 158.0, "{}", chi_square(&counts));
    }
}
