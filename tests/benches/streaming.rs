//! An epoch that is streamed from a server, beside the same epoch from local files, which are in the
//! system's cache of files or not.
//!
//! The server is rclone's for the web, since its S3 computes a tag of the whole file for each request.
//! It is behind a proxy that holds each request up for 50 ms. `cargo xtask
//! bench stream` runs this on the files of the other measurements, which `ANNDEX_BENCH_DATA` names
//! (`ANNDEX_BENCH_CASE` a part of the names), and reads a line of JSON for each round. Tests run it
//! on small files, once, so that it keeps working.

#![allow(clippy::unwrap_used, reason = "what is measured must work")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anndex_core::anndata::{AnnData, CsrMatrix, DataFrame, InMemoryMatrix};
use anndex_core::mapped::{BatchFormat, MappedCollection, MappedOptions, Shuffle};
use anndex_core::storage::{ObjectInfo, ObjectReader, ObjectStorage, RemoteContent, StreamOptions};
use anndex_core::store::{Compression, NumericArray};
use anndex_test_server::Rclone;
use anndex_tests::proxy::{Fault, Proxy};
use anndex_tests::servers::{open, variables};
use anndex_tests::{formats, write_file};
use serde_json::json;

const LATENCY: Duration = Duration::from_millis(50);

/// The formats below the directory of data that are measured.
const FORMATS: [&str; 4] = ["h5ad-gzip", "zarr-v3-sharded", "zarr-v2", "h5ad"];

fn main() {
    let given = std::env::var_os("ANNDEX_BENCH_DATA").map(PathBuf::from);
    let small = tempfile::tempdir().unwrap();
    let own = small.path().join("cells");
    let (directory, rounds) = match &given {
        Some(directory) => (directory.as_path(), 3),
        None => {
            write_small(&own);
            (own.as_path(), 1)
        }
    };
    let server = Rclone::http_of_what_stays(directory).unwrap();
    let proxy = Proxy::start(&server.url(), LATENCY, |_, _| Fault::None);
    let storage = open(variables([]), &proxy.url());
    for name in FORMATS {
        let is_asked_for = |case: String| name.contains(&case);
        let Ok(paths) = files(&directory.join(name)) else {
            continue;
        };
        if !std::env::var("ANNDEX_BENCH_CASE").map_or(true, is_asked_for) {
            continue;
        }
        let needed: u64 = paths.iter().map(|path| chunk_bytes(path)).sum();
        for round in 0..rounds {
            let here = MappedCollection::open_paths(&formats(), &paths, &MappedOptions::default());
            let here = here.unwrap();
            // Before the other one, which finds what this has read in the cache.
            let from_disk = forget(&paths).then(|| epoch(&here));
            let local = epoch(&here);
            let begin = Instant::now();
            let requests = proxy.requests();
            let there = open_remote(&storage, directory, &paths);
            let opening = (begin.elapsed(), proxy.requests() - requests);
            let (requests, bytes) = (proxy.requests(), proxy.bytes());
            let streamed = epoch(&there);
            let (requests, bytes) = (proxy.requests() - requests, proxy.bytes() - bytes);
            assert_eq!(local.sum, streamed.sum, "{name}: other cells were streamed");
            let download = download(&storage, directory, &paths, needed);
            let line = json!({
                "name": name,
                "round": round,
                "cells": there.n_obs(),
                "latency_ms": LATENCY.as_millis() as u64,
                "local_seconds": local.seconds,
                "disk_seconds": from_disk.map(|epoch| epoch.seconds),
                "streamed_seconds": streamed.seconds,
                "download_seconds": download,
                "opening_seconds": opening.0.as_secs_f64(),
                "opening_requests": opening.1,
                "requests": requests,
                "bytes": bytes,
                "needed_bytes": needed,
            });
            println!("{line}");
        }
    }
}

/// What an epoch took, and the sum of what it gave.
struct Epoch {
    seconds: f64,
    sum: f64,
}

/// The first epoch of a loader, in blocks as Python's default has them.
fn epoch(mapped: &MappedCollection) -> Epoch {
    let loader = mapped.loader().batch_size(128).format(BatchFormat::Csr);
    let loader = loader
        .shuffle(Shuffle::Block {
            seed: 0,
            rows: 256,
            window: 16_384,
        })
        .memory(1 << 30)
        .build()
        .unwrap();
    let begin = Instant::now();
    let mut sum = 0.0;
    for batch in &loader {
        let batch = batch.unwrap();
        if let Some(InMemoryMatrix::Csr(csr)) = batch.matrix("X") {
            let values = csr.data();
            sum += (0..values.len())
                .step_by(97)
                .filter_map(|i| values.get_f64(i))
                .sum::<f64>();
        }
        batch.recycle(loader.buffers());
    }
    Epoch {
        seconds: begin.elapsed().as_secs_f64(),
        sum,
    }
}

/// Has the system drop what it keeps of files; `false` where that is not known to be done.
#[cfg(target_os = "linux")]
fn forget(paths: &[PathBuf]) -> bool {
    paths.iter().all(|path| match path.is_dir() {
        true => forget(&files(path).unwrap()),
        false => {
            let file = std::fs::File::open(path).unwrap();
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).is_ok()
        }
    })
}

