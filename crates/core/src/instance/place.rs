//! Where artifacts are: finding the storage that a path is in, copying into a storage without
//! ever showing half a file, and paths that never leave their storage.
//!
//! A file inside the root of a storage is registered where it is, and its key is its path
//! relative to the root. Any other file is copied to `.anndex/artifacts/` in the default storage.

pub(super) mod writing;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::record::{Artifact, Storage};
use crate::registry::{Registry, hash, key};
use crate::storage::StorageUrl;

/// The type of storages that are directories.
pub(super) const LOCAL: &str = "local";

/// The directory of an instance in its storage; what is in it is the instance's own.
const OWN_DIRECTORY: &str = ".anndex";

/// Where copies are kept.
const MANAGED: &str = ".anndex/artifacts/";

/// What the names of copies begin with as long as they are not complete.
const PARTIAL: &str = ".partial-";

/// What is in the directory of copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Managed {
    /// Where it is, relative to the root of the storage.
    pub(super) storage_key: String,
    /// Whether it is a copy that is not complete.
    pub(super) is_partial: bool,
    /// Whether its name is one that the instance gives.
    pub(super) is_own: bool,
}

/// All that is in the directory of copies, sorted.
///
/// # Errors
/// `PermissionDenied` or `Storage` if it can't be read.
pub(super) fn list_managed(storage: &Storage) -> Result<Vec<Managed>> {
    let directory = Path::new(&storage.root).join(MANAGED);
    let at = |e| Error::io(directory.display(), e);
    let entries = match directory.read_dir() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(at)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let file_name = entry.map_err(at)?.file_name();
        let name = file_name.to_string_lossy();
        let complete = name.strip_prefix(PARTIAL);
        found.push(Managed {
            storage_key: format!("{MANAGED}{name}"),
            is_partial: complete.is_some(),
            is_own: file_name.to_str().is_some() && is_own_name(complete.unwrap_or(&name)),
        });
    }
    found.sort_unstable_by(|a, b| a.storage_key.cmp(&b.storage_key));
    Ok(found)
}

/// Whether a name is like those of [`managed_key`]: a uid and maybe a suffix.
fn is_own_name(name: &str) -> bool {
    name.split_at_checked(Artifact::UID_LENGTH)
        .is_some_and(|(uid, suffix)| {
            uid.bytes().all(|byte| byte.is_ascii_alphanumeric())
                && (suffix.is_empty() || suffix.starts_with('.'))
        })
}

/// Whether the instance made what is at this place, and so may remove it.
pub(super) fn is_managed(storage_key: &str) -> bool {
    storage_key.starts_with(MANAGED)
}

/// The place for a copy.
pub(super) fn managed_key(name: &str, suffix: &str) -> String {
    format!("{MANAGED}{name}{suffix}")
}

/// The absolute path of a storage's directory as text, links resolved.
pub(super) fn canonical_root(root: &Path) -> Result<String> {
    let path = root
        .canonicalize()
        .map_err(|e| Error::io(root.display(), e))?;
    if !path.is_dir() {
        return Err(Error::invalid_input("a storage is a directory").with("path", root.display()));
    }
    utf8(path.as_os_str(), root)
}

fn utf8(name: &OsStr, path: &Path) -> Result<String> {
    name.to_str().map(str::to_owned).ok_or_else(|| {
        Error::invalid_input("the path is no UTF-8; rename it").with("path", path.display())
    })
}

/// The storage whose root has a path in it, the innermost if there are several, with the key of
/// the path in it. `path` is absolute with links resolved.
///
/// # Errors
/// `InvalidInput` if the path is the root itself, in the instance's own directory, or not fit to
/// be a key.
pub(super) fn locate<'a>(
    path: &Path,
    storages: &'a [Storage],
) -> Result<Option<(&'a Storage, String)>> {
    let innermost = storages
        .iter()
        .filter(|storage| storage.type_ == LOCAL && path.starts_with(&storage.root))
        .max_by_key(|storage| storage.root.len());
    let Some(storage) = innermost else {
        return Ok(None);
    };
    let relative = path.strip_prefix(&storage.root).unwrap_or(path);
    let parts = relative
        .iter()
        .map(|part| utf8(part, path))
        .collect::<Result<Vec<_>>>()?;
    let refuse = |message| Err(Error::invalid_input(message).with("path", path.display()));
    match parts.first().map(String::as_str) {
        None => return refuse("this is the whole storage; register what is in it"),
        Some(OWN_DIRECTORY) => return refuse("this is inside the instance's own directory"),
        Some(_) => {}
    }
    let key = parts.join("/");
    key::check(&key).map_err(|e| e.with("path", path.display()))?;
    Ok(Some((storage, key)))
}

/// As [`locate`], for something at a URL.
///
/// # Errors
/// As [`locate`].
pub(super) fn locate_url<'a>(
    url: &StorageUrl,
    storages: &'a [Storage],
) -> Result<Option<(&'a Storage, String)>> {
    let inside = storages
        .iter()
        .filter(|storage| storage.type_ == url.scheme());
    let inside = inside.filter_map(|storage| {
        let root = StorageUrl::parse(&storage.root).ok()?;
        Some((storage, root.relative(url)?.to_owned()))
    });
    // The innermost root leaves the shortest key.
    let Some((storage, key)) = inside.min_by_key(|(_, key)| key.len()) else {
        return Ok(None);
    };
    let refuse = |message| Err(Error::invalid_input(message).with("url", url));
    match key.split('/').next() {
        None | Some("") => refuse("this is the whole storage; register what is in it"),
        Some(OWN_DIRECTORY) => refuse("this is inside the instance's own directory"),
        Some(_) => Ok(Some((storage, key))),
    }
}

