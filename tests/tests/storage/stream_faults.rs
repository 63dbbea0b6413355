//! Mapping in place from servers that are slow, fail or change: few requests, no mixture, and no
//! waiting for what nobody needs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anndex_core::backend::memory::MemoryBackend;
use anndex_core::mapped::{BatchFormat, MappedCollection, MappedOptions, Shuffle};
use anndex_core::storage::StreamOptions;
use anndex_core::{ErrorKind, Result};
use anndex_tests::formats;
use anndex_tests::proxy::{Fault, Proxy};
use anndex_tests::registry::instance_with;
use anndex_tests::servers::{BUCKET, S3, drivers};

use crate::streamed::{epoch, register, write_counts};

/// A file behind a proxy, mapped in place.
pub(crate) struct World {
    _directory: tempfile::TempDir,
    file: PathBuf,
    pub(crate) proxy: Proxy,
    pub(crate) mapped: MappedCollection,
    /// How many requests were made to open it.
    opening: u64,
    _server: S3,
}

impl World {
    pub(crate) async fn new(
        (name, n_obs): (&str, usize),
        latency: Duration,
        options: MappedOptions,
        plan: impl Fn(u64, &str) -> Fault + Send + Sync + 'static,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (_, bucket, server) = S3::each(directory.path()).remove(1);
        write_counts(&bucket.join(name), n_obs, 0);
        let proxy = Proxy::start(&server.endpoint(), latency, plan);
        let backend = Arc::new(MemoryBackend::new());
        let storage = directory.path().join("storage");
        let db = instance_with(backend, &storage, drivers());
        let url = format!("s3://{BUCKET}/{name}?endpoint_url={}", proxy.url());
        let collection = register(&db.await.unwrap(), &[url]).await;
        let before = proxy.requests();
        let mapped = collection.mapped().options(options.stream(true));
        let mapped = mapped.open().await.unwrap();
        Self {
            opening: proxy.requests() - before,
            file: bucket.join(name),
            _directory: directory,
            proxy,
            mapped,
            _server: server,
        }
    }
}

const BLOCKS: Shuffle = Shuffle::Block {
    seed: 3,
    rows: 32,
    window: 96,
};

#[tokio::test]
async fn an_epoch_reads_little_more_than_its_chunks_in_few_requests() {
    for name in ["plain.h5ad", "gzip.h5ad", "gzip.zarr"] {
        let options = MappedOptions::default().streaming(StreamOptions::default().gap(1000));
        let world = World::new((name, 12_000), Duration::ZERO, options, |_, _| Fault::None).await;
        // From here on, where chunks are is known.
        world.mapped.get(0).unwrap();
        let (requests, bytes) = (world.proxy.requests(), world.proxy.bytes());
        assert!(world.opening < 30, "{name}: {} to open it", world.opening);
        epoch(&world.mapped, BLOCKS, BatchFormat::Csr, 64 << 20);
        let requests = world.proxy.requests() - requests;
        let bytes = world.proxy.bytes() - bytes;
        let size = |path: &Path| fs::metadata(path).unwrap().len();
        // A chunk of Zarr is an object, which takes a request.
        let (needed, most) = match name.ends_with(".zarr") {
            false => (size(&world.file), 60),
            true => {
                let arrays = ["data", "indices"].map(|array| world.file.join("X").join(array));
                let chunks = arrays.iter().flat_map(|a| a.join("c").read_dir().unwrap());
                let sizes: Vec<u64> = chunks.map(|chunk| size(&chunk.unwrap().path())).collect();
                (sizes.iter().sum(), 20 + sizes.len() as u64)
            }
        };
        assert!(
            bytes as f64 <= 1.2 * needed as f64,
            "{name}: {bytes} of {needed}"
        );
        assert!(requests < most, "{name}: {requests} requests");
    }
}

#[tokio::test]
async fn what_fails_for_a_while_does_no_harm() {
    let world = World::new(
        ("gzip.h5ad", 900),
        Duration::from_millis(5),
        MappedOptions::default().streaming(StreamOptions::default().gap(0)),
        |number, _| match number % 5 {
            1 => Fault::Status(503),
            3 => Fault::Cut(700),
            _ => Fault::None,
        },
    )
    .await;
    let here = MappedCollection::open_paths(&formats(), &[&world.file], &MappedOptions::default());
    let expected = epoch(&here.unwrap(), BLOCKS, BatchFormat::Dense, 8 << 20);
    let batches = epoch(&world.mapped, BLOCKS, BatchFormat::Dense, 8 << 20);
    assert!(expected == batches);
}

#[tokio::test]
async fn what_changes_in_the_middle_is_an_error() {
    for name in ["plain.h5ad", "gzip.zarr"] {
        let world = World::new(
            (name, 3000),
            Duration::ZERO,
            MappedOptions::default(),
            |_, _| Fault::None,
        );
        let world = world.await;
        world.mapped.get(3).unwrap();
        let changed = match name.ends_with(".zarr") {
            true => world.file.join("X/data/c/2"),
            false => world.file.clone(),
        };
        let mut content = fs::read(&changed).unwrap();
        content[0] ^= 1;
        fs::write(&changed, content).unwrap();
        // The server lists objects without entity tags, with times in seconds.
        let later = SystemTime::now() + Duration::from_secs(10);
        let changed = fs::File::options().write(true).open(&changed).unwrap();
        changed.set_modified(later).unwrap();
        let loader = world.mapped.loader().batch_size(64).build().unwrap();
        let error = loader
            .into_iter()
            .find_map(Result::err)
            .unwrap_or_else(|| panic!("{name}: it changed"));
        assert_eq!(error.kind(), ErrorKind::Storage, "{name}: {error:#}");
        assert!(
            format!("{error:#}").contains("changed"),
            "{name}: {error:#}"
        );
    }
}

#[tokio::test]
async fn nobody_waits_for_a_server_that_nobody_needs_any_more() {
    let stalls = Arc::new(AtomicU64::new(0));
    let is_stalled = stalls.clone();
    let world = World::new(
        ("plain.h5ad", 900),
        Duration::ZERO,
        MappedOptions::default(),
        move |_, _| match is_stalled.load(Ordering::Relaxed) {
            0 => Fault::None,
            _ => Fault::Stall(10),
        },
    )
    .await;
    stalls.store(1, Ordering::Relaxed);
    let loader = world.mapped.loader().batch_size(8).build().unwrap();
    let before = world.proxy.requests();
    let epoch = loader.epoch().unwrap();
    while world.proxy.requests() == before {
        std::thread::sleep(Duration::from_millis(5));
    }
    let begin = Instant::now();
    drop(epoch);
    let waited = begin.elapsed();
    // A server that stalls is given up after five seconds.
    assert!(waited < Duration::from_secs(1), "{waited:?}");
}
