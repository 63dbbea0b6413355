//! Mapping in place: what is streamed is what is on disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anndex_core::anndata::{
    AnnData, BackedAnnData, CsrMatrix, DataFrame, InMemoryMatrix, MatrixKey,
};
use anndex_core::backend::memory::MemoryBackend;
use anndex_core::instance::{Handle, Instance};
use anndex_core::mapped::{Batch, BatchFormat, MappedCollection, MappedOptions, Shuffle};
use anndex_core::record::Collection;
use anndex_core::storage::StreamOptions;
use anndex_core::store::{Compression, NumericArray};
use anndex_core::{ErrorKind, Result};
use anndex_test_server::Rclone;
use anndex_tests::registry::instance_on;
use anndex_tests::servers::S3;
use anndex_tests::{formats, small_files, write_file};

async fn instance(directory: &Path) -> Instance {
    let backend = Arc::new(MemoryBackend::new());
    instance_on(backend, &directory.join("storage"))
        .await
        .unwrap()
}

/// A collection of what is at these URLs.
pub(super) async fn register<S: AsRef<str>>(db: &Instance, urls: &[S]) -> Handle<Collection> {
    let mut artifacts = Vec::new();
    for url in urls {
        artifacts.push(db.artifact(url.as_ref()).save().await.unwrap());
    }
    let collection = db.collection(&artifacts).name(urls[0].as_ref());
    collection.save().await.unwrap()
}

/// What is at these URLs, mapped in place.
async fn stream<S: AsRef<str>>(
    db: &Instance,
    urls: &[S],
    options: MappedOptions,
) -> Result<MappedCollection> {
    let collection = register(db, urls).await;
    let mapped = collection.mapped().options(options.stream(true));
    mapped.open().await
}

/// Puts a file into a bucket, a zip as the directory that was zipped; its key there.
fn put(file: &Path, bucket: &Path) -> String {
    let name = file.file_name().unwrap().to_str().unwrap();
    let key = name.trim_end_matches(".zip").to_owned();
    let to = bucket.join(&key);
    if name.ends_with(".zip") {
        let archive = fs::File::open(file).unwrap();
        zip::ZipArchive::new(archive).unwrap().extract(&to).unwrap();
    } else if file.is_dir() {
        copy_directory(file, &to);
    } else {
        fs::copy(file, &to).unwrap();
    }
    key
}

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in from.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy_directory(&path, &to),
            false => drop(fs::copy(&path, &to).unwrap()),
        }
    }
}

/// Everything that samples of a file can have.
fn everything(path: &Path) -> Result<MappedOptions> {
    let data = BackedAnnData::open(formats().open(path)?)?;
    let mut layers = data.layers_keys()?;
    let has_x = data.matrix(&MatrixKey::X)?.is_some();
    layers.extend(has_x.then(|| "X".to_owned()));
    let options = MappedOptions::default()
        .layers_keys(layers)
        .obs_keys(data.obs().columns().iter().cloned());
    Ok(options.obsm_keys(data.obsm_keys()?))
}

#[tokio::test]
async fn every_encoding_is_streamed_as_it_is_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    for (name, bucket, server) in S3::each(directory.path()) {
        let db = instance(&directory.path().join(name)).await;
        let conversions = directory.path().join("conversions");
        let mut streamed = 0;
        // One of each kind is enough for the second server.
        let step = if name == "rclone" { 1 } else { 5 };
        for file in small_files().into_iter().step_by(step) {
            let key = put(&file, &bucket);
            let local = bucket.join(&key);
            let shown = format!("{name} {key}");
            let options = match everything(&local) {
                Ok(options) => options.cache_dir(&conversions),
                Err(error) => panic!("{shown}: {error:#}"),
            };
            let here = MappedCollection::open_paths(&formats(), &[&local], &options);
            let there = stream(&db, &[server.url(&key)], options).await;
            match (here, there) {
                (Ok(here), Ok(there)) => {
                    assert_eq!(here.shape(), there.shape(), "{shown}");
                    let all: Vec<u64> = (0..here.n_obs()).rev().collect();
                    let read = |mapped: &MappedCollection| mapped.batch(&all, BatchFormat::Dense);
                    match (read(&here), read(&there)) {
                        (Ok(here), Ok(there)) => assert_eq!(here, there, "{shown}"),
                        (Err(here), Err(there)) => assert_eq!(here.kind(), there.kind(), "{shown}"),
                        (here, there) => panic!("{shown}: {here:?} {there:?}"),
                    }
                    streamed += 1;
                }
                (Err(here), Err(there)) => {
                    assert_eq!(here.kind(), there.kind(), "{shown}: {here:#} {there:#}");
                }
                (Ok(_), Err(there)) => {
                    assert_eq!(there.kind(), ErrorKind::Unsupported, "{shown}: {there:#}");
                    assert!(
                        key.contains("csc") || key.contains("anndata"),
                        "{shown}: {there:#}"
                    );
                    assert!(there.message().contains("leave out `stream`"), "{there:#}");
                }
                (Err(here), Ok(_)) => panic!("{shown}: {here:#}"),
            }
        }
        assert!(streamed * step > 30, "{name}: {streamed}");
        assert!(db.cache().list().unwrap().is_empty(), "{name}");
    }
}