/// The path of something in a storage.
///
/// # Errors
/// `Unsupported` if the storage is no directory; `InvalidInput` if the path would leave it, also
/// through a link; `NotFound` if nothing is there.
pub(super) fn resolve(storage: &Storage, storage_key: &str) -> Result<PathBuf> {
    let path = join(storage, storage_key)?;
    let real = path.canonicalize().map_err(|source| {
        let error = Error::io(path.display(), source);
        match error.kind() {
            ErrorKind::NotFound => Error::not_found(
                "the artifact is not in its storage any more; put the file back, or register it \
                 again",
            )
            .with("path", path.display()),
            _ => error,
        }
    })?;
    let root = canonical_root(Path::new(&storage.root))?;
    if !real.starts_with(&root) {
        return Err(
            Error::invalid_input("this leads out of the storage through a link")
                .with("path", path.display())
                .with("storage", root),
        );
    }
    Ok(path)
}

fn join(storage: &Storage, storage_key: &str) -> Result<PathBuf> {
    if storage.type_ != LOCAL {
        return Err(Error::unsupported(
            "the artifact is not on this machine, so it has no path; cache() brings it here",
        )
        .with("storage", &storage.root));
    }
    key::check(storage_key)?;
    let mut path = PathBuf::from(&storage.root);
    path.extend(storage_key.split('/'));
    Ok(path)
}

/// Copies a file or directory into a storage, where it appears complete or not at all.
///
/// # Errors
/// `Storage`, `PermissionDenied` or `NotFound` if something can't be read or written, or if its size is
/// not the expected one, because it changed meanwhile.
pub(super) fn copy(from: &Path, storage: &Storage, storage_key: &str, size: u64) -> Result<()> {
    let to = join(storage, storage_key)?;
    let (Some(parent), Some(name)) = (to.parent(), to.file_name()) else {
        return Err(Error::invalid_input("the place in storage has no name"));
    };
    fs::create_dir_all(parent).map_err(|e| Error::io(parent.display(), e))?;
    let mut partial_name = PARTIAL.to_owned();
    partial_name.push_str(&utf8(name, &to)?);
    let partial = parent.join(partial_name);
    let copied = copy_to(from, &partial).and_then(|copied| {
        if copied != size {
            return Err(Error::new(
                ErrorKind::Storage,
                "the file changed while it was copied; register it when it is complete",
            )
            .with("path", from.display()));
        }
        fs::rename(&partial, &to).map_err(|e| Error::io(to.display(), e))?;
        sync(parent)
    });
    if let Err(error) = copied {
        discard(&partial);
        return Err(error);
    }
    Ok(())
}

fn copy_to(from: &Path, to: &Path) -> Result<u64> {
    if from.is_file() {
        return copy_file(from, to);
    }
    let mut size = 0u64;
    let mut directories = vec![to.to_owned()];
    fs::create_dir(to).map_err(|e| Error::io(to.display(), e))?;
    for file in hash::files_of(from)? {
        let relative = file.strip_prefix(from).unwrap_or(&file);
        let target = to.join(relative);
        if let Some(parent) = target.parent()
            && !parent.is_dir()
        {
            fs::create_dir_all(parent).map_err(|e| Error::io(parent.display(), e))?;
            directories.push(parent.to_owned());
        }
        size += copy_file(&file, &target)?;
    }
    directories
        .iter()
        .try_for_each(|directory| sync(directory))?;
    Ok(size)
}

fn copy_file(from: &Path, to: &Path) -> Result<u64> {
    let mut source = File::open(from).map_err(|e| Error::io(from.display(), e))?;
    let at = |e| Error::io(to.display(), e);
    // A new file and not a copied one: the source may be read-only.
    let mut target = File::create_new(to).map_err(at)?;
    let copied = std::io::copy(&mut source, &mut target).map_err(at)?;
    target.sync_all().map_err(at)?;
    Ok(copied)
}

/// Makes the names in a directory last.
fn sync(directory: &Path) -> Result<()> {
    if cfg!(unix) {
        let opened = File::open(directory).and_then(|directory| directory.sync_all());
        opened.map_err(|e| Error::io(directory.display(), e))?;
    }
    Ok(())
}

/// Removes a copy that the instance made, complete or not; none being there is no error.
///
/// # Errors
/// `Storage` or `PermissionDenied` if it can't be removed.
pub(super) fn remove(storage: &Storage, storage_key: &str) -> Result<()> {
    if !is_managed(storage_key) {
        return Err(
            Error::invalid_input("the instance removes only what it put there")
                .with("key", storage_key),
        );
    }
    let path = join(storage, storage_key)?;
    remove_at(&path).map_err(|e| Error::io(path.display(), e))
}

fn remove_at(path: &Path) -> std::io::Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Removes what an operation that failed would leave behind. The operation's own error matters
/// more than one from here.
fn discard(path: &Path) {
    if let Err(error) = remove_at(path) {
        tracing::warn!(path = %path.display(), %error, "a partial copy could not be removed");
    }
}

/// As [`discard`], for a complete copy whose record could not be written.
pub(super) fn discard_copy(storage: &Storage, storage_key: &str) {
    if let Err(error) = remove(storage, storage_key) {
        tracing::warn!(%error, "a copy without a record could not be removed");
    }
}
