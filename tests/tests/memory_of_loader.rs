//! What an epoch holds in memory: its budget, two batches and little more, on a collection five
//! times as large, whether its consumer is fast or slow, and nothing once it is dropped.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::Path;
use std::time::{Duration, Instant};

use anndex_core::anndata::{AnnData, CsrMatrix, DataFrame, InMemoryMatrix};
use anndex_core::mapped::{BatchFormat, Epoch, Loader, MappedCollection, MappedOptions, Shuffle};
use anndex_core::store::{Compression, NumericArray};
use anndex_tests::{formats, write_file};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const CELLS: usize = 8_000;
const GENES: usize = 4_000;
const GENES_PER_CELL: usize = 400;
const BATCH_SIZE: usize = 16;
/// Counts and columns are held in a byte each, the 256 columns with the same high byte in two more,
/// and what finds a row takes 24 bytes.
const PACKED: usize = CELLS * (GENES_PER_CELL * 2 + GENES / 256 * 2 + 24);
const BUDGET: usize = PACKED / 5;
const BATCH: usize = BATCH_SIZE * GENES * 4;
/// Buffers in which threads decode, threads themselves, and what is in flight between them. It
/// does not depend on the size of the collection, and is less than a window more would be.
const BESIDES: usize = 1_280 << 10;
/// Less than any window, batch or buffer of a thread.
const LEFT: usize = 128 << 10;

/// Counts that compress badly enough for every chunk to count.
fn collection(path: &Path, compression: Compression) -> MappedCollection {
    let mut state = 1u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 16
    };
    let step = GENES / GENES_PER_CELL;
    let mut columns = Vec::with_capacity(CELLS * GENES_PER_CELL);
    let mut values = Vec::with_capacity(CELLS * GENES_PER_CELL);
    for _ in 0..CELLS {
        for gene in (0..GENES).step_by(step) {
            columns.push((gene + random() as usize % step) as i32);
            values.push((random() % 200 + 1) as f32);
        }
    }
    let pointers = (0..=CELLS).map(|cell| (cell * GENES_PER_CELL) as i64);
    let values = NumericArray::from_values([values.len()], &values).unwrap();
    let names =
        |prefix: &str, n: usize| DataFrame::new((0..n).map(|i| format!("{prefix}{i}")).collect());
    let csr = CsrMatrix::new(GENES, values, columns, pointers.collect()).unwrap();
    let data = AnnData {
        x: Some(InMemoryMatrix::Csr(csr)),
        obs: names("cell", CELLS),
        var: names("gene", GENES),
        ..AnnData::default()
    };
    write_file(path, &data, compression, 20_000);
    MappedCollection::open_paths(&formats(), &[path], &MappedOptions::default()).unwrap()
}

fn loader(mapped: &MappedCollection, format: BatchFormat, shuffle: Shuffle) -> Loader {
    let builder = mapped.loader().batch_size(BATCH_SIZE as u64).format(format);
    let builder = builder.shuffle(shuffle).memory(BUDGET as u64).threads(2);
    builder.build().unwrap()
}

/// The peak while `consume` has the next epoch, above what was there before.
fn peak(loader: &Loader, consume: impl FnOnce(Epoch) -> usize) -> usize {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let cells = consume(loader.epoch().unwrap());
    assert!(cells > 0);
    MEMORY.peak_usage().saturating_sub(before)
}

fn take_all(epoch: Epoch) -> usize {
    epoch.map(|batch| batch.unwrap().len()).sum()
}

/// Waits while others read ahead as far as they may.
fn take_slowly(epoch: Epoch) -> usize {
    let batches = epoch.enumerate().take(2 * CELLS / BATCH_SIZE / 5);
    let slow = batches.map(|(number, batch)| {
        if number % 25 == 0 {
            std::thread::sleep(Duration::from_millis(40));
        }
        batch.unwrap().len()
    });
    slow.sum()
}

/// What is there above `before`, once threads that were told to end have given back their buffers.
fn left_over(before: usize) -> usize {
    let started = Instant::now();
    loop {
        let left = MEMORY.current_usage().saturating_sub(before);
        if left < LEFT || started.elapsed() > Duration::from_secs(20) {
            return left;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

// One test, since what other tests take would count.
#[test]
fn an_epoch_holds_its_budget_two_batches_and_little_more() {
    let directory = tempfile::tempdir().unwrap();
    let cases = [
        ("plain.h5ad", Compression::None),
        ("gzip.h5ad", Compression::Gzip(4)),
        ("gzip.zarr", Compression::Gzip(4)),
    ];
    for (name, compression) in cases {
        let mapped = collection(&directory.path().join(name), compression);
        // What threads and first reads leave behind is not part of an epoch.
        take_all(
            loader(&mapped, BatchFormat::Dense, Shuffle::None)
                .epoch()
                .unwrap(),
        );
        let opened = MEMORY.current_usage();
        for format in [BatchFormat::Dense, BatchFormat::Csr] {
            for shuffle in [
                Shuffle::Exact { seed: 1 },
                Shuffle::Block {
                    seed: 1,
                    rows: 16,
                    window: 1_000,
                },
                Shuffle::None,
            ] {
                let loader = loader(&mapped, format, shuffle);
                for (speed, consume) in [
                    ("fast", take_all as fn(Epoch) -> usize),
                    ("slow", take_slowly),
                ] {
                    let peak = peak(&loader, consume);
                    let allowed = BUDGET + 2 * BATCH + BESIDES;
                    println!("{name} {format:?} {shuffle:?} {speed}: {peak} of {allowed}");
                    assert!(
                        peak <= allowed,
                        "{name}, {format:?}, {shuffle:?}, {speed}: {peak} bytes instead of \
                         {allowed} at the most"
                    );
                }
                // In the middle of a window, with another one being read.
                let mut epoch = loader.epoch().unwrap();
                epoch
                    .by_ref()
                    .take(20)
                    .for_each(|batch| drop(batch.unwrap()));
                drop(epoch);
                drop(loader);
                let left = left_over(opened);
                assert!(
                    left < LEFT,
                    "{name}, {format:?}, {shuffle:?}: {left} bytes are left"
                );
            }
        }
    }
}
