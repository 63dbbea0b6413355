//! The contract of [`ObjectStorage`], tried on a storage whose objects are the files of a local
//! directory, whatever server stands between.

use std::path::Path;
use std::sync::Arc;

use anndex_core::error::ErrorKind;
use anndex_core::storage::{LocalFile, ObjectInfo, ObjectStorage, ReadAt, RemoteFile};

/// Keys that have to come back as they are.
const KEYS: [&str; 6] = [
    "a.bin",
    "dir/b.bin",
    "dir/deep/c.bin",
    "dir-x/d.bin",
    "größe 1+2 (x)=&'~.bin",
    "dir/empty",
];

/// The size of the largest object.
const LARGE: usize = 3 << 20;

/// Runs the suite but for [`run_writing`]. The files that it makes in `directory` are the objects of `storage`.
///
/// # Panics
/// If the storage breaks the contract.
pub async fn run(directory: &Path, storage: Arc<dyn ObjectStorage>) {
    for (index, key) in KEYS.iter().enumerate() {
        write(directory, key, &content(index, key));
    }
    for (index, key) in KEYS.iter().enumerate() {
        reads(storage.as_ref(), key, &content(index, key)).await;
    }
    read_as_a_file(storage.clone(), &content(0, KEYS[0])).await;
    lists(storage.as_ref()).await;
    is_missing(storage.as_ref()).await;
    unfit_keys(storage.as_ref()).await;
    changes(directory, storage.as_ref()).await;
}

/// Runs what goes with [`run`]: objects are written, as a whole and in parts, and deleted through
/// the storage alone, so that a server may remember what is in directories.
///
/// # Panics
/// If the storage breaks the contract.
pub async fn run_writing(directory: &Path, storage: Arc<dyn ObjectStorage>) {
    writes(directory, storage.as_ref()).await;
}

fn content(index: usize, key: &str) -> Vec<u8> {
    let length = match key {
        "dir/empty" => 0,
        "a.bin" => LARGE,
        _ => 1000 + index,
    };
    (0..length).map(|i| ((i * 7 + index) % 251) as u8).collect()
}

fn write(directory: &Path, key: &str, content: &[u8]) {
    let path = directory.join(key);
    let parent = path.parent().expect("a key is below the directory");
    std::fs::create_dir_all(parent).expect("the directory can be made");
    std::fs::write(path, content).expect("the file can be written");
}

async fn head(storage: &dyn ObjectStorage, key: &str) -> ObjectInfo {
    let info = storage.head(key).await;
    info.unwrap_or_else(|e| panic!("{key}: {e:#}"))
}

async fn reads(storage: &dyn ObjectStorage, key: &str, content: &[u8]) {
    let object = head(storage, key).await;
    assert_eq!(object.key, key);
    assert_eq!(object.size, content.len() as u64, "{key}");
    let length = content.len();
    let mut ranges = vec![
        0..length,
        0..length.min(1),
        length..length,
        length / 3..length / 2,
    ];
    if length > 0 {
        ranges.push(length - 1..length);
    }
    for range in ranges {
        let wanted = range.start as u64..range.end as u64;
        let read = storage.read(&object, wanted).await;
        let read = read.unwrap_or_else(|e| panic!("{key} {range:?}: {e:#}"));
        assert!(read == content[range.clone()], "{key} {range:?}");
    }
    let beyond = storage.read(&object, 0..object.size + 1).await;
    assert_eq!(
        beyond.expect_err("this must fail").kind(),
        ErrorKind::InvalidInput,
        "{key}"
    );
}

async fn read_as_a_file(storage: Arc<dyn ObjectStorage>, content: &[u8]) {
    let file = RemoteFile::open(storage, KEYS[0]).await;
    let file = file.unwrap_or_else(|e| panic!("{e:#}"));
    assert_eq!(file.len(), content.len() as u64);
    // From threads without any runtime, many at once.
    std::thread::scope(|scope| {
        for start in [0usize, 1, 4095, 1 << 20] {
            let file = &file;
            scope.spawn(move || {
                let mut out = vec![0; 10_000];
                let read = file.read_exact_at(start as u64, &mut out);
                read.unwrap_or_else(|e| panic!("from {start}: {e}"));
                assert!(out == content[start..start + out.len()], "from {start}");
            });
        }
    });
    let mut out = [0; 2];
    let beyond = file
        .read_exact_at(file.len() - 1, &mut out)
        .expect_err("this must fail");
    assert_eq!(beyond.kind(), std::io::ErrorKind::UnexpectedEof);
}