#[cfg(not(target_os = "linux"))]
fn forget(_: &[PathBuf]) -> bool {
    false
}

fn open_remote(
    storage: &Arc<dyn ObjectStorage>,
    root: &Path,
    paths: &[PathBuf],
) -> MappedCollection {
    let options = MappedOptions::default();
    let reader = Arc::new(ObjectReader::new(storage.clone(), options.streaming));
    let contents: Vec<RemoteContent> = paths
        .iter()
        .map(|path| {
            let key = key(root, path);
            let objects = wait(async {
                match path.is_dir() {
                    true => Ok(objects(root, path)),
                    false => storage.head(&key).await.map(|object| vec![object]),
                }
            });
            RemoteContent::new(reader.clone(), &key, objects, path.is_dir())
        })
        .collect();
    MappedCollection::open_remote(&formats(), &contents, &options).unwrap()
}

/// The seconds in which as many bytes come by requests of the same size, when nothing is done with
/// them: what the server, the proxy and this machine let through.
fn download(
    storage: &Arc<dyn ObjectStorage>,
    root: &Path,
    paths: &[PathBuf],
    bytes: u64,
) -> Option<f64> {
    use futures_util::{StreamExt, TryStreamExt, stream};
    const PIECE: u64 = 2 << 20;
    let largest = paths
        .iter()
        .filter(|path| path.is_file())
        .max_by_key(|path| path.metadata().unwrap().len())?;
    let object = wait(storage.head(&key(root, largest)));
    let begin = Instant::now();
    let pieces = (0..bytes.div_ceil(PIECE)).map(|number| {
        let start = number * PIECE % object.size.saturating_sub(PIECE).max(1);
        storage.read(&object, start..object.size.min(start + PIECE))
    });
    let requests = StreamOptions::default().requests;
    let reads = stream::iter(pieces).buffer_unordered(requests);
    wait(reads.try_fold(0, |total, bytes| async move { Ok(total + bytes.len()) }));
    Some(begin.elapsed().as_secs_f64())
}

/// The objects that a bucket would list, which a web server can't.
fn objects(root: &Path, directory: &Path) -> Vec<ObjectInfo> {
    let entries = files(directory).unwrap().into_iter();
    let objects = entries.flat_map(|path| match path.is_dir() {
        true => objects(root, &path),
        false => vec![ObjectInfo {
            key: key(root, &path),
            size: path.metadata().unwrap().len(),
            etag: None,
            modified: None,
        }],
    });
    objects.collect()
}

fn wait<T>(future: impl Future<Output = anndex_core::Result<T>>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future).unwrap()
}

fn key(root: &Path, path: &Path) -> String {
    path.strip_prefix(root)
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned()
}

fn files(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = directory
        .read_dir()?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// The bytes of the chunks that an epoch needs.
fn chunk_bytes(path: &Path) -> u64 {
    let store = formats().open(path).unwrap();
    let arrays = ["X/data", "X/indices"].map(|node| match path.is_dir() {
        true => directory_bytes(&path.join(node)),
        false => {
            let array = store.array(node).unwrap();
            let row = anndex_core::store::Span::new(0, 1);
            // Where chunks are is looked up with the first of them.
            array
                .read_spans(&[row], &mut vec![0; array.info().row_bytes().unwrap()])
                .unwrap();
            store
                .array(node)
                .unwrap()
                .info()
                .stored_bytes
                .unwrap_or_else(|| path.metadata().unwrap().len() / 2)
        }
    });
    arrays.iter().sum()
}

fn directory_bytes(directory: &Path) -> u64 {
    let entries = directory
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let sizes = entries.map(|path| match path.is_dir() {
        true => directory_bytes(&path),
        false => path.metadata().unwrap().len(),
    });
    sizes.sum()
}

fn write_small(directory: &Path) {
    let (cells, genes) = (500, 200);
    let (mut values, mut columns, mut pointers) = (Vec::new(), Vec::new(), vec![0i64]);
    for cell in 0..cells {
        for gene in (cell % 5..genes).step_by(4) {
            values.push((1 + (cell * gene) % 9) as f32);
            columns.push(gene as i32);
        }
        pointers.push(values.len() as i64);
    }
    let values = NumericArray::from_values([values.len()], &values).unwrap();
    let names = |prefix: &str, count: usize| -> DataFrame {
        DataFrame::new((0..count).map(|index| format!("{prefix}{index}")).collect())
    };
    let data = AnnData {
        x: Some(InMemoryMatrix::Csr(
            CsrMatrix::new(genes, values, columns, pointers).unwrap(),
        )),
        obs: names("cell", cells),
        var: names("gene", genes),
        ..AnnData::default()
    };
    for (format, name) in [("h5ad-gzip", "0.h5ad"), ("zarr-v3-sharded", "0.zarr")] {
        std::fs::create_dir_all(directory.join(format)).unwrap();
        let path = directory.join(format).join(name);
        write_file(&path, &data, Compression::Gzip(4), 4000);
    }
}
