//! The limit of the cache, and making room below it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::entry::{Manifest, Names, list, read_plain, write_whole};
use super::lease;
use crate::error::{Error, Result};
use crate::storage::cache_directory;
use crate::storage::own_directory::{Access, create_file};

const SETTINGS: &str = "settings.json";
const LOCK: &str = "room.lock";

#[derive(Debug, Default, Serialize, Deserialize)]
struct Settings {
    limit: Option<u64>,
}

/// What was removed to make room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Freed {
    /// How many copies were removed.
    pub copies: u64,
    /// How many bytes they had.
    pub bytes: u64,
}

/// What clearing the cache did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cleared {
    /// What was removed.
    pub freed: Freed,
    /// How many copies are in use and stay.
    pub used: u64,
}

/// Held while the sizes of all copies are added up, so that two do not take the same room.
pub(super) struct Counting(#[expect(dead_code, reason = "held, not used")] File);

pub(super) fn count(directory: &Path) -> Result<Counting> {
    cache_directory::create(directory)?;
    let path = directory.join(LOCK);
    let at = |e| Error::io(path.display(), e);
    let file = create_file(&path, Access::Lock)?;
    match file.lock() {
        Err(error) if error.kind() != io::ErrorKind::Unsupported => Err(at(error)),
        _ => Ok(Counting(file)),
    }
}

fn settings(directory: &Path) -> PathBuf {
    directory.join(SETTINGS)
}

pub(super) fn limit(directory: &Path) -> Result<Option<u64>> {
    let path = settings(directory);
    match read_plain(&path)? {
        Some(bytes) => serde_json::from_slice::<Settings>(&bytes)
            .map(|settings| settings.limit)
            .map_err(|error| {
                Error::corrupt("the settings of the cache can't be understood; set its limit again")
                    .with("path", path.display())
                    .source_error(error)
            }),
        None => Ok(None),
    }
}

pub(super) fn set_limit(directory: &Path, limit: Option<u64>) -> Result<Freed> {
    let _counting = count(directory)?;
    write_whole(&settings(directory), &Settings { limit })?;
    match limit {
        None => Ok(Freed::default()),
        Some(limit) => free(directory, limit, None),
    }
}

pub(super) fn clear(directory: &Path) -> Result<Cleared> {
    if !directory.is_dir() {
        return Ok(Cleared::default());
    }
    let _counting = count(directory)?;
    let freed = free(directory, 0, None)?;
    sweep(directory)?;
    let used = list(directory)?.len() as u64;
    Ok(Cleared { freed, used })
}

/// Removes what no entry has: what a process left that was killed while it wrote down what a copy
/// is of, or while it removed one.
fn sweep(directory: &Path) -> Result<()> {
    lease::sweep(directory)?;
    let at = |e| Error::io(directory.display(), e);
    for entry in directory.read_dir().map_err(at)? {
        let path = entry.map_err(at)?.path();
        let file_name = path.file_name().unwrap_or_default().to_string_lossy();
        let (name, rest) = file_name.split_once('.').unwrap_or((&file_name, ""));
        let Ok(names) = Names::new(directory, name) else {
            continue;
        };
        let manifest = match rest {
            _ if name == lease::DIRECTORY => continue,
            "" => Some(&names.manifest),
            "partial" => Some(&names.partial_manifest),
            rest if rest.ends_with(".new") => None,
            _ => continue,
        };
        // Who holds the lock is about to write what is missing.
        let Some(_lock) = names.try_lock()? else {
            continue;
        };
        if manifest.is_none_or(|manifest| !manifest.exists()) {
            super::entry::remove(&path)?;
        }
    }
    Ok(())
}

/// Takes the room for a copy, whose lock is held, by writing down what it is to become.
///
/// # Errors
/// `InvalidInput` if there is none.
pub(super) fn reserve(directory: &Path, names: &Names, manifest: &Manifest) -> Result<()> {
    let _counting = count(directory)?;
    if let Some(limit) = limit(directory)? {
        let advice = "raise it with `anndex cache limit`";
        if manifest.size > limit {
            return Err(Error::invalid_input(format!(
                "this has {} bytes, which is more than the limit of the cache ({limit}); {advice}",
                manifest.size
            )));
        }
        free(directory, limit - manifest.size, Some(&names.name))?;
        let entries = list(directory)?.into_iter();
        let others = entries.filter(|entry| entry.name != names.name);
        let others: u64 = others.map(|entry| entry.size).sum();
        if others + manifest.size > limit {
            return Err(Error::invalid_input(format!(
                "{} bytes are needed, but the limit of the cache is {limit}, and {others} of it \
                 are in use; {advice}, or close what uses them",
                manifest.size
            )));
        }
    }
    // What is there of another content is of use for its unchanged files, so it is kept.
    if Manifest::read(&names.partial_manifest)?.as_ref() != Some(manifest) {
        super::entry::remove(&names.partial_manifest)?;
        super::entry::remove(&names.partial)?;
        manifest.write(&names.partial_manifest)?;
    }
    Ok(())
}

/// Removes copies until all others have no more than `limit` bytes together, the one that was not
/// used for the longest time first. `own` does not count and stays, as does what is in use.
fn free(directory: &Path, limit: u64, own: Option<&str>) -> Result<Freed> {
    let mut entries = list(directory)?;
    entries.retain(|entry| own != Some(entry.name.as_str()));
    let mut total: u64 = entries.iter().map(|entry| entry.size).sum();
    let mut freed = Freed::default();
    for entry in entries.iter().filter(|entry| !entry.is_used) {
        if total <= limit {
            break;
        }
        let names = Names::new(directory, &entry.name)?;
        // Whoever works on it is about to use it.
        let Some(_lock) = names.try_lock()? else {
            continue;
        };
        // Nobody can come to use it from here on.
        if lease::names_in_use(directory)?.contains(&entry.name) {
            continue;
        }
        tracing::info!(
            name = entry.name,
            size = entry.size,
            "removed from the cache"
        );
        let bytes = names.remove_all()?;
        total = total.saturating_sub(bytes);
        freed.copies += u64::from(bytes > 0 || entry.size == 0);
        freed.bytes += bytes;
    }
    Ok(freed)
}