/// Counts of `n_obs` cells, in which every cell is another one.
fn counts(n_obs: usize, n_vars: usize, first: usize) -> AnnData {
    let (mut values, mut indices, mut indptr) = (Vec::new(), Vec::new(), vec![0]);
    for cell in first..first + n_obs {
        for gene in (cell % 7..n_vars).step_by(1 + cell % 5) {
            values.push(((cell * 31 + gene * 17) % 250 + 1) as f32);
            indices.push(gene as i32);
        }
        indptr.push(values.len() as i64);
    }
    let values = NumericArray::from_values([values.len()], &values).unwrap();
    let names = |prefix: &str, from: usize, count: usize| -> DataFrame {
        DataFrame::new(
            (from..from + count)
                .map(|i| format!("{prefix}{i}"))
                .collect(),
        )
    };
    AnnData {
        x: Some(InMemoryMatrix::Csr(
            CsrMatrix::new(n_vars, values, indices, indptr).unwrap(),
        )),
        obs: names("cell", first, n_obs),
        var: names("gene", 0, n_vars),
        ..AnnData::default()
    }
}

/// Files of every layout that matters.
const FILES: [&str; 4] = ["plain.h5ad", "gzip.h5ad", "plain.zarr", "gzip.zarr"];

/// Writes the file number `index` of some, with `n_obs` cells.
pub(super) fn write_counts(path: &Path, n_obs: usize, index: usize) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let compression = match name.starts_with("gzip") {
        true => Compression::Gzip(4),
        false => Compression::None,
    };
    write_file(path, &counts(n_obs, 120, n_obs * index), compression, 4000);
}

pub(super) fn epoch(
    mapped: &MappedCollection,
    shuffle: Shuffle,
    format: BatchFormat,
    memory: u64,
) -> Vec<Batch> {
    let loader = mapped
        .loader()
        .batch_size(64)
        .shuffle(shuffle)
        .format(format);
    let loader = loader.memory(memory).build().unwrap();
    loader.into_iter().map(|batch| batch.unwrap()).collect()
}

#[tokio::test]
async fn epochs_are_those_of_local_files() {
    let directory = tempfile::tempdir().unwrap();
    for (name, bucket, server) in S3::each(directory.path()) {
        let paths: Vec<PathBuf> = FILES.iter().map(|name| bucket.join(name)).collect();
        for (index, path) in paths.iter().enumerate() {
            write_counts(path, 900, index);
        }
        let options = MappedOptions::default();
        let here = MappedCollection::open_paths(&formats(), &paths, &options).unwrap();
        let db = instance(&directory.path().join(name)).await;
        let urls: Vec<_> = FILES.iter().map(|name| server.url(name)).collect();
        let streaming = StreamOptions::default().gap(1000).requests(5);
        let there = stream(&db, &urls, options.streaming(streaming))
            .await
            .unwrap();
        let block = Shuffle::Block {
            seed: 1,
            rows: 16,
            window: 500,
        };
        for shuffle in [Shuffle::None, Shuffle::Exact { seed: 1 }, block] {
            for (format, memory) in [(BatchFormat::Dense, 1 << 20), (BatchFormat::Csr, 64 << 20)] {
                let (here, there) = (
                    epoch(&here, shuffle, format, memory),
                    epoch(&there, shuffle, format, memory),
                );
                assert!(here == there, "{name} {shuffle:?} {format:?}");
            }
        }
        assert!(there.locations().eq(&urls), "{name}");
        let sample = there.get(1000).unwrap();
        assert_eq!(sample, here.get(1000).unwrap(), "{name}");
    }
}

#[tokio::test]
async fn a_web_server_is_streamed_from_and_what_is_cached_is_not() {
    let directory = tempfile::tempdir().unwrap();
    write_counts(&directory.path().join("gzip.h5ad"), 900, 0);
    let server = Rclone::http(directory.path()).unwrap();
    let db = instance(&directory.path().join("instance")).await;
    let url = format!("{}/gzip.h5ad", server.url());
    let mapped = stream(&db, &[&url], MappedOptions::default())
        .await
        .unwrap();
    let path = directory.path().join("gzip.h5ad");
    let here = MappedCollection::open_paths(&formats(), &[&path], &MappedOptions::default());
    assert_eq!(mapped.get(77).unwrap(), here.unwrap().get(77).unwrap());
    assert!(mapped.locations().all(|location| location == url));
    db.artifacts()
        .one()
        .await
        .unwrap()
        .cache()
        .path()
        .await
        .unwrap();
    let mapped = stream(&db, &[&url], MappedOptions::default())
        .await
        .unwrap();
    assert!(mapped.locations().all(|location| !location.contains("://")));
}
