//! How many requests and bytes it takes to read from a server.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anndex_core::Result;
use anndex_core::anndata::{AnnData, BackedAnnData, CsrMatrix, DataFrame, InMemoryMatrix};
use anndex_core::mapped::{BatchFormat, MappedCollection, MappedOptions, Shuffle};
use anndex_core::storage::{
    LocalDirectory, ObjectInfo, ObjectReader, ObjectStorage, ReadAt, RemoteContent,
    StorageCapabilities, StreamOptions,
};
use anndex_core::store::{Array, Compression, NumericArray, Span, Store};
use anndex_tests::{formats, write_file};
use async_trait::async_trait;
use bytes::Bytes;

use crate::streamed::{epoch, write_counts};

/// A directory whose files are objects, which counts what is asked for.
#[derive(Debug)]
struct Counted {
    directory: LocalDirectory,
    requests: AtomicU64,
    bytes: AtomicU64,
}

impl Counted {
    fn open(directory: &Path) -> Arc<Self> {
        Arc::new(Self {
            directory: LocalDirectory::open(directory).unwrap(),
            requests: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        })
    }

    fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// What is at a key, to be read in place.
    async fn content(self: &Arc<Self>, key: &str, options: StreamOptions) -> RemoteContent {
        let listed = self.directory.list(key).await.unwrap();
        let is_directory = !listed.is_empty();
        let objects = match is_directory {
            true => listed,
            false => vec![self.head(key).await.unwrap()],
        };
        let reader = Arc::new(ObjectReader::new(self.clone(), options));
        RemoteContent::new(reader, key, objects, is_directory)
    }

    async fn store(self: &Arc<Self>, key: &str, options: StreamOptions) -> Arc<dyn Store> {
        let content = self.content(key, options).await;
        formats().open_remote(&content).unwrap()
    }
}

#[async_trait]
impl ObjectStorage for Counted {
    fn location(&self) -> &str {
        self.directory.location()
    }

    fn capabilities(&self) -> StorageCapabilities {
        self.directory.capabilities()
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        self.directory.head(key).await
    }

    async fn read(&self, object: &ObjectInfo, range: Range<u64>) -> Result<Bytes> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let bytes = range.end - range.start;
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.directory.read(object, range).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>> {
        self.directory.list(prefix).await
    }

    async fn write(&self, key: &str, source: Arc<dyn ReadAt>) -> Result<ObjectInfo> {
        self.directory.write(key, source).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.directory.delete(key).await
    }
}

fn read(array: &dyn Array, spans: &[Span]) -> Vec<u8> {
    let rows: u64 = spans.iter().map(Span::len).sum();
    let mut out = vec![0; rows as usize * array.info().row_bytes().unwrap()];
    array.read_spans(spans, &mut out).unwrap();
    out
}

#[tokio::test]
async fn what_was_read_ahead_takes_no_more_requests() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Counted::open(directory.path());
    let spans = [Span::new(100, 5000), Span::new(9000, 20_000)];
    let parts = [
        vec![Span::new(100, 101)],
        vec![Span::new(4000, 5000), Span::new(9000, 9001)],
        vec![Span::new(10_000, 20_000)],
    ];
    for name in ["plain.h5ad", "gzip.h5ad", "plain.zarr", "gzip.zarr"] {
        let path = directory.path().join(name);
        write_counts(&path, 3000, 0);
        let here = formats().open(&path).unwrap().array("X/data").unwrap();
        assert!(here.read_ahead(&spans).unwrap().is_none(), "{name}");
        let there = storage.store(name, StreamOptions::default().gap(0)).await;
        let there = there.array("X/data").unwrap();
        let ahead = there.read_ahead(&spans).unwrap().unwrap();
        let requests = storage.requests();
        for part in &parts {
            assert_eq!(read(&*ahead, part), read(&*here, part), "{name}");
        }
        assert_eq!(storage.requests(), requests, "{name}");
        // The rest is read all the same.
        let others = [Span::new(0, 50), Span::new(30_000, 31_000)];
        assert_eq!(read(&*ahead, &others), read(&*here, &others), "{name}");
        assert!(storage.requests() > requests, "{name}");
    }
}

