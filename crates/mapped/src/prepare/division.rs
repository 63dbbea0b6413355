//! How observations are divided into files: as evenly as batches allow, and so that int32 counts
//! the values of each sparse matrix in a file.
//!
//! SciPy wants one type for the columns and the row pointers of a matrix, and annbatch the same in
//! all files. Which files there are must not depend on what is found while they are written, so the
//! values are counted ahead, before columns are left out.

use std::ops::Range;

use super::options::PrepareOptions;
use crate::collection::MappedCollection;
use crate::order::{Order, Sampler};
use anndex_anndata::MatrixKey;
use anndex_store::DataType;
use anndex_store::error::Result;

/// Files hold a multiple of this, unless they are smaller, so that each begins with a batch.
pub(super) const FILE_STEP: u64 = 512;
/// What int32 counts.
const LIMIT: u64 = i32::MAX as u64;

/// Which observations are in which file.
#[derive(Debug)]
pub(super) struct Division {
    n_obs: u64,
    /// Observations of a file, but for the last one.
    file_rows: u64,
    /// The type of columns and row pointers in all files.
    pub(super) index_type: DataType,
}

impl Division {
    /// Divides a collection that is not empty.
    ///
    /// # Errors
    /// Those of an order that is not possible.
    pub(super) fn new(mapped: &MappedCollection, options: &PrepareOptions) -> Result<Self> {
        let n_obs = mapped.n_obs();
        let most = options.rows_per_file.min(LIMIT);
        let mut values = Vec::new();
        for key in 0..mapped.keys.matrices.len() {
            let total = mapped.sources.iter().filter_map(|source| {
                let rows = source.matrix(key)?;
                Some(rows.n_elements())
            });
            let is_sparse = !matches!(mapped.keys.matrices[key], MatrixKey::Obsm(_));
            if is_sparse && total.fold(0, u64::saturating_add) > LIMIT {
                values.push(counts(mapped, options, key, most.min(FILE_STEP))?);
            }
        }
        let (file_rows, fits) = divide(n_obs, most, &values, LIMIT);
        Ok(Self {
            n_obs,
            file_rows,
            index_type: match fits {
                true => DataType::Int32,
                false => DataType::Int64,
            },
        })
    }

    /// The number of files.
    pub(super) fn n_files(&self) -> u64 {
        self.n_obs.div_ceil(self.file_rows)
    }

    /// The positions in the new order that a file holds.
    pub(super) fn rows_of(&self, number: u64) -> Range<u64> {
        let rows = self.file_rows;
        number * rows..((number + 1) * rows).min(self.n_obs)
    }
}

/// The stored values of a matrix in each `step` observations of the new order.
fn counts(
    mapped: &MappedCollection,
    options: &PrepareOptions,
    key: usize,
    step: u64,
) -> Result<Vec<u64>> {
    let order = Order::new(mapped.n_obs(), options.shuffle, &Sampler::All, 0)?;
    let mut counts = vec![0u64; mapped.n_obs().div_ceil(step) as usize];
    for position in 0..mapped.n_obs() {
        let (source, row) = mapped.locate(order.index(position))?;
        let rows = mapped.sources[source].matrix(key);
        let count = &mut counts[(position / step) as usize];
        *count = count.saturating_add(rows.map_or(0, |rows| rows.row_elements(row)));
    }
    Ok(counts)
}

/// The observations of a file, `most` or fewer, and whether no file then has more values of a
/// matrix than `limit`. `values` are those of each matrix, by steps.
fn divide(n_obs: u64, most: u64, values: &[Vec<u64>], limit: u64) -> (u64, bool) {
    let step = most.min(FILE_STEP);
    let fits = |rows: u64| {
        let of_file = |part: &[u64]| part.iter().copied().fold(0, u64::saturating_add);
        let steps = (rows / step) as usize;
        let mut files = values.iter().flat_map(|values| values.chunks(steps));
        files.all(|part| of_file(part) <= limit)
    };
    if most < FILE_STEP {
        return (most, fits(most));
    }
    let mut n_files = n_obs.div_ceil(most / FILE_STEP * FILE_STEP);
    loop {
        let rows = n_obs.div_ceil(n_files).next_multiple_of(FILE_STEP);
        let fits = fits(rows);
        if fits || rows == FILE_STEP {
            return (rows, fits);
        }
        n_files += n_files / 16 + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_as_even_as_batches_allow() {
        for (n_obs, most, rows) in [
            (10, 3, 3),
            (10, 1_000, 512),
            (1_000, 1_000, 512),
            (1_024, 1_030, 1_024),
            (3_000, 2_000, 1_536),
            (3_000_000, 1 << 20, 1_000_448),
        ] {
            assert_eq!(divide(n_obs, most, &[], 0), (rows, true), "{n_obs}, {most}");
        }
    }

    #[test]
    fn files_have_no_more_values_than_can_be_counted() {
        let even = vec![100; 100];
        let n_obs = 100 * FILE_STEP;
        // 100 steps in one file, in several, and in as many as there are.
        assert_eq!(
            divide(n_obs, n_obs, std::slice::from_ref(&even), 10_000),
            (n_obs, true)
        );
        let (rows, fits) = divide(n_obs, n_obs, std::slice::from_ref(&even), 2_000);
        assert!(
            fits && rows <= 20 * FILE_STEP && rows > 15 * FILE_STEP,
            "{rows}"
        );
        assert_eq!(
            divide(n_obs, n_obs, std::slice::from_ref(&even), 99),
            (FILE_STEP, false)
        );
        // The matrix that has most counts, and the file that has most.
        let mut uneven = vec![1; 100];
        uneven[50..60].fill(1_000);
        let (rows, fits) = divide(n_obs, n_obs, &[even, uneven.clone()], 5_000);
        assert!(fits, "{rows}");
        let most = uneven
            .chunks((rows / FILE_STEP) as usize)
            .map(|part| part.iter().sum::<u64>());
        assert!(
            most.max().unwrap() <= 5_000 && rows >= 3 * FILE_STEP,
            "{rows}"
        );
        // Files that are asked to be small stay as they are.
        assert_eq!(divide(10, 4, &[vec![5, 9, 1]], 8), (4, false));
        assert_eq!(divide(10, 4, &[vec![5, 9, 1]], 9), (4, true));
    }
}
