//! The place where a finished store comes to stand: nothing is overwritten there, and names last.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use anndex_store::{Error, ErrorKind, Result};

/// What temporary names begin with, so that nobody takes them for a part of a store.
pub(super) const TEMPORARY: &str = ".anndex-";

/// Writes a file beside its place and moves it there, over what stood there before.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!("{TEMPORARY}{name}.tmp"));
    let written = File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| path.parent().map_or(Ok(()), sync));
    written.map_err(|e| Error::io(path.display(), e))
}

pub(super) fn refuse_existing(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(exists(path)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io(path.display(), error)),
    }
}

pub(super) fn exists(path: &Path) -> Error {
    let message = "something stands here already; choose another path or remove it";
    Error::new(ErrorKind::AlreadyExists, message).with("path", path.display())
}

/// Gives a temporary directory, which only its owner may enter, the usual permissions.
#[cfg(unix)]
pub(super) fn open_to_all(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // A file made beside shows what the user's mask leaves of the usual permissions.
    let probe = directory.join(".mode");
    fs::create_dir(&probe)?;
    let mode = fs::metadata(&probe)?.permissions().mode();
    fs::remove_dir(&probe)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
pub(super) fn open_to_all(_directory: &Path) -> std::io::Result<()> {
    Ok(())
}

/// Makes the names in a directory durable.
#[cfg(unix)]
pub(super) fn sync(directory: &Path) -> std::io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
pub(super) fn sync(_directory: &Path) -> std::io::Result<()> {
    Ok(())
}
