//! A hierarchy in a zip archive, stored or deflated, read-only.

use std::collections::HashMap;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use anndex_store::storage::{LocalFile, ReadAt, open_file};
use anndex_store::{Error, Result};
use flate2::read::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive};

use super::{DOCUMENTS, Storage, Value};

/// The largest deflated member that is inflated.
const INFLATE_LIMIT: u64 = 1 << 30;

/// An archive whose table of contents is held in memory.
#[derive(Debug)]
pub(crate) struct Zip {
    file: Arc<LocalFile>,
    members: HashMap<String, Member>,
}

/// Where a member lies in the archive.
#[derive(Debug, Clone, Copy)]
struct Member {
    position: u64,
    compressed: u64,
    size: u64,
    deflated: bool,
}

impl Zip {
    /// Reads the table of contents. The hierarchy may stand in a folder of the archive.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = open_file(path).map_err(|e| Error::io(path.display(), e))?;
        let failed = |e: zip::result::ZipError| {
            Error::corrupt("this is neither a Zarr directory nor a zip archive of one")
                .source_error(e)
        };
        let reader = file.try_clone().map_err(|e| Error::io(path.display(), e))?;
        let mut archive = ZipArchive::new(BufReader::new(reader)).map_err(failed)?;
        let mut members = HashMap::new();
        for index in 0..archive.len() {
            let entry = archive.by_index_raw(index).map_err(failed)?;
            if entry.is_dir() || entry.is_symlink() {
                continue;
            }
            let deflated = match entry.compression() {
                CompressionMethod::STORE if !entry.encrypted() => false,
                CompressionMethod::DEFLATE if !entry.encrypted() => true,
                method => {
                    let message = format!(
                        "members of the archive are encrypted or compressed as {method}; \
                         zip the directory again, stored or deflated"
                    );
                    return Err(Error::unsupported(message).with("file", entry.name()));
                }
            };
            let member = Member {
                position: entry.data_start(),
                compressed: entry.compressed_size(),
                size: entry.size(),
                deflated,
            };
            // Writers append new versions of a member; the last one counts.
            members.insert(entry.name().to_owned(), member);
        }
        check_overlap(&members)?;
        let root = root(&members)?;
        let members = members
            .into_iter()
            .filter_map(|(name, member)| Some((name.strip_prefix(&root)?.to_owned(), member)))
            .collect();
        Ok(Self {
            file: LocalFile::from_file(path, file)?.into(),
            members,
        })
    }

    fn inflate(&self, key: &str, member: Member) -> Result<Vec<u8>> {
        if member.size > INFLATE_LIMIT {
            let message = format!("a member of {} bytes is too large to inflate", member.size);
            return Err(Error::unsupported(message).with("file", key));
        }
        let compressed = self.bytes(key, member.position, member.compressed)?;
        let mut bytes = Vec::new();
        DeflateDecoder::new(&compressed[..])
            .take(member.size.saturating_add(1))
            .read_to_end(&mut bytes)
            .ok()
            .filter(|&size| size as u64 == member.size)
            .ok_or_else(|| {
                Error::corrupt("a member of the archive is damaged").with("file", key)
            })?;
        Ok(bytes)
    }

    /// Reads in blocks, so that a damaged length fails before its memory is taken.
    fn bytes(&self, key: &str, position: u64, length: u64) -> Result<Vec<u8>> {
        const BLOCK: u64 = 1 << 20;
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < length {
            let start = bytes.len();
            let count = (length - start as u64).min(BLOCK);
            bytes.resize(start + count as usize, 0);
            self.fill(
                key,
                position.saturating_add(start as u64),
                &mut bytes[start..],
            )?;
        }
        Ok(bytes)
    }

    fn fill(&self, key: &str, position: u64, out: &mut [u8]) -> Result<()> {
        let read = self.file.read_exact_at(position, out);
        read.map_err(|e| self.failed(key, e))
    }

    fn failed(&self, key: &str, error: io::Error) -> Error {
        Error::io(self.file.path().display(), error).with("file", key)
    }
}

/// Refuses an archive whose members share bytes, by which few of them could be any number.
fn check_overlap(members: &HashMap<String, Member>) -> Result<()> {
    let mut ranges: Vec<(u64, u64)> = members
        .values()
        .map(|member| (member.position, member.compressed))
        .filter(|(_, length)| *length > 0)
        .collect();
    ranges.sort_unstable();
    let overlap = |pair: &[(u64, u64)]| pair[0].0.saturating_add(pair[0].1) > pair[1].0;
    match ranges.windows(2).any(overlap) {
        false => Ok(()),
        true => Err(Error::corrupt(
            "members of the archive overlap; zip the directory again",
        )),
    }
}

/// The folder, with a trailing `/`, of the outermost node.
fn root(members: &HashMap<String, Member>) -> Result<String> {
    let folders = members.keys().filter_map(|name| {
        let (folder, file) = match name.rsplit_once('/') {
            Some((folder, file)) => (format!("{folder}/"), file),
            None => (String::new(), name.as_str()),
        };
        DOCUMENTS.contains(&file).then_some(folder)
    });
    let mut folders: Vec<String> = folders.collect();
    folders.sort_by_cached_key(|folder| (folder.matches('/').count(), folder.clone()));
    folders.dedup();
    let Some(root) = folders.first() else {
        return Err(Error::corrupt("there is no Zarr group in this archive"));
    };
    match folders.iter().find(|folder| !folder.starts_with(root)) {
        None => Ok(root.clone()),
        Some(other) => Err(Error::corrupt(format!(
            "this archive holds more than one Zarr store, such as {root} and {other}"
        ))),
    }
}

impl Storage for Zip {
    fn open(&self, key: &str) -> Result<Option<Value>> {
        let Some(&member) = self.members.get(key) else {
            return Ok(None);
        };
        if member.deflated {
            return self.inflate(key, member).map(Value::memory).map(Some);
        }
        // A damaged length fails before memory is taken for it.
        let end = member.position.checked_add(member.size);
        if end.is_none_or(|end| end > self.file.len()) {
            return Err(Error::corrupt("the file ends too early").with("file", key));
        }
        let file = self.file.clone();
        Ok(Some(Value::part(file, member.position, member.size)))
    }

    fn size(&self, key: &str) -> Result<Option<u64>> {
        Ok(self.members.get(key).map(|member| member.size))
    }

    fn directories(&self, key: &str) -> Result<Vec<String>> {
        let prefix = match key {
            "" => String::new(),
            key => format!("{key}/"),
        };
        let names = self.members.keys().filter_map(|name| {
            let (directory, _) = name.strip_prefix(&prefix)?.split_once('/')?;
            Some(directory.to_owned())
        });
        let names: std::collections::HashSet<_> = names.collect();
        Ok(names.into_iter().collect())
    }
}