/// Cells with a count each, in chunks of so many counts.
fn write_cells(path: &Path, n_obs: usize, chunk_elements: u64) {
    let values: Vec<f32> = (0..n_obs).map(|cell| (cell % 200 + 1) as f32).collect();
    let columns = (0..n_obs).map(|cell| (cell % 3) as i32).collect();
    let pointers = (0..=n_obs as i64).collect();
    let values = NumericArray::from_values([n_obs], &values).unwrap();
    let names = |count: usize| -> DataFrame {
        DataFrame::new((0..count).map(|i| format!("some name {i:08}")).collect())
    };
    let data = AnnData {
        x: Some(InMemoryMatrix::Csr(
            CsrMatrix::new(3, values, columns, pointers).unwrap(),
        )),
        obs: names(n_obs),
        var: names(3),
        ..AnnData::default()
    };
    write_file(path, &data, Compression::Gzip(1), chunk_elements);
}

#[tokio::test]
async fn text_and_trees_of_chunks_are_read_in_few_requests() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Counted::open(directory.path());
    let n_obs = 50_000;
    let path = directory.path().join("cells.h5ad");
    // Trees of chunks have nodes between root and leaves.
    write_cells(&path, n_obs, 10);
    let store = storage.store("cells.h5ad", StreamOptions::default()).await;
    let data = BackedAnnData::open(store.clone()).unwrap();
    let opened = storage.requests();
    assert!(opened <= 12, "{opened} to open it");
    let names = data.obs().index().unwrap();
    assert_eq!(names.iter().nth(40_000), Some("some name 00040000"));
    let requests = storage.requests() - opened;
    assert!(requests <= 12, "{requests} for the names");

    let before = storage.requests();
    let there = store.array("X/data").unwrap();
    let here = formats().open(&path).unwrap().array("X/data").unwrap();
    let some = [Span::new(1000, 1500), Span::new(40_000, 40_100)];
    assert_eq!(read(&*there, &some), read(&*here, &some));
    let requests = storage.requests() - before;
    assert!(requests <= 16, "{requests} for two pieces and the tree");
}

#[tokio::test]
async fn a_shuffled_epoch_that_fits_reads_nothing_twice() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Counted::open(directory.path());
    let path = directory.path().join("cells.h5ad");
    write_cells(&path, 20_000, 50);
    let content = storage.content("cells.h5ad", StreamOptions::default().gap(0));
    let options = MappedOptions::default();
    let there = MappedCollection::open_remote(&formats(), &[content.await], &options).unwrap();
    there.get(0).unwrap();
    let here = MappedCollection::open_paths(&formats(), &[&path], &options).unwrap();
    let shuffle = Shuffle::Exact { seed: 5 };
    let expected = epoch(&here, shuffle, BatchFormat::Csr, 64 << 20);
    let (requests, bytes) = (storage.requests(), storage.bytes());
    assert!(expected == epoch(&there, shuffle, BatchFormat::Csr, 64 << 20));
    let requests = storage.requests() - requests;
    let bytes = storage.bytes() - bytes;
    let needed: u64 = ["X/data", "X/indices"]
        .iter()
        .map(|array| {
            let array = formats().open(&path).unwrap().array(array).unwrap();
            read(&*array, &[Span::new(0, 1)]);
            array
                .info()
                .stored_bytes
                .unwrap_or(path.metadata().unwrap().len() / 2)
        })
        .sum();
    // Even the first batch, whose cells are spread over the whole file.
    assert!(requests <= 8, "{requests} requests");
    assert!(bytes <= needed, "{bytes} of {needed} bytes");
}
