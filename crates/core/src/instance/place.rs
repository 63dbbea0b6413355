//! Where artifacts are: finding the storage that a path is in, and paths that never leave their
//! storage.
//!
//! A file inside the root of a storage is registered where it is, and its key is its path
//! relative to the root. Any other file is copied into the default storage (see `copies`).

pub(super) mod copies;
pub(super) mod held;
pub(super) mod registries;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::record::Storage;
use crate::registry::key;
use crate::storage::StorageUrl;

/// The type of storages that are directories.
pub(super) const LOCAL: &str = "local";

/// The directory of an instance in its storage; what is in it is the instance's own.
const OWN_DIRECTORY: &str = ".anndex";

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
        Error::invalid_input("the path is not UTF-8; rename it").with("path", path.display())
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
/// `Unsupported` if the storage is not a directory; `InvalidInput` if the path would leave it, also
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
