//! The inner loops of reading, each by the smallest call that reaches it: decoding chunks, filling
//! dense rows, joining variables, packing what was decoded, encoding labels.
//!
//! `cargo bench -p anndex-tests` measures them. Tests run each once, so that they keep working.

#![allow(clippy::unwrap_used, reason = "what is measured must work")]
#![allow(
    missing_docs,
    reason = "criterion's macros make items without documentation"
)]

use std::hint::black_box;
use std::path::{Path, PathBuf};

use anndex_core::anndata::{
    AnnData, Categorical, Column, CsrMatrix, DataFrame, InMemoryMatrix, Values,
};
use anndex_core::mapped::{BatchFormat, Buffers, Join, MappedCollection, MappedOptions};
use anndex_core::store::{Compression, NumericArray, Span};
use anndex_tests::{formats, write_file};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tempfile::TempDir;

const CELLS: usize = 2_000;
const GENES: usize = 20_000;
/// Values other than 0 in a cell.
const VALUES: usize = 1_000;
const CHUNK_ELEMENTS: u64 = 32_000;
const BATCH: usize = 128;

/// Numbers that look random, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        // A linear congruential generator, of which the upper half is good enough.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % bound
    }
}

/// Counts as they are in cells: most are small, one in a hundred is larger than a byte.
fn counts(first_gene: usize) -> AnnData {
    let mut numbers = Numbers(7);
    let (mut columns, mut values, mut pointers) = (Vec::new(), Vec::new(), vec![0i64]);
    for _ in 0..CELLS {
        for value in 0..VALUES {
            let step = GENES / VALUES;
            columns.push((value * step + numbers.below(step)) as i32);
            let is_large = numbers.below(100) == 0;
            values.push((1 + numbers.below(if is_large { 900 } else { 6 })) as f32);
        }
        pointers.push(values.len() as i64);
    }
    let data = NumericArray::from_values([values.len()], &values).unwrap();
    let genes = first_gene..first_gene + GENES;
    let names = ["T cell", "B cell", "monocyte", "NK cell"].map(str::to_owned);
    let codes = (0..CELLS).map(|_| numbers.below(4) as i32).collect();
    let names = Values::Strings(names.into_iter().collect());
    let cell_type = Column::Categorical(Categorical::new(codes, names, false).unwrap());
    let cells = DataFrame::new((0..CELLS).map(|cell| format!("cell{cell}")).collect());
    AnnData {
        x: Some(InMemoryMatrix::Csr(
            CsrMatrix::new(GENES, data, columns, pointers).unwrap(),
        )),
        obs: cells.with_column("cell_type", cell_type).unwrap(),
        var: DataFrame::new(genes.map(|gene| format!("gene{gene:06}")).collect()),
        ..AnnData::default()
    }
}

/// The files that are read, below one directory.
struct Files {
    directory: TempDir,
}

impl Files {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (data, others) = (counts(0), counts(GENES / 10));
        let write = |name: &str, data, compression| {
            write_file(
                &directory.path().join(name),
                data,
                compression,
                CHUNK_ELEMENTS,
            );
        };
        write("plain.h5ad", &data, Compression::None);
        write("others.h5ad", &others, Compression::None);
        write("deflate.h5ad", &data, Compression::Gzip(4));
        write("zstd.zarr", &data, Compression::Zstd(3));
        Self { directory }
    }

    fn paths(&self, names: &[&str]) -> Vec<PathBuf> {
        let path = |name: &&str| self.directory.path().join(name);
        names.iter().map(path).collect()
    }

    fn mapped(&self, names: &[&str], options: MappedOptions) -> MappedCollection {
        MappedCollection::open_paths(&formats(), &self.paths(names), &options).unwrap()
    }
}

/// Observations in an order like that of an epoch.
fn batches(n_obs: usize) -> impl FnMut() -> Vec<u64> {
    let mut numbers = Numbers(1);
    move || (0..BATCH).map(|_| numbers.below(n_obs) as u64).collect()
}

fn read_batches(
    criterion: &mut Criterion,
    name: &str,
    mapped: &MappedCollection,
    format: BatchFormat,
) {
    let mut next = batches(mapped.n_obs() as usize);
    let buffers = Buffers::new();
    let mut group = criterion.benchmark_group("batch");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            let batch = mapped.batch_reusing(&next(), format, &buffers).unwrap();
            black_box(&batch);
            batch.recycle(&buffers);
        });
    });
    group.finish();
}

fn chunk_decode(criterion: &mut Criterion) {
    let files = Files::new();
    let mut group = criterion.benchmark_group("chunk_decode");
    let mut read = |name: &str, path: &Path, node: &str| {
        let array = formats().open(path).unwrap().array(node).unwrap();
        let mut out = vec![0; CHUNK_ELEMENTS as usize * 4];
        group.throughput(Throughput::Bytes(out.len() as u64));
        group.bench_function(name, |bencher| {
            let span = [Span::new(CHUNK_ELEMENTS, 2 * CHUNK_ELEMENTS)];
            bencher.iter(|| array.read_spans(&span, black_box(&mut out)).unwrap());
        });
    };
    let [plain, deflate, zstd] =
        ["plain.h5ad", "deflate.h5ad", "zstd.zarr"].map(|name| files.directory.path().join(name));
    read("hdf5/none/data", &plain, "X/data");
    read("hdf5/deflate/data", &deflate, "X/data");
    read("hdf5/deflate/indices", &deflate, "X/indices");
    read("zarr/zstd/data", &zstd, "X/data");
    read("zarr/zstd/indices", &zstd, "X/indices");
}

fn csr_scatter(criterion: &mut Criterion) {
    let files = Files::new();
    // After the first reads every chunk is in memory, packed.
    let kept = files.mapped(&["deflate.h5ad"], MappedOptions::default());
    read_batches(criterion, "dense/kept", &kept, BatchFormat::Dense);
    read_batches(criterion, "csr/kept", &kept, BatchFormat::Csr);
    let stored = files.mapped(&["plain.h5ad"], MappedOptions::default());
    read_batches(criterion, "dense/stored", &stored, BatchFormat::Dense);
    read_batches(criterion, "csr/stored", &stored, BatchFormat::Csr);
}

fn join_remap(criterion: &mut Criterion) {
    let files = Files::new();
    for (name, join) in [("inner", Join::Inner), ("outer", Join::Outer)] {
        let options = MappedOptions::default().join(join);
        let mapped = files.mapped(&["plain.h5ad", "others.h5ad"], options);
        read_batches(
            criterion,
            &format!("dense/{name}"),
            &mapped,
            BatchFormat::Dense,
        );
        read_batches(criterion, &format!("csr/{name}"), &mapped, BatchFormat::Csr);
    }
}

/// Decoding and packing, since nothing is kept from one batch to the next.
fn pack(criterion: &mut Criterion) {
    let files = Files::new();
    let options = MappedOptions::default().chunk_cache(0);
    let mapped = files.mapped(&["deflate.h5ad"], options);
    read_batches(criterion, "csr/decoded", &mapped, BatchFormat::Csr);
}

/// Opening, of which the labels are the largest part where there are no row pointers to read.
fn encode(criterion: &mut Criterion) {
    let files = Files::new();
    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Elements(CELLS as u64));
    group.bench_function("open", |bencher| {
        let options = MappedOptions::default().obs_keys(["cell_type"]);
        bencher.iter(|| black_box(files.mapped(&["plain.h5ad"], options.clone())));
    });
    group.finish();
}

criterion_group!(
    inner_loops,
    chunk_decode,
    csr_scatter,
    join_remap,
    pack,
    encode
);
criterion_main!(inner_loops);
