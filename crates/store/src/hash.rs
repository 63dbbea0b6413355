//! Hashes of content, equal to those that lamindb computes, so that the same content is known as
//! the same in both.

use std::fs::File;
use std::io::{ErrorKind as IoErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use md5::{Digest, Md5};
use rayon::prelude::*;
use sha1::Sha1;

use crate::error::{Error, Result};
use crate::operation::{self, carried};

/// Files up to this many bytes are hashed whole; of larger ones the first and the last so many.
const CHUNK_BYTES: u64 = 50 * 1024 * 1024;

/// How many characters of a hash are kept.
pub const HASH_LENGTH: usize = 22;

const BUFFER_BYTES: usize = 256 * 1024;

/// How a hash was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashType {
    /// md5 of a file.
    Md5,
    /// sha1 of the sha1 of the first and of the last 50 MiB of a file. It does not see a change
    /// in between.
    Sha1FirstLast,
    /// md5 of the md5s of the sorted hashes of the files in a directory. It does not see names.
    Md5Directory,
}

impl HashType {
    const ALL: [Self; 3] = [Self::Md5, Self::Sha1FirstLast, Self::Md5Directory];

    /// The type with this name, if there is one.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    /// The name that records keep: `"md5"`, `"sha1-fl"` or `"md5-d"`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1FirstLast => "sha1-fl",
            Self::Md5Directory => "md5-d",
        }
    }
}

/// The hash and size of a file or directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentHash {
    /// 22 characters of base64url.
    pub hash: String,
    /// How it was computed.
    pub hash_type: HashType,
    /// Size in bytes, of all files together.
    pub size: u64,
    /// Number of files, for a directory.
    pub n_objects: Option<u64>,
}

impl ContentHash {
    /// The hash of a directory with files of these hashes.
    pub fn of_directory(files: Vec<Self>) -> Self {
        Self {
            size: files.iter().map(|hash| hash.size).sum(),
            n_objects: Some(files.len() as u64),
            hash: hash_of_hashes(files.into_iter().map(|hash| hash.hash).collect()),
            hash_type: HashType::Md5Directory,
        }
    }
}

/// Hashes a file, or the files of a directory in parallel.
///
/// # Errors
/// `NotFound`, `PermissionDenied` or `Storage` if something can't be read; `InvalidInput` if it
/// is neither file nor directory, or a directory without files.
pub fn hash_path(path: &Path) -> Result<ContentHash> {
    hash_path_with(path, &|_| {})
}

/// [`hash_path`], which tells after each file how many bytes it has. The calls come from many
/// threads.
///
/// # Errors
/// As [`hash_path`].
pub fn hash_path_with(path: &Path, progress: &(dyn Fn(u64) + Sync)) -> Result<ContentHash> {
    let metadata = path.metadata().map_err(|e| Error::io(path.display(), e))?;
    if metadata.is_file() {
        hash_file(path).inspect(|hash| progress(hash.size))
    } else if metadata.is_dir() {
        hash_directory(path, progress)
    } else {
        Err(
            Error::invalid_input("this is neither a file nor a directory")
                .with("path", path.display()),
        )
    }
}

/// Hashes a file, reading 100 MiB of it at most, in small pieces.
///
/// # Errors
/// `NotFound`, `PermissionDenied` or `Storage` if it can't be read; `Corrupt` if it shrinks
/// meanwhile.
pub fn hash_file(path: &Path) -> Result<ContentHash> {
    let at = |error| Error::io(path.display(), error);
    let mut file = File::open(path).map_err(at)?;
    let size = file.metadata().map_err(at)?.len();
    let mut hasher = FileHasher::new(size);
    for range in hasher.ranges() {
        operation::check()?;
        file.seek(SeekFrom::Start(range.start)).map_err(at)?;
        read_exactly(&mut file, range.end - range.start, |bytes| {
            hasher.update(bytes);
        })
        .map_err(at)?;
    }
    Ok(hasher.finish())
}

/// The hash of a file whose bytes come from anywhere: those of [`FileHasher::ranges`], in order.
#[derive(Debug, Clone)]
pub struct FileHasher {
    size: u64,
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    Whole(Md5),
    /// The two ends, and how many bytes of the first are still to come.
    Ends(Sha1, Sha1, u64),
}

