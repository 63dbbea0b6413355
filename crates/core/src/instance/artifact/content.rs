//! What is known of a file or directory before the database is asked.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::anndata::BackedAnnData;
use crate::backend::{Filter, Query};
use crate::error::{Error, ErrorKind, Result};
use crate::instance::retry::blocking;
use crate::instance::{Instance, place};
use crate::record::{Artifact, Field, RecordData, Storage, Visibility};
use crate::registry::hash::{self, ContentHash};
use crate::registry::key;
use crate::storage::{ObjectReader, RemoteContent, Seen, StorageUrl, StreamOptions};
use crate::store::StoreFormats;

/// What is told how many more bytes were hashed.
#[derive(Clone)]
pub(super) struct Progress(pub(super) Arc<dyn Fn(u64) + Send + Sync>);

impl Default for Progress {
    fn default() -> Self {
        Self(Arc::new(|_| {}))
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

/// Where content is before it is registered.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// At an absolute path, with links resolved.
    Local(PathBuf),
    /// At a URL, where it stays.
    Url(StorageUrl),
}

/// A file or directory with its hash.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) source: Source,
    pub(super) file_name: String,
    pub(super) hash: ContentHash,
    pub(super) size: i64,
    /// The tag that its storage gives it.
    pub(super) etag: Option<String>,
    /// What is at a URL, to be read there.
    remote: Option<RemoteContent>,
}

impl Content {
    /// Reads what is at a path or a URL.
    pub(super) async fn read(db: &Instance, path: &Path, progress: &Progress) -> Result<Self> {
        if let Some(url) = url(path) {
            return Self::read_url(db, url, progress).await;
        }
        let (path, progress) = (path.to_owned(), progress.clone());
        blocking(move || Self::read_local(&path, &progress)).await
    }

    pub(super) fn read_local(path: &Path, progress: &Progress) -> Result<Self> {
        let path = path
            .canonicalize()
            .map_err(|e| Error::io(path.display(), e))?;
        let name = path.file_name().and_then(|name| name.to_str());
        let file_name = name.map(str::to_owned).ok_or_else(|| {
            Error::invalid_input("the name is not UTF-8; rename it").with("path", path.display())
        })?;
        if path.is_dir() {
            check_links(&path)?;
        }
        let hash = hash::hash_path_with(&path, &*progress.0)?;
        Self::new(Source::Local(path), file_name, hash)
    }

    async fn read_url(db: &Instance, url: &str, progress: &Progress) -> Result<Self> {
        let url = StorageUrl::parse(url)?;
        let Some(file_name) = url.key().rsplit('/').next().filter(|name| !name.is_empty()) else {
            return Err(Error::invalid_input(
                "this is the whole storage; register what is in it",
            ));
        };
        let storage = db.object_storage_of(&url)?;
        let seen = Seen::look(storage.as_ref(), url.key(), url.is_prefix()).await?;
        let hash = seen.hash(storage.as_ref(), &*progress.0).await?;
        let (file_name, etag) = (file_name.to_owned(), seen.etag());
        let reader = Arc::new(ObjectReader::new(storage, StreamOptions::default()));
        let remote = RemoteContent::new(reader, url.key(), seen.objects, seen.is_directory);
        Ok(Self {
            etag,
            remote: Some(remote),
            ..Self::new(Source::Url(url), file_name, hash)?
        })
    }

    fn new(source: Source, file_name: String, hash: ContentHash) -> Result<Self> {
        let size = i64::try_from(hash.size)
            .map_err(|_| Error::invalid_input("this is larger than a database can note"))?;
        Ok(Self {
            source,
            file_name,
            hash,
            size,
            etag: None,
            remote: None,
        })
    }

    pub(super) fn is_that_of(&self, artifact: &Artifact) -> bool {
        artifact.hash_type.as_deref() == Some(self.hash.hash_type.as_str())
            && artifact.size == Some(self.size)
    }

    pub(super) fn not_in_trash(&self) -> Filter {
        Filter::eq(Field::Hash, self.hash.hash.as_str())
            .and(Filter::eq(Field::HashType, self.hash.hash_type.as_str()))
            .and(Filter::eq(Field::Size, self.size))
            .and(Filter::ne(Field::Visibility, Visibility::Trash))
    }
}

impl Instance {
    /// All storages, with one for each bucket that content is in and that was none yet.
    pub(super) async fn storages_for(&self, contents: &[&Content]) -> Result<Vec<Storage>> {
        let mut storages = self.select::<Storage>(&Query::new(Storage::KIND)).await?;
        for content in contents {
            if let Source::Url(url) = &content.source
                && place::locate_url(url, &storages)?.is_none()
            {
                storages.push(self.ensure_url_storage(&url.root()).await?);
            }
        }
        Ok(storages)
    }
}

/// Refuses links in a directory that lead out of it, whose content would be taken for its own, and
/// those that would be left out of it: to directories and to nothing.
fn check_links(root: &Path) -> Result<()> {
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        let at = |error| Error::io(directory.display(), error);
        for entry in directory.read_dir().map_err(at)? {
            let entry = entry.map_err(at)?;
            let path = entry.path();
            let file_type = entry.file_type().map_err(at)?;
            if file_type.is_dir() {
                pending.push(path);
                continue;
            }
            if !file_type.is_symlink() {
                continue;
            }
            let problem = match path.canonicalize() {
                Ok(real) if !real.starts_with(root) => "leads out of the directory",
                Ok(real) if real.is_dir() => "leads to a directory",
                Ok(_) => continue,
                Err(_) => "leads to nothing",
            };
            return Err(Error::invalid_input(format!(
                "a link in the directory {problem}; put what is meant in its place, or remove it"
            ))
            .with("link", path.display()));
        }
    }
    Ok(())
}

/// The URL, if it is one and no path.
pub(super) fn url(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| StorageUrl::is_one(text))
}

/// The type of object, by suffix, and the number of observations of an AnnData.
pub(super) fn inspect(
    formats: &StoreFormats,
    content: &Content,
) -> Result<(Option<&'static str>, Option<i64>)> {
    const TABLES: [&str; 7] = [
        ".parquet", ".csv", ".tsv", ".csv.gz", ".tsv.gz", ".ipc", ".feather",
    ];
    const ANNDATA: &str = "AnnData";
    let suffix = key::suffix(&content.file_name).to_lowercase();
    let suffix = suffix.as_str();
    if TABLES.contains(&suffix) {
        return Ok((Some("DataFrame"), None));
    }
    let by_suffix = (suffix == ".h5ad").then_some(ANNDATA);
    if formats.for_path(Path::new(&content.file_name)).is_err() {
        return Ok((by_suffix, None));
    }
    let store = match (&content.source, &content.remote) {
        (Source::Local(path), _) => formats.open(path)?,
        // Little more is read of it than what says where everything is.
        (Source::Url(_), Some(remote)) => formats.open_remote(remote)?,
        (Source::Url(_), None) => return Ok((by_suffix, None)),
    };
    match BackedAnnData::open(store) {
        Ok(adata) => Ok((Some(ANNDATA), i64::try_from(adata.n_obs()).ok())),
        // Other data in the same format, or encodings that only other readers know.
        Err(error) if [ErrorKind::InvalidInput, ErrorKind::Unsupported].contains(&error.kind()) => {
            let name = &content.file_name;
            tracing::warn!(name, %error, "the number of observations is unknown");
            Ok((by_suffix, None))
        }
        Err(error) => Err(error),
    }
}
