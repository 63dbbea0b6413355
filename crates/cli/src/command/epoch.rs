//! One pass over all observations, in order and in batches.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anndex::{BatchFormat, MappedCollection, Result};

use crate::interrupt::Interrupt;
use crate::progress;

/// How to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Epoch {
    /// Observations per batch, at least 1.
    pub(crate) batch_size: u64,
    pub(crate) format: BatchFormat,
    /// Whether to sum the values.
    pub(crate) checksum: bool,
}

/// What was read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sums {
    pub(crate) batches: u64,
    /// The size of all matrices.
    pub(crate) bytes: u64,
    /// The time that reading took.
    pub(crate) seconds: f64,
    /// For each matrix the sum of its values, and how many of them are not zero.
    pub(crate) checksum: BTreeMap<String, (f64, u64)>,
}

impl Sums {
    /// How much of something was read per second.
    pub(crate) fn per_second(&self, amount: u64) -> f64 {
        match self.seconds > 0.0 {
            true => amount as f64 / self.seconds,
            false => 0.0,
        }
    }
}

/// Reads everything once.
///
/// # Errors
/// As [`MappedCollection::batch`]; `Cancelled` if the user stops it.
pub(crate) fn stream(
    mapped: &MappedCollection,
    epoch: &Epoch,
    shows_progress: bool,
    interrupt: &Interrupt,
) -> Result<Sums> {
    let bar = progress::counted(shows_progress, mapped.n_obs(), "cells");
    let mut sums = Sums::default();
    let mut reading = Duration::ZERO;
    for part in parts(mapped) {
        let mut start = part.start;
        while start < part.end {
            interrupt.check()?;
            let end = start.saturating_add(epoch.batch_size).min(part.end);
            let indices: Vec<u64> = (start..end).collect();
            let began = Instant::now();
            let batch = mapped.batch(&indices, epoch.format)?;
            reading += began.elapsed();
            sums.batches += 1;
            sums.bytes += batch.bytes();
            if epoch.checksum {
                for (key, matrix) in &batch.matrices {
                    let (sum, nonzero) = matrix.stored().sum_and_nonzero();
                    let total = sums.checksum.entry(key.clone()).or_default();
                    *total = (total.0 + sum, total.1 + nonzero);
                }
            }
            bar.inc(end - start);
            start = end;
        }
    }
    bar.finish_and_clear();
    sums.seconds = reading.as_secs_f64();
    Ok(sums)
}

/// What can be cut into batches: everything, or each store for itself if their rows differ in
/// length.
fn parts(mapped: &MappedCollection) -> Vec<std::ops::Range<u64>> {
    let shapes = mapped.original_shapes();
    let same_width = shapes.windows(2).all(|pair| match pair {
        [a, b] => a.1 == b.1,
        _ => true,
    });
    if mapped.n_vars().is_some() || same_width {
        return std::iter::once(0..mapped.n_obs()).collect();
    }
    let mut start = 0;
    shapes
        .iter()
        .map(|(n_obs, _)| {
            let part = start..start + n_obs;
            start = part.end;
            part
        })
        .collect()
}