impl FileHasher {
    /// For a file of `size` bytes.
    pub fn new(size: u64) -> Self {
        let state = match size <= CHUNK_BYTES {
            true => State::Whole(Md5::new()),
            false => State::Ends(Sha1::new(), Sha1::new(), CHUNK_BYTES),
        };
        Self { size, state }
    }

    /// The bytes that the hash covers, one range after the other. Two may overlap.
    pub fn ranges(&self) -> Vec<Range<u64>> {
        match self.state {
            State::Whole(_) => std::iter::once(0..self.size).collect(),
            State::Ends(..) => vec![0..CHUNK_BYTES, self.size - CHUNK_BYTES..self.size],
        }
    }

    /// Takes the next bytes, all of which are of one range.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Whole(md5) => md5.update(bytes),
            State::Ends(_, last, 0) => last.update(bytes),
            State::Ends(first, _, left) => {
                first.update(bytes);
                *left = left.saturating_sub(bytes.len() as u64);
            }
        }
    }

    /// The hash, once all bytes were taken.
    pub fn finish(self) -> ContentHash {
        let (hash, hash_type) = match self.state {
            State::Whole(md5) => (encode(&md5.finalize()), HashType::Md5),
            State::Ends(first, last, _) => {
                let both = Sha1::new()
                    .chain_update(first.finalize())
                    .chain_update(last.finalize());
                (encode(&both.finalize()), HashType::Sha1FirstLast)
            }
        };
        ContentHash {
            hash,
            hash_type,
            size: self.size,
            n_objects: None,
        }
    }
}

/// Hashes the files of a directory in parallel.
fn hash_directory(path: &Path, progress: &(dyn Fn(u64) + Sync)) -> Result<ContentHash> {
    let files = files_of(path)?;
    if files.is_empty() {
        return Err(Error::invalid_input("the directory has no files").with("path", path.display()));
    }
    let hashes = files
        .par_iter()
        .map(carried(|file: &PathBuf| {
            hash_file(file).inspect(|hash| progress(hash.size))
        }))
        .collect::<Result<Vec<_>>>()?;
    Ok(ContentHash::of_directory(hashes))
}

/// Reads what [`hash_file`] passes over: the middle of a large file, which may have become
/// unreadable.
///
/// # Errors
/// As [`hash_file`].
pub fn read_middle(path: &Path) -> Result<()> {
    let at = |error| Error::io(path.display(), error);
    let mut file = File::open(path).map_err(at)?;
    let size = file.metadata().map_err(at)?.len();
    if let Some(middle) = size.checked_sub(2 * CHUNK_BYTES) {
        file.seek(SeekFrom::Start(CHUNK_BYTES)).map_err(at)?;
        std::io::copy(&mut file.take(middle), &mut std::io::sink()).map_err(at)?;
    }
    Ok(())
}