async fn lists(storage: &dyn ObjectStorage) {
    if !storage.capabilities().list {
        let error = storage.list("dir").await.expect_err("this must fail");
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:#}");
        return;
    }
    let listed = |prefix: &'static str| async move {
        let listed = storage.list(prefix).await;
        let listed = listed.unwrap_or_else(|e| panic!("list {prefix}: {e:#}"));
        for object in &listed {
            assert!(
                head(storage, &object.key).await.is_same_content(object),
                "{object:?}"
            );
        }
        listed
            .into_iter()
            .map(|object| object.key)
            .collect::<Vec<_>>()
    };
    let mut all = KEYS.map(str::to_owned);
    all.sort();
    assert_eq!(listed("").await, all);
    assert_eq!(
        listed("dir").await,
        ["dir/b.bin", "dir/deep/c.bin", "dir/empty"]
    );
    assert_eq!(listed("dir/deep").await, ["dir/deep/c.bin"]);
    assert!(listed("di").await.is_empty());
    assert!(listed("missing").await.is_empty());
    // An object is not inside itself.
    assert!(listed("a.bin").await.is_empty());
}

async fn is_missing(storage: &dyn ObjectStorage) {
    for key in ["missing", "missing/deep/x"] {
        let error = storage.head(key).await.expect_err(key);
        assert_eq!(error.kind(), ErrorKind::NotFound, "{key}: {error:#}");
    }
    // Some servers that stand on a file system fail where a directory is in the way.
    for key in ["dir", "a.bin/below"] {
        let error = storage.head(key).await.expect_err(key);
        let is_fit = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Storage);
        assert!(is_fit, "{key}: {error:#}");
    }
}

async fn unfit_keys(storage: &dyn ObjectStorage) {
    for key in [
        "",
        "../a.bin",
        "dir/../a.bin",
        "/a.bin",
        "dir//b.bin",
        "a\n",
    ] {
        let error = storage.head(key).await.expect_err(key);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{key:?}: {error:#}");
    }
}

/// What was seen is what is read, or nothing is.
async fn changes(directory: &Path, storage: &dyn ObjectStorage) {
    write(directory, "changing", b"before");
    let before = head(storage, "changing").await;
    // Servers without tags tell contents apart by size, and by time to the second.
    write(directory, "changing", b"after all");
    let error = storage
        .read(&before, 0..6)
        .await
        .expect_err("this must fail");
    assert_eq!(error.kind(), ErrorKind::Storage, "{error:#}");
    let error = storage
        .read(&before, 1..3)
        .await
        .expect_err("this must fail");
    assert_eq!(error.kind(), ErrorKind::Storage, "{error:#}");
    let after = head(storage, "changing").await;
    assert!(!after.is_same_content(&before));
    assert_eq!(
        &storage.read(&after, 1..9).await.expect("this must work")[..],
        b"fter all"
    );
    std::fs::remove_file(directory.join("changing")).expect("the file can be removed");
    let gone = storage
        .read(&after, 1..9)
        .await
        .expect_err("this must fail");
    assert_eq!(gone.kind(), ErrorKind::NotFound, "{gone:#}");
}

/// Small objects, and one of several parts.
async fn writes(directory: &Path, storage: &dyn ObjectStorage) {
    let local = directory.join("source");
    write(directory, "source", &[]);
    let key = "written/größe 2.bin";
    for length in [0usize, 1000, (17 << 20) + 1] {
        let content: Vec<u8> = (0..length).map(|i| (i % 249) as u8).collect();
        std::fs::write(&local, &content).expect("the file can be written");
        let source = Arc::new(LocalFile::open(&local).expect("the file is there"));
        let written = storage.write(key, source).await;
        if !storage.capabilities().write {
            let error = written.expect_err("this must fail");
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:#}");
            let error = storage.delete(key).await.expect_err("this must fail");
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:#}");
            return;
        }
        let written = written.unwrap_or_else(|e| panic!("{length} bytes: {e:#}"));
        assert_eq!((written.key.as_str(), written.size), (key, length as u64));
        let there = std::fs::read(directory.join(key)).expect("the file is there");
        assert!(there == content, "{length} bytes");
        let read = storage.read(&written, 0..length as u64).await;
        assert!(read.expect("this must work") == content, "{length} bytes");
    }
    for _ in 0..2 {
        storage.delete(key).await.expect("this must work");
        let gone = storage.head(key).await.expect_err("this must fail");
        assert_eq!(gone.kind(), ErrorKind::NotFound, "{gone:#}");
    }
}
