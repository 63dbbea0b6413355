//! The loader against batches that are asked for one by one: for all shuffles, samplers, formats,
//! budgets and numbers of threads.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anndex_core::anndata::{AnnData, InMemoryMatrix};
use anndex_core::mapped::{
    Batch, BatchFormat, Join, Loader, LoaderBuilder, MappedCollection, MappedOptions, Sampler,
    Shuffle,
};
use anndex_core::store::Compression;
use anndex_tests::concatenation::add;
use anndex_tests::{formats, generate, write_file};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// What a loader is made with, but for what must have no influence.
#[derive(Debug, Clone)]
struct Case {
    parts: Vec<AnnData>,
    join: Join,
    batch_size: u64,
    shuffle: Shuffle,
    sampler: usize,
    format: BatchFormat,
    drop_last: bool,
    world_size: u64,
    seed: u64,
}

fn case() -> impl Strategy<Value = Case> {
    let shuffle =
        (any::<u64>(), 1u64..6, 1u64..20, 0..3).prop_map(|(seed, rows, window, kind)| match kind {
            0 => Shuffle::None,
            1 => Shuffle::Exact { seed },
            _ => Shuffle::Block { seed, rows, window },
        });
    (
        (
            vec(generate::anndata(), 1..=4),
            select(vec![Join::Inner, Join::Outer]),
        ),
        (1u64..9, shuffle, 0usize..4, any::<bool>(), any::<bool>()),
        (1u64..4, any::<u64>()),
    )
        .prop_map(
            |((parts, join), (batch_size, shuffle, sampler, csr, drop_last), rest)| Case {
                parts,
                join,
                batch_size,
                shuffle,
                sampler,
                format: if csr {
                    BatchFormat::Csr
                } else {
                    BatchFormat::Dense
                },
                drop_last,
                world_size: rest.0,
                seed: rest.1,
            },
        )
}

impl Case {
    fn mapped(
        &self,
        directory: &Path,
        suffix: &str,
        compression: Compression,
    ) -> Option<MappedCollection> {
        let paths: Vec<PathBuf> = (0..self.parts.len())
            .map(|index| directory.join(format!("{index}-{compression:?}.{suffix}")))
            .collect();
        for (path, part) in paths.iter().zip(&self.parts) {
            write_file(path, part, compression, 5);
        }
        let options = MappedOptions::default()
            .layers_keys(["X", "counts"])
            .obs_keys(["cell_type", "age"])
            .join(self.join);
        // An inner join may have nothing to share, which is tested elsewhere.
        MappedCollection::open_paths(&formats(), &paths, &options).ok()
    }

    fn sampler(&self, n_obs: u64) -> Sampler {
        let weights: Arc<[f64]> = (0..n_obs).map(|index| (index % 3) as f64).collect();
        let positive = weights.iter().filter(|weight| **weight > 0.0).count() as u64;
        match self.sampler {
            1 if positive > 0 => Sampler::Weighted {
                weights,
                replacement: true,
                num_samples: Some(2 * n_obs),
                seed: self.seed,
            },
            2 => Sampler::Weighted {
                weights,
                replacement: false,
                num_samples: Some(positive),
                seed: self.seed,
            },
            3 => Sampler::Indices((0..n_obs).rev().filter(|index| index % 4 != 1).collect()),
            _ => Sampler::All,
        }
    }

    fn builder(&self, mapped: &MappedCollection, rank: u64) -> LoaderBuilder {
        let sampler = self.sampler(mapped.n_obs());
        let builder = mapped
            .loader()
            .batch_size(self.batch_size)
            .format(self.format)
            .drop_last(self.drop_last)
            .rank(rank, self.world_size);
        match sampler {
            Sampler::All => builder.shuffle(self.shuffle),
            sampler => builder.sampler(sampler),
        }
    }
}

fn collect(loader: &Loader) -> Vec<Batch> {
    loader.epoch().unwrap().collect::<Result<_, _>>().unwrap()
}

/// The observations of an epoch, told by an index that every one of them has for itself.
fn indices(mapped: &MappedCollection, batch: &Batch, all: &Batch) -> Vec<u64> {
    let rows = |batch: &Batch| -> Vec<String> {
        (0..batch.len())
            .map(|row| format!("{:?}", row_of(batch, row)))
            .collect()
    };
    let known = rows(all);
    let found = rows(batch).into_iter().map(|row| {
        known
            .iter()
            .position(|other| *other == row)
            .map(|position| position as u64)
    });
    let found: Option<Vec<u64>> = found.collect();
    let found = found.expect("every row of a batch is one of the collection");
    assert!(found.iter().all(|&index| index < mapped.n_obs()));
    found
}

