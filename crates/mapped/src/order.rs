//! Which observations come in an epoch, and in which order.
//!
//! An order is a function of a seed, an epoch and a position. Nothing else has a part in it (no
//! thread, format, memory or earlier call), so an epoch can be entered anywhere and cut in parts.

mod blocks;
mod draw;
mod permutation;

use std::sync::Arc;

use anndex_store::error::{Error, Result};
use blocks::Blocks;
use draw::Cumulative;
use permutation::{Permutation, mix};

/// How observations are shuffled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Shuffle {
    /// Not at all: the order of the collection.
    #[default]
    None,
    /// A random permutation of all observations.
    Exact {
        /// Orders the epochs, each of them in another way.
        seed: u64,
    },
    /// Blocks of neighbours in random order, and observations at random within windows of many
    /// blocks. It reads less than `Exact`, and is less random: observations of one block come in
    /// one window.
    Block {
        /// Orders the epochs, each of them in another way.
        seed: u64,
        /// Observations of a block.
        rows: u64,
        /// Observations of a window, rounded up to whole blocks.
        window: u64,
    },
}

/// Which observations an epoch has.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Sampler {
    /// All, each of them once.
    #[default]
    All,
    /// Drawn at random, each with a probability in proportion to its weight.
    Weighted {
        /// One weight per observation.
        weights: Arc<[f64]>,
        /// Whether an observation can be drawn more than once.
        replacement: bool,
        /// How many are drawn; as many as there are observations if `None`.
        num_samples: Option<u64>,
        /// What is drawn in each epoch depends on it.
        seed: u64,
    },
    /// These, in this order, in every epoch.
    Indices(Arc<[u64]>),
}

/// The order of one epoch.
#[derive(Debug)]
pub(super) enum Order {
    Sequential(u64),
    Exact(u64, Permutation),
    Blocks(u64, Blocks),
    Drawn(u64, Arc<Cumulative>, u64),
    Listed(Arc<[u64]>),
}

impl Order {
    /// The order of epoch number `epoch` of `n_obs` observations.
    ///
    /// # Errors
    /// `InvalidInput` if the parameters make no sense for so many observations.
    pub(super) fn new(n_obs: u64, shuffle: Shuffle, sampler: &Sampler, epoch: u64) -> Result<Self> {
        match sampler {
            Sampler::All => {}
            _ if shuffle != Shuffle::None => {
                return Err(Error::invalid_input(
                    "a sampler has an order of its own; leave out either it or the shuffle",
                ));
            }
            Sampler::Indices(indices) => {
                return match indices.iter().find(|&&index| index >= n_obs) {
                    None => Ok(Self::Listed(indices.clone())),
                    Some(index) => Err(Error::invalid_input(format!(
                        "the observation {index} is out of range: there are {n_obs}"
                    ))),
                };
            }
            Sampler::Weighted {
                weights,
                replacement,
                num_samples,
                seed,
            } => {
                if weights.len() as u64 != n_obs {
                    return Err(Error::invalid_input(format!(
                        "there are {} weights, but {n_obs} observations",
                        weights.len()
                    )));
                }
                let count = num_samples.unwrap_or(n_obs);
                let seed = mix(*seed, epoch);
                if *replacement {
                    let cumulative = Cumulative::new(weights)?;
                    return Ok(Self::Drawn(count, Arc::new(cumulative), seed));
                }
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                let drawn = draw::without_replacement(weights, count, seed)?;
                return Ok(Self::Listed(drawn.into()));
            }
        }
        Ok(match shuffle {
            Shuffle::None => Self::Sequential(n_obs),
            Shuffle::Exact { seed } => {
                Self::Exact(n_obs, Permutation::new(n_obs, mix(seed, epoch)))
            }
            Shuffle::Block { rows: 0, .. } | Shuffle::Block { window: 0, .. } => {
                return Err(Error::invalid_input(
                    "blocks and windows have at least one row",
                ));
            }
            Shuffle::Block { seed, rows, window } => {
                let rows = rows.min(n_obs.max(1));
                let window = window.min(n_obs.max(1));
                Self::Blocks(n_obs, Blocks::new(n_obs, rows, window, mix(seed, epoch)))
            }
        })
    }

    /// The number of observations in the epoch.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Sequential(n) | Self::Exact(n, _) | Self::Blocks(n, _) | Self::Drawn(n, ..) => *n,
            Self::Listed(indices) => indices.len() as u64,
        }
    }

    /// The observation at a position, which is below the length.
    pub(super) fn index(&self, position: u64) -> u64 {
        match self {
            Self::Sequential(_) => position,
            Self::Exact(_, permutation) => permutation.apply(position),
            Self::Blocks(_, blocks) => blocks.index(position),
            Self::Drawn(_, cumulative, seed) => cumulative.draw(*seed, position),
            Self::Listed(indices) => indices[position as usize],
        }
    }

    /// Whether neighbours in the epoch are anywhere in the collection, so that more of them read
    /// together means less to decode.
    pub(super) fn is_scattered(&self) -> bool {
        matches!(self, Self::Exact(..) | Self::Drawn(..) | Self::Listed(_))
    }

    /// Where the positions end that are shuffled among each other; `None` if that is nowhere in
    /// particular.
    pub(super) fn window_end(&self, position: u64) -> Option<u64> {
        match self {
            Self::Blocks(_, blocks) => Some(blocks.window_end(position)),
            _ => None,
        }
    }
}

/// A number that differs, but for chance, between parameters that give different orders.
pub(super) fn digest(n_obs: u64, shuffle: Shuffle, sampler: &Sampler) -> u64 {
    let fold = |numbers: &[u64]| numbers.iter().fold(numbers.len() as u64, |a, &b| mix(a, b));
    let shuffle = match shuffle {
        Shuffle::None => fold(&[]),
        Shuffle::Exact { seed } => fold(&[seed]),
        Shuffle::Block { seed, rows, window } => fold(&[seed, rows, window]),
    };
    let sampler = match sampler {
        Sampler::All => 0,
        Sampler::Weighted {
            weights,
            replacement,
            num_samples,
            seed,
        } => {
            let weights = weights.iter().fold(1, |a, weight| mix(a, weight.to_bits()));
            let count = num_samples.unwrap_or(u64::MAX);
            fold(&[weights, u64::from(*replacement), count, *seed])
        }
        Sampler::Indices(indices) => mix(2, fold(indices)),
    };
    fold(&[n_obs, shuffle, sampler])
}
