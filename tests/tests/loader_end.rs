//! How a loader ends: by a damaged file, in the middle, or before it begins.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anndex_core::ErrorKind;
use anndex_core::anndata::{AnnData, CsrMatrix, DataFrame, InMemoryMatrix};
use anndex_core::mapped::{MappedCollection, MappedOptions, Sampler, Shuffle};
use anndex_core::store::{Compression, NumericArray};
use anndex_tests::{formats, write_file};

/// A file of 400 cells × 500 genes in small gzipped chunks.
fn compressed(path: &Path) {
    const GENES: usize = 500;
    let mut columns = Vec::new();
    let mut values = Vec::new();
    let mut pointers = vec![0];
    for cell in 0..400 {
        for gene in (cell % 7..GENES).step_by(5) {
            columns.push(gene as i32);
            values.push((cell * gene % 90 + 1) as f32);
        }
        pointers.push(columns.len() as i64);
    }
    let data = NumericArray::from_values([values.len()], &values).unwrap();
    let csr = CsrMatrix::new(GENES, data, columns, pointers).unwrap();
    let names =
        |prefix: &str, n: usize| DataFrame::new((0..n).map(|i| format!("{prefix}{i}")).collect());
    let data = AnnData {
        x: Some(InMemoryMatrix::Csr(csr)),
        obs: names("cell", 400),
        var: names("gene", GENES),
        ..AnnData::default()
    };
    write_file(path, &data, Compression::Gzip(4), 1_000);
}

fn open(path: &Path) -> MappedCollection {
    MappedCollection::open_paths(&formats(), &[path], &MappedOptions::default()).unwrap()
}

/// Has tests that count threads take turns, since they may share a process.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number of the loader's threads in this process.
fn loader_threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("anndex-")).count()
}

/// The system lists a thread for a moment after it was joined.
fn assert_no_threads_are_left() {
    let start = Instant::now();
    while loader_threads() > 0 {
        assert!(start.elapsed() < Duration::from_secs(5), "threads are left");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_damaged_chunk_ends_the_epoch_with_its_place() {
    let _turn = turn();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("damaged.h5ad");
    compressed(&path);
    let mapped = open(&path);
    // Opening has read everything but values, so what is damaged now is found by the loader.
    let length = fs::metadata(&path).unwrap().len();
    let mut bytes = fs::read(&path).unwrap();
    bytes[length as usize / 8..length as usize * 7 / 8].fill(0xff);
    fs::write(&path, bytes).unwrap();
    for shuffle in [Shuffle::None, Shuffle::Exact { seed: 1 }] {
        let loader = mapped
            .loader()
            .batch_size(16)
            .shuffle(shuffle)
            .build()
            .unwrap();
        let mut epoch = loader.epoch().unwrap();
        let error = epoch
            .find_map(Result::err)
            .expect("the damage must be noticed");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
        assert_eq!(error.context("path"), Some(path.to_str().unwrap()));
        let node = error.context("node").unwrap();
        assert!(["/X/data", "/X/indices"].contains(&node), "{error:?}");
        assert!(epoch.next().is_none(), "after an error there is nothing");
        assert_no_threads_are_left();
    }
}

#[test]
fn a_first_batch_is_read_alone_unless_that_decodes_much() {
    let _turn = turn();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("damaged.zarr");
    compressed(&path);
    let mapped = open(&path);
    // One chunk of 40.
    let chunk = path.join("X/data/c/20");
    assert!(chunk.is_file());
    fs::write(&chunk, "damaged").unwrap();
    let failures = |batch_size| {
        let first = |seed| {
            let loader = mapped.loader().batch_size(batch_size);
            let loader = loader.shuffle(Shuffle::Exact { seed }).build().unwrap();
            loader.epoch().unwrap().next().unwrap()
        };
        (0..10).map(first).filter(Result::is_err).count()
    };
    assert!(failures(1) < 5, "one cell is in few chunks");
    assert_eq!(
        failures(8),
        10,
        "eight cells are in so many that all is read"
    );
}

#[test]
fn an_epoch_that_is_dropped_leaves_no_thread() {
    let _turn = turn();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("whole.h5ad");
    compressed(&path);
    let mapped = open(&path);
    let shuffle = Shuffle::Exact { seed: 1 };
    let loader = mapped
        .loader()
        .batch_size(4)
        .shuffle(shuffle)
        .build()
        .unwrap();
    for taken in [0, 1, 5] {
        let mut epoch = loader.epoch().unwrap();
        assert_eq!(
            epoch.by_ref().take(taken).filter(Result::is_ok).count(),
            taken
        );
        // Threads that have made a batch have their names.
        assert!(taken == 0 || loader_threads() > 0);
        let start = Instant::now();
        drop(epoch);
        let elapsed = start.elapsed();
        assert_no_threads_are_left();
        assert!(
            elapsed < Duration::from_secs(20),
            "it must not read to the end"
        );
    }
    // None of the first pass was had, so the second was over the same epoch.
    assert_eq!(loader.state().epoch, 1);
}

#[test]
fn what_exact_order_costs_is_said_where_it_is_much() {
    let _turn = turn();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("whole.h5ad");
    compressed(&path);
    let mapped = open(&path);
    let loader = |shuffle, memory| {
        let loader = mapped.loader().batch_size(10).shuffle(shuffle);
        let loader = loader.memory(memory).build().unwrap();
        let cells: usize = (&loader)
            .into_iter()
            .map(|batch| batch.unwrap().len())
            .sum();
        assert_eq!(cells, 400);
        loader
    };
    let exact = Shuffle::Exact { seed: 0 };
    let cost = loader(exact, 24 << 10).repeated_decoding().unwrap();
    // A chunk has 1,000 elements, which are of 11 cells, and can't be decoded more often.
    assert!((2.0..=11.0).contains(&cost.times), "{cost:?}");
    assert!(cost.to_string().contains("decoded about"), "{cost}");
    assert_eq!(loader(exact, cost.memory).repeated_decoding(), None);
    let blocks = Shuffle::Block {
        seed: 0,
        rows: 10,
        window: 100,
    };
    assert_eq!(loader(blocks, 24 << 10).repeated_decoding(), None);
}

#[test]
fn parameters_that_make_no_sense_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("whole.h5ad");
    compressed(&path);
    let mapped = open(&path);
    let weights = |n: usize, weight: f64| Sampler::Weighted {
        weights: vec![weight; n].into(),
        replacement: true,
        num_samples: None,
        seed: 0,
    };
    let wrong = [
        mapped.loader().batch_size(0),
        mapped.loader().rank(2, 2),
        mapped.loader().rank(0, 0),
        mapped.loader().shuffle(Shuffle::Block {
            seed: 0,
            rows: 0,
            window: 1,
        }),
        mapped.loader().sampler(weights(3, 1.0)),
        mapped.loader().sampler(weights(400, -1.0)),
        mapped.loader().sampler(weights(400, 0.0)),
        mapped.loader().sampler(Sampler::Indices([400].into())),
        mapped
            .loader()
            .sampler(weights(400, 1.0))
            .shuffle(Shuffle::Exact { seed: 0 }),
    ];
    for builder in wrong {
        let error = builder.clone().build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{builder:?}");
    }
    let mut closed = mapped.clone();
    closed.close();
    assert!(closed.loader().build().is_err());
    let one = mapped.loader().batch_size(2).build().unwrap();
    let other = mapped.loader().batch_size(3).build().unwrap();
    let error = one.load_state(other.state()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