/// Everything that a batch says of one of its observations.
fn row_of(batch: &Batch, row: usize) -> (i64, Vec<Vec<f64>>) {
    let matrices = batch.matrices.iter().map(|(_, matrix)| match matrix {
        InMemoryMatrix::Dense(values) => {
            let width: usize = values.shape().iter().skip(1).product();
            (row * width..(row + 1) * width)
                .filter_map(|at| values.get_f64(at))
                .collect()
        }
        InMemoryMatrix::Csr(csr) => {
            let mut values = vec![0.0; csr.n_columns()];
            for at in csr.indptr()[row] as usize..csr.indptr()[row + 1] as usize {
                let place = &mut values[csr.indices()[at] as usize];
                let value = csr.data().get_f64(at).unwrap();
                *place = add(csr.data().data_type(), *place, value);
            }
            values
        }
        InMemoryMatrix::Csc(_) => panic!("batches are by rows"),
    });
    (batch.store_index[row], matrices.collect())
}

fn check(case: &Case) -> Result<(), TestCaseError> {
    let directory = tempfile::tempdir().unwrap();
    let hdf5 = case.mapped(directory.path(), "h5ad", Compression::Gzip(4));
    let plain = case.mapped(directory.path(), "h5ad", Compression::None);
    let zarr = case.mapped(directory.path(), "zarr", Compression::Gzip(1));
    let (Some(hdf5), Some(plain), Some(zarr)) = (hdf5, plain, zarr) else {
        return Ok(());
    };
    let n_obs = hdf5.n_obs();
    let everything: Vec<u64> = (0..n_obs).collect();
    let all = hdf5.batch(&everything, BatchFormat::Dense).unwrap();
    let mut seen = Vec::new();
    let loaders = (0..case.world_size).map(|rank| case.builder(&hdf5, rank).build());
    let (loaders, refused): (Vec<_>, Vec<_>) = loaders.partition(Result::is_ok);
    if let Some(Err(error)) = refused.first() {
        // Some rank would have no observation for its last batch.
        prop_assert!(loaders.is_empty() && !case.drop_last && case.world_size > 1);
        prop_assert!(error.to_string().contains("drop_last"), "{}", error);
        return Ok(());
    }
    let counts: Vec<u64> = loaders.iter().flatten().map(Loader::n_batches).collect();
    prop_assert!(
        counts.windows(2).all(|pair| pair[0] == pair[1]),
        "{:?}",
        counts
    );
    for rank in 0..case.world_size {
        let reference = case
            .builder(&hdf5, rank)
            .threads(1)
            .memory(1)
            .build()
            .unwrap();
        let first = collect(&reference);
        prop_assert_eq!(first.len() as u64, reference.n_batches());
        for batch in &first {
            // A batch is what one gets by asking for the same observations.
            let own = indices(&hdf5, batch, &all);
            let asked = hdf5.batch(&own, case.format).unwrap();
            prop_assert_eq!(&asked.matrices, &batch.matrices);
            prop_assert_eq!(&asked.store_index, &batch.store_index);
            seen.extend(own);
        }
        let second = collect(&reference);
        // The same bytes, whatever the format, the memory and the number of threads.
        for (mapped, threads, memory) in [
            (&hdf5, 2, 3_000),
            (&hdf5, 8, 1 << 20),
            (&plain, 2, 5_000),
            (&plain, 2, 1 << 30),
            (&zarr, 2, 1 << 30),
        ] {
            let builder = case.builder(mapped, rank).threads(threads).memory(memory);
            let loader = builder.build().unwrap();
            prop_assert_eq!(&collect(&loader), &first);
            prop_assert_eq!(&collect(&loader), &second);
            check_resume(
                &loader,
                &builder_again(case, mapped, rank),
                &[&first, &second],
            );
        }
    }
    let is_whole = case.sampler(n_obs) == Sampler::All && !case.drop_last;
    if is_whole && has_distinct_rows(&all) {
        seen.sort_unstable();
        prop_assert_eq!(seen, everything);
    }
    Ok(())
}

fn builder_again(case: &Case, mapped: &MappedCollection, rank: u64) -> Loader {
    case.builder(mapped, rank)
        .threads(1)
        .memory(2_000)
        .build()
        .unwrap()
}

fn has_distinct_rows(all: &Batch) -> bool {
    let mut rows: Vec<String> = (0..all.len())
        .map(|row| format!("{:?}", row_of(all, row)))
        .collect();
    rows.sort_unstable();
    rows.windows(2).all(|pair| pair[0] != pair[1])
}

/// Stops one loader in the middle of an epoch, and has another go on there.
fn check_resume(one: &Loader, other: &Loader, epochs: &[&Vec<Batch>]) {
    one.set_epoch(0);
    for expected in epochs {
        let middle = expected.len() / 2;
        let mut epoch = one.epoch().unwrap();
        for batch in &expected[..middle] {
            assert_eq!(epoch.next().unwrap().unwrap(), *batch);
        }
        other.load_state(one.state()).unwrap();
        drop(epoch);
        assert_eq!(collect(other), expected[middle..]);
        assert_eq!(other.state().batch, 0);
        one.load_state(other.state()).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 500, ..ProptestConfig::default() })]

    #[test]
    fn an_epoch_is_the_same_however_it_is_read(case in case()) {
        check(&case)?;
    }
}
