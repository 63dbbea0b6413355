//! Damaged files give results or errors: never a panic, a hang, or memory without bounds.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anndex_store::storage::{
    ObjectInfo, ObjectReader, ObjectStorage, ReadAt, RemoteFile, StorageCapabilities, StreamOptions,
};
use anndex_store::{Array, DataType, NodeKind, Store, read_all, read_all_strings};
use anndex_store::{Error, ErrorKind, Result};
use anndex_store_hdf5::Hdf5Store;
use async_trait::async_trait;

const FLIPS_PER_FILE: u64 = 100;
const LONGEST: Duration = Duration::from_secs(1);
const LARGEST_PEAK_KIB: u64 = 1 << 20;

/// A file held in memory, whose length can lie like that of a file that shrank.
#[derive(Debug)]
struct Bytes {
    bytes: Vec<u8>,
    claimed_len: u64,
}

impl Bytes {
    fn new(bytes: Vec<u8>) -> Arc<Self> {
        let claimed_len = bytes.len() as u64;
        Arc::new(Self { bytes, claimed_len })
    }
}

impl ReadAt for Bytes {
    fn len(&self) -> u64 {
        self.claimed_len
    }

    fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let bytes = self.bytes.get(offset as usize..);
        match bytes.and_then(|bytes| bytes.get(..out.len())) {
            Some(bytes) => {
                out.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// A server with that file.
#[derive(Debug)]
struct Server(Arc<Bytes>);

impl Server {
    /// The file, to be read in place.
    fn file(bytes: Arc<Bytes>) -> Arc<RemoteFile> {
        let object = ObjectInfo {
            key: "damaged.h5ad".to_owned(),
            size: bytes.claimed_len,
            etag: None,
            modified: None,
        };
        let reader = ObjectReader::new(Arc::new(Self(bytes)), StreamOptions::default());
        Arc::new(RemoteFile::new(Arc::new(reader), Arc::new(object)))
    }
}

fn is_for_reading<T>() -> Result<T> {
    Err(Error::unsupported("this is for reading"))
}

#[async_trait]
impl ObjectStorage for Server {
    fn location(&self) -> &str {
        "memory"
    }

    fn capabilities(&self) -> StorageCapabilities {
        StorageCapabilities {
            list: false,
            write: false,
        }
    }

    async fn read(&self, _: &ObjectInfo, range: Range<u64>) -> Result<bytes::Bytes> {
        let mut bytes = vec![0; (range.end - range.start) as usize];
        let read = self.0.read_exact_at(range.start, &mut bytes);
        read.map_err(|e| Error::io("damaged.h5ad", e))?;
        Ok(bytes.into())
    }

    async fn head(&self, _: &str) -> Result<ObjectInfo> {
        is_for_reading()
    }

    async fn list(&self, _: &str) -> Result<Vec<ObjectInfo>> {
        is_for_reading()
    }

    async fn write(&self, _: &str, _: Arc<dyn ReadAt>) -> Result<ObjectInfo> {
        is_for_reading()
    }

    async fn delete(&self, _: &str) -> Result<()> {
        is_for_reading()
    }
}

/// Reads all that there is; returns the errors.
fn read_everything(bytes: Arc<dyn ReadAt>) -> Vec<Error> {
    let mut errors = Vec::new();
    match Hdf5Store::from_bytes(bytes, "damaged.h5ad") {
        Ok(store) => read_group(&store, "", &mut errors),
        Err(error) => errors.push(error),
    }
    errors
}

fn read_group(store: &Hdf5Store, path: &str, errors: &mut Vec<Error>) {
    errors.extend(store.attributes(path).err());
    let children = match store.children(path) {
        Ok(children) => children,
        Err(error) => return errors.push(error),
    };
    for (name, kind) in children {
        let path = match path {
            "" => name,
            path => format!("{path}/{name}"),
        };
        match kind {
            // Damage may make cycles.
            NodeKind::Group if path.matches('/').count() > 4 => {}
            NodeKind::Group => read_group(store, &path, errors),
            NodeKind::Unreadable => errors.extend(store.node(&path).err()),
            NodeKind::Array => {
                errors.extend(store.attributes(&path).err());
                match store.array(&path) {
                    Ok(array) => read_array(&*array, errors),
                    Err(error) => errors.push(error),
                }
            }
        }
    }
}

fn read_array(array: &dyn Array, errors: &mut Vec<Error>) {
    match &array.info().data_type {
        DataType::Struct(fields) => {
            for field in fields {
                match array.field(&field.name) {
                    Ok(field) => read_array(&*field, errors),
                    Err(error) => errors.push(error),
                }
            }
        }
        DataType::String => errors.extend(read_all_strings(array).err().map(named)),
        _ => errors.extend(read_all(array).err().map(named)),
    }
}

/// What refuses implausible shapes does not know the file; those who call it add the name.
fn named(error: Error) -> Error {
    error.with("path", "damaged.h5ad")
}

/// Reads a damaged file within the bounds, here and from a server; returns whether it gave any
/// error.
fn check(name: &str, bytes: Vec<u8>) -> bool {
    let bytes = Bytes::new(bytes);
    let failed = check_read(&format!("{name}, on a server"), Server::file(bytes.clone()));
    check_read(name, bytes) && failed
}

fn check_read(name: &str, bytes: Arc<dyn ReadAt>) -> bool {
    let timed = || {
        let start = Instant::now();
        (read_everything(bytes.clone()), start.elapsed())
    };
    let (errors, mut elapsed) = timed();
    if elapsed > LONGEST {
        // A busy machine is not a hang: that would be as slow again.
        elapsed = timed().1;
    }
    assert!(elapsed < LONGEST, "{name} took {elapsed:?}");
    for error in &errors {
        assert_eq!(
            error.context("path"),
            Some("damaged.h5ad"),
            "{name}: {error}"
        );
        assert_ne!(error.kind(), ErrorKind::InvalidInput, "{name}: {error}");
    }
    !errors.is_empty()
}

/// The largest memory this process has had, where the system tells.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn assert_memory_is_bounded() {
    if let Some(peak) = peak_kib() {
        assert!(peak < LARGEST_PEAK_KIB, "{peak} KiB were used");
    }
}

fn files() -> Vec<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut files: Vec<_> = ["filters.h5", "earliest.h5", "latest.h5"]
        .iter()
        .map(|name| data.join(name))
        .collect();
    files.extend(fixtures());
    files
}

/// Real files, from the folder that the environment names.
fn fixtures() -> Vec<PathBuf> {
    let Some(folder) = std::env::var_os("ANNDEX_FIXTURES") else {
        assert!(
            std::env::var_os("CI").is_none(),
            "ANNDEX_FIXTURES must name the folder of real files"
        );
        eprintln!("ANNDEX_FIXTURES is not set: real files are left out");
        return Vec::new();
    };
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "h5ad"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no .h5ad in the folder of fixtures");
    files
}

/// The same numbers on every machine (splitmix64).
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[test]
fn whole_files_read_without_errors() {
    for path in files() {
        let errors = read_everything(Bytes::new(std::fs::read(&path).unwrap()));
        let unexpected: Vec<_> = errors
            .iter()
            .filter(|error| error.kind() != ErrorKind::Unsupported)
            .collect();
        assert!(unexpected.is_empty(), "{}: {unexpected:?}", path.display());
        let is_real = path.extension().is_some_and(|suffix| suffix == "h5ad");
        assert!(!is_real || errors.is_empty(), "{errors:?}");
    }
}

#[test]
fn what_claims_to_be_past_the_end_is_refused_on_a_server_as_here() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    for name in ["past_the_end_a.h5ad", "past_the_end_b.h5ad"] {
        let refused = check(name, std::fs::read(data.join(name)).unwrap());
        assert!(refused, "{name}");
    }
}

