//! An instance in a directory: what is where in it, and how it is found.

use std::env;
use std::fs;
use std::io::{ErrorKind as Io, Write};
use std::path::{Path, PathBuf};

use anndex_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use crate::storage_root;

/// The environment variable with the location of the instance.
pub const DATABASE_VARIABLE: &str = "ANNDEX_DB";

/// What belongs to the instance itself is in here; all else in the directory is the user's.
const OWN_DIRECTORY: &str = ".anndex";
const CONFIG: &str = "config.json";
const DATABASE: &str = "registry.sqlite";
const CACHE: &str = "cache";

/// The format of the configuration that this version writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// The configuration of an instance, in `.anndex/config.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Config {
    format: u32,
    /// The default storage, a directory or a URL, if it is not the directory of the instance.
    pub(crate) storage_root: Option<PathBuf>,
    /// The uid of the default storage, by which it is known after the directory was moved.
    pub(crate) storage_uid: Option<String>,
    /// The ids that the registry had, the current one last: another one means that the directory
    /// was copied, or moved to another disk.
    #[serde(default)]
    pub(crate) registry_ids: Vec<String>,
}

impl Config {
    pub(crate) fn new(storage_root: Option<PathBuf>) -> Self {
        Self {
            format: FORMAT,
            storage_root,
            storage_uid: None,
            registry_ids: Vec::new(),
        }
    }
}

/// The directory of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InstanceDirectory(PathBuf);

impl InstanceDirectory {
    /// A directory, which need not exist.
    pub(crate) fn new(path: &Path) -> Result<Self> {
        let path = std::path::absolute(path).map_err(|e| Error::io(path.display(), e))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn own(&self) -> PathBuf {
        self.0.join(OWN_DIRECTORY)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.own().join(DATABASE)
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.own().join(CACHE)
    }

    fn config(&self) -> PathBuf {
        self.own().join(CONFIG)
    }

    pub(crate) fn storage_root(&self, config: &Config) -> PathBuf {
        match &config.storage_root {
            Some(root) if storage_root::is_url(root) => root.clone(),
            Some(root) => self.0.join(root),
            None => self.0.clone(),
        }
    }

    /// Whether the default storage is this directory or one in it, so that both are only ever moved
    /// and copied together.
    pub(crate) fn has_storage(&self, config: &Config) -> bool {
        let root = self.storage_root(config).canonicalize();
        let (Ok(root), Ok(own)) = (root, self.0.canonicalize()) else {
            return false;
        };
        // A disk that is mounted inside stays where it is when the directory is copied.
        root.starts_with(&own)
            && is_on_disk_of(&root, &self.own())
            && is_on_disk_of(&root.join(OWN_DIRECTORY), &self.own())
    }

    /// The configuration; `None` if there is no instance here, or none that is complete.
    pub(crate) fn read_config(&self) -> Result<Option<Config>> {
        let path = self.config();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if matches!(e.kind(), Io::NotFound | Io::NotADirectory) => return Ok(None),
            Err(e) if e.kind() == Io::InvalidData => {
                return Err(Error::corrupt("the configuration is not text")
                    .with("path", path.display())
                    .source_error(e));
            }
            Err(e) => return Err(Error::io(path.display(), e)),
        };
        // The format first: a newer one may have fields that are not what they are now.
        let corrupt = |e: serde_json::Error| {
            Error::corrupt(
                "the configuration of the instance can't be understood; put it right, or remove \
                 it and init the instance again, which keeps all records",
            )
            .with("path", path.display())
            .source_error(e)
        };
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let Format { format } = serde_json::from_str(&text).map_err(corrupt)?;
        if format > FORMAT {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "the instance was made by a newer version of anndex; use that one or newer",
            )
            .with("path", path.display()));
        }
        serde_json::from_str(&text).map(Some).map_err(corrupt)
    }

    /// Writes the configuration, which is what makes the directory an instance.
    pub(crate) fn write_config(&self, config: &Config) -> Result<()> {
        let path = self.config();
        let at = |e| Error::io(path.display(), e);
        let mut file = tempfile::NamedTempFile::new_in(self.own()).map_err(at)?;
        let text = serde_json::to_string_pretty(config).map_err(|e| at(e.into()))?;
        writeln!(file, "{text}").map_err(at)?;
        file.as_file().sync_all().map_err(at)?;
        file.persist(&path).map_err(|e| at(e.error))?;
        Ok(())
    }
}

/// Whether two paths are on one disk; one that is not there is on any.
#[cfg(unix)]
fn is_on_disk_of(path: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    match (path.metadata(), other.metadata()) {
        (Ok(one), Ok(other)) => one.dev() == other.dev(),
        _ => true,
    }
}

#[cfg(not(unix))]
fn is_on_disk_of(_path: &Path, _other: &Path) -> bool {
    true
}

/// The nearest directory that is an instance: `start` itself or one above it.
///
/// # Errors
/// `NotFound` if there is none; `Storage` if the current directory, which a relative `start` is
/// relative to, is gone.
pub fn find_instance(start: impl AsRef<Path>) -> Result<PathBuf> {
    let start = InstanceDirectory::new(start.as_ref())?.0;
    let mut above = start.ancestors();
    let found = above.find(|directory| directory.join(OWN_DIRECTORY).join(CONFIG).is_file());
    found.map(Path::to_owned).ok_or_else(|| {
        Error::not_found(format!(
            "there is no instance here nor in a directory above; make one with `anndex init`, or \
             say which one with --db or {DATABASE_VARIABLE}"
        ))
        .operation("find the instance")
        .with("path", start.display())
    })
}

/// The location of the instance to work with: that of the environment variable `ANNDEX_DB` if it
/// is set, else the one that the current directory belongs to.
///
/// # Errors
/// As [`find_instance`].
pub fn discover() -> Result<PathBuf> {
    match env::var_os(DATABASE_VARIABLE) {
        Some(location) if !location.is_empty() => Ok(location.into()),
        _ => find_instance("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_an_instance_once_it_is_configured() {
        let root = tempfile::tempdir().unwrap();
        let inside = root.path().join("a/b");
        fs::create_dir_all(&inside).unwrap();
        let directory = InstanceDirectory::new(root.path()).unwrap();
        fs::create_dir(directory.own()).unwrap();
        assert_eq!(directory.read_config().unwrap(), None);
        assert!(find_instance(&inside).is_err());
        let config = Config::new(Some("storage".into()));
        directory.write_config(&config).unwrap();
        assert_eq!(directory.read_config().unwrap(), Some(config.clone()));
        assert_eq!(find_instance(&inside).unwrap(), root.path());
        assert_eq!(directory.storage_root(&config), root.path().join("storage"));
    }

    #[test]
    fn configurations_that_are_not_ours_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let directory = InstanceDirectory::new(root.path()).unwrap();
        fs::create_dir(directory.own()).unwrap();
        let kind = |text: &[u8]| {
            fs::write(directory.config(), text).unwrap();
            directory.read_config().unwrap_err().kind()
        };
        assert_eq!(kind(b"{"), ErrorKind::Corrupt);
        assert_eq!(kind(b"\xff"), ErrorKind::Corrupt);
        assert_eq!(
            kind(b"{\"format\": 2, \"storage_root\": {}}"),
            ErrorKind::Unsupported
        );
        assert_eq!(
            kind(b"{\"format\": 1, \"storage_root\": {}}"),
            ErrorKind::Corrupt
        );
    }
}
