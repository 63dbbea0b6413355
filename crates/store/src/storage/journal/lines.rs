//! The file of a journal: its lines, and its lock.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::storage::PartialUpload;
use crate::storage::own_directory::{Access, create_file};

/// What is uploaded, and to where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The root of the storage.
    pub storage: String,
    /// The place in it.
    pub storage_key: String,
    /// Whether it is a directory.
    pub is_directory: bool,
    /// The hash and size of the content.
    pub hash: String,
    /// In bytes.
    pub size: u64,
}

/// A file as it was when it was uploaded: another time or length is another content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// In bytes.
    pub size: u64,
    /// When it was changed last, in nanoseconds since 1970.
    pub modified: u64,
}

/// One line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Line {
    Plan(Plan),
    /// The upload of an object in parts began.
    Begun {
        key: String,
        version: Version,
        id: String,
        part_bytes: u64,
    },
    /// A part is there.
    Part {
        key: String,
        number: u64,
        tag: String,
    },
    /// A whole object is there.
    Written {
        key: String,
        version: Version,
        etag: Option<String>,
    },
}

#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) version: Version,
    pub(super) upload: Option<PartialUpload>,
    /// The tag that the object has, once it is there.
    pub(super) written: Option<Option<String>>,
}

pub(super) fn apply(objects: &mut BTreeMap<String, Known>, line: Line) {
    match line {
        Line::Plan(_) => {}
        Line::Begun {
            key,
            version,
            id,
            part_bytes,
        } => {
            let upload = PartialUpload {
                id,
                part_bytes,
                parts: BTreeMap::new(),
            };
            let known = Known {
                version,
                upload: Some(upload),
                written: None,
            };
            objects.insert(key, known);
        }
        Line::Part { key, number, tag } => {
            let known = objects.get_mut(&key);
            if let Some(upload) = known.and_then(|known| known.upload.as_mut()) {
                upload.parts.insert(number, tag);
            }
        }
        Line::Written { key, version, etag } => {
            let known = Known {
                version,
                upload: None,
                written: Some(etag),
            };
            objects.insert(key, known);
        }
    }
}

/// Opens a journal and takes its lock; `None` if somebody has it, or if it is not there and is not
/// to be made. Where the file system has no locks, two processes may upload the same.
pub(super) fn lock(path: &Path, create: bool) -> Result<Option<File>> {
    let at = |e| Error::io(path.display(), e);
    loop {
        if !create && !path.exists() {
            return Ok(None);
        }
        let file = create_file(path, Access::Write)?;
        match file.try_lock() {
            // Who had it may have removed it.
            Ok(()) if path.exists() => return Ok(Some(file)),
            Ok(()) if create => {}
            Ok(()) | Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Unsupported => {
                return Ok(Some(file));
            }
            Err(TryLockError::Error(e)) => return Err(at(e)),
        }
    }
}

/// Reads a journal up to its end, or to a line that is not whole, which is cut off; `None` if it
/// has no plan.
pub(super) fn read(
    file: &mut File,
    path: &Path,
) -> Result<Option<(Plan, BTreeMap<String, Known>)>> {
    let at = |e| Error::io(path.display(), e);
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(at)?;
    let (mut plan, mut objects, mut whole) = (None, BTreeMap::new(), 0);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let parsed = line.strip_suffix(b"\n").map(serde_json::from_slice::<Line>);
        match parsed {
            Some(Ok(Line::Plan(own))) if plan.is_none() => plan = Some(own),
            Some(Ok(line)) if plan.is_some() => apply(&mut objects, line),
            _ => break,
        }
        whole += line.len() as u64;
    }
    if whole < text.len() as u64 {
        file.set_len(whole).map_err(at)?;
    }
    file.seek(SeekFrom::Start(whole)).map_err(at)?;
    Ok(plan.map(|plan| (plan, objects)))
}