#[test]
fn cut_files_are_refused() {
    for path in files() {
        let bytes = std::fs::read(&path).unwrap();
        for percent in (0..100).step_by(5) {
            let name = format!("{} cut to {percent}%", path.display());
            let cut = bytes[..bytes.len() * percent / 100].to_vec();
            assert!(check(&name, cut), "{name}");
        }
    }
    assert_memory_is_bounded();
}

#[test]
fn files_that_shrink_while_open_give_errors() {
    for path in files() {
        let bytes = std::fs::read(&path).unwrap();
        let claimed_len = bytes.len() as u64;
        for percent in (0..100).step_by(5) {
            let bytes = bytes[..bytes.len() * percent / 100].to_vec();
            let bytes = Arc::new(Bytes { bytes, claimed_len });
            let errors = read_everything(bytes.clone());
            assert!(!errors.is_empty(), "{} at {percent}%", path.display());
            let errors = read_everything(Server::file(bytes));
            assert!(!errors.is_empty(), "{} from a server", path.display());
        }
    }
    assert_memory_is_bounded();
}

#[test]
fn flipped_bits_never_break_the_reader() {
    let mut state = 20;
    for path in files() {
        let bytes = std::fs::read(&path).unwrap();
        for _ in 0..FLIPS_PER_FILE {
            let bit = random(&mut state) % (bytes.len() as u64 * 8);
            let mut flipped = bytes.clone();
            flipped[(bit / 8) as usize] ^= 1 << (bit % 8);
            check(
                &format!("{} with bit {bit} flipped", path.display()),
                flipped,
            );
        }
        // Whole bytes of the first kilobytes, where the structure is dense.
        for _ in 0..FLIPS_PER_FILE {
            let mut changed = bytes.clone();
            for _ in 0..3 {
                let place = random(&mut state) % bytes.len().min(8192) as u64;
                changed[place as usize] = random(&mut state) as u8;
            }
            check(&format!("{} with bytes changed", path.display()), changed);
        }
    }
    assert_memory_is_bounded();
}