/// All files below a directory, sorted. Links to files count as files; linked directories are not
/// entered, and what is neither file nor directory does not count.
///
/// # Errors
/// `NotFound`, `PermissionDenied` or `Storage` if a directory can't be read.
pub fn files_of(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(directory) = pending.pop() {
        let at = |error| Error::io(directory.display(), error);
        for entry in directory.read_dir().map_err(at)? {
            let entry = entry.map_err(at)?;
            let path = entry.path();
            let file_type = entry.file_type().map_err(at)?;
            if file_type.is_dir() {
                pending.push(path);
            } else if file_type.is_file() || path.is_file() {
                files.push(path);
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// The hash of a collection: md5 of the distinct hashes of its artifacts, sorted and joined with
/// `:`.
pub fn hash_set<'a>(hashes: impl IntoIterator<Item = &'a str>) -> String {
    let mut hashes: Vec<&str> = hashes.into_iter().collect();
    hashes.sort_unstable();
    hashes.dedup();
    hash_bytes(hashes.join(":").as_bytes())
}

/// The md5 hash of bytes, the same as that of a small file with these bytes.
pub fn hash_bytes(bytes: &[u8]) -> String {
    encode(&Md5::digest(bytes))
}

fn hash_of_hashes(mut hashes: Vec<String>) -> String {
    hashes.sort_unstable();
    let digests = hashes.iter().fold(Md5::new(), |all, hash| {
        all.chain_update(Md5::digest(hash.as_bytes()))
    });
    encode(&digests.finalize())
}

/// Hands on exactly the next `length` bytes.
fn read_exactly(file: &mut File, length: u64, mut take: impl FnMut(&[u8])) -> std::io::Result<()> {
    // Many small files must not clear a large buffer each.
    let mut buffer = vec![0; usize::try_from(length).map_or(BUFFER_BYTES, |l| l.min(BUFFER_BYTES))];
    let mut left = length;
    while left > 0 {
        let wanted = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        match file.read(&mut buffer[..wanted]) {
            Ok(0) => return Err(IoErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                take(&buffer[..read]);
                left -= read as u64;
            }
            Err(error) if error.kind() == IoErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn encode(digest: &[u8]) -> String {
    let mut text = URL_SAFE_NO_PAD.encode(digest);
    text.truncate(HASH_LENGTH);
    text
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_has_neither_order_nor_repetition(hashes: Vec<String>, turn: usize) {
            let forward = hash_set(hashes.iter().map(String::as_str));
            let turn = turn.checked_rem(hashes.len()).unwrap_or(0);
            let turned = hashes[turn..].iter().chain(&hashes).map(String::as_str);
            prop_assert_eq!(&hash_set(turned), &forward);
            prop_assert_eq!(forward.len(), HASH_LENGTH);
        }
    }

    // The constants are what lamindb_setup.core.hashing gives (lamindb-setup 1.27.0).
    const FILES: &[(usize, &str, HashType)] = &[
        (0, "1B2M2Y8AsgTpgAmY7PhCfg", HashType::Md5),
        (1, "k7iFrf4NoInN9jSQT9WfcQ", HashType::Md5),
        (1000, "ok8ePvZpUOEyfyEOOZe6LA", HashType::Md5),
        (52_428_800, "3W44Ct3v_5UwbvG_2jY37w", HashType::Md5),
        (
            52_428_801,
            "2Y-qIegYfDU3oH6VDyMaUu",
            HashType::Sha1FirstLast,
        ),
        (
            104_869_945,
            "4xRkGXH2-a7JZQCVxrk9ec",
            HashType::Sha1FirstLast,
        ),
    ];
    const DIRECTORY: &str = "tN35N0mUu5rGDa1WZQ8EYQ";
    const SET: &str = "2BYMmz3CDU6TGutPRSYhVQ";

    /// The bytes that the constants were computed for.
    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|i| (i % 251) as u8).collect()
    }

    #[test]
    fn files_hash_as_in_lamindb() {
        let directory = tempfile::tempdir().unwrap();
        for (length, expected, hash_type) in FILES {
            let path = directory.path().join("file");
            fs::write(&path, pattern(*length)).unwrap();
            let found = hash_path(&path).unwrap();
            assert_eq!(found.hash, *expected, "{length} bytes");
            assert_eq!(found.hash_type, *hash_type);
            assert_eq!(found.size, *length as u64);
        }
    }

    #[test]
    fn directories_hash_as_in_lamindb() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("one.txt"), pattern(1)).unwrap();
        fs::write(root.join("a/two.txt"), pattern(2)).unwrap();
        fs::write(root.join("a/b/empty"), b"").unwrap();
        let found = hash_path(root).unwrap();
        assert_eq!(found.hash, DIRECTORY);
        assert_eq!((found.size, found.n_objects), (3, Some(3)));
        assert_eq!(found.hash_type.as_str(), "md5-d");
    }

    #[test]
    fn sets_hash_as_in_lamindb() {
        assert_eq!(hash_set(["b", "a", "b"]), SET);
        assert_eq!(hash_set(["a", "b"]), SET);
        assert_eq!(hash_bytes(b""), "1B2M2Y8AsgTpgAmY7PhCfg");
    }

    #[test]
    fn what_has_no_content_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        assert!(hash_path(directory.path()).is_err());
        assert!(hash_path(&directory.path().join("missing")).is_err());
    }
}
