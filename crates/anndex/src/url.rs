//! An instance at a URL: everything about it is in its database.
//!
//! Its default storage is the one that was recorded first, which is what making the instance does.
//! It is a directory that all who use the instance have at the same path, as on a shared file
//! system, or a bucket. The cache is each user's own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anndex_backend_postgres::{PostgresOptions, PostgresUrl, connect};
use anndex_core::backend::{Backend, Query};
use anndex_core::instance::{Instance, Settings};
use anndex_core::mapped::user_cache;
use anndex_core::record::{Kind, RecordData, Storage};
use anndex_core::{Error, ErrorKind, Result};

use crate::drivers::drivers;
use crate::formats::formats;
use crate::location::directory;
use crate::options::InstanceOptions;
use crate::storage_root;

/// Makes the instance, or opens the one that is there.
pub(crate) async fn init_url(
    url: &PostgresUrl,
    text: &str,
    options: InstanceOptions,
) -> Result<Instance> {
    let handle = options.handle()?;
    let given = given_root(&options)?;
    let new = PostgresOptions::new().create(given.is_some());
    let backend = match connect(text, &new).await {
        Err(error) if error.kind() == ErrorKind::NotFound && given.is_none() => {
            return Err(without_storage().source_error(error));
        }
        connected => connected?,
    };
    let backend: Arc<dyn Backend> = Arc::new(backend);
    let opened = async {
        let first = first_storage(backend.as_ref()).await?;
        let is_made = first.is_some();
        let root = match (first, given) {
            (Some(storage), given) => present_root(&storage, given.as_deref())?,
            (None, Some(given)) => {
                storage_root::check(&given).await?;
                given
            }
            (None, None) => return Err(without_storage()),
        };
        let settings = settings(url, root, handle, options)?;
        match is_made {
            true => Instance::new(backend.clone(), settings).await,
            false => Instance::make(backend.clone(), settings).await,
        }
    };
    closed_after_error(opened.await, &backend).await
}

/// Opens the instance that is there.
pub(crate) async fn connect_url(
    url: &PostgresUrl,
    text: &str,
    options: InstanceOptions,
) -> Result<Instance> {
    let handle = options.handle()?;
    let given = given_root(&options)?;
    let backend: Arc<dyn Backend> = Arc::new(connect(text, &PostgresOptions::new()).await?);
    let opened = async {
        let storage = first_storage(backend.as_ref()).await?.ok_or_else(|| {
            Error::not_found(
                "the instance in this database was not made completely; `anndex init` does, with \
                 a storage",
            )
        })?;
        let root = present_root(&storage, given.as_deref())?;
        Instance::new(backend.clone(), settings(url, root, handle, options)?).await
    };
    closed_after_error(opened.await, &backend).await
}

/// The storage that the options name: an absolute path, or a URL.
fn given_root(options: &InstanceOptions) -> Result<Option<PathBuf>> {
    let root = options.storage_root.as_deref();
    let root = root.map(|root| match storage_root::is_url(root) {
        true => storage_root::normal(root),
        false => directory(root),
    });
    root.transpose()
}

async fn first_storage(backend: &dyn Backend) -> Result<Option<Storage>> {
    let first = backend.select(&Query::new(Kind::Storage).limit(1)).await?;
    first
        .into_iter()
        .next()
        .map(Storage::from_record)
        .transpose()
}

/// The directory of the storage, which must be on this machine: an empty one in its place would
/// look as if all artifacts were gone. A bucket is there from everywhere.
fn present_root(storage: &Storage, given: Option<&Path>) -> Result<PathBuf> {
    let root = PathBuf::from(&storage.root);
    if storage_root::is_url(&root) {
        return match given {
            Some(given) if given != root => Err(other_storage(storage)),
            _ => Ok(root),
        };
    }
    let real = root
        .canonicalize()
        .map_err(|source| Error::io(root.display(), source).with("storage", &storage.root));
    let missing = |error: Error| match error.kind() {
        ErrorKind::NotFound => Error::not_found(
            "the storage of the instance is not on this machine; mount it where it is elsewhere",
        )
        .with("path", root.display()),
        _ => error,
    };
    if real.map_err(missing)? != root {
        return Err(Error::invalid_input(
            "the path to the storage of the instance leads through a link on this machine; mount \
             the storage where it is elsewhere",
        )
        .with("path", root.display()));
    }
    let same = |given: &Path| given.canonicalize().is_ok_and(|given| given == root);
    match given {
        Some(given) if !same(given) => Err(other_storage(storage)),
        _ => Ok(root),
    }
}

fn settings(
    url: &PostgresUrl,
    storage_root: PathBuf,
    user_handle: String,
    options: InstanceOptions,
) -> Result<Settings> {
    // One directory for each database, with a name that people recognise.
    let shown = url.to_string();
    let place = shown
        .rsplit_once('@')
        .map_or(shown.as_str(), |(_, place)| place);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let name: String = place
        .trim_start_matches('/')
        .chars()
        .map(|c| if is_plain(c) { c } else { '_' })
        .collect();
    Ok(Settings {
        storage_root,
        storage_uid: None,
        former_registry_ids: Vec::new(),
        cache_dir: user_cache()?.join("postgres").join(name),
        user_handle,
        user_name: options.user_name,
        formats: formats(),
        drivers: drivers(),
    })
}

async fn closed_after_error(
    opened: Result<Instance>,
    backend: &Arc<dyn Backend>,
) -> Result<Instance> {
    if opened.is_err() {
        // The first error counts.
        let _ = backend.close().await;
    }
    opened
}

fn without_storage() -> Error {
    Error::invalid_input(
        "there is no instance in this database yet; to make one, name a directory or a bucket as its storage",
    )
}

fn other_storage(storage: &Storage) -> Error {
    Error::invalid_input("the instance has another storage already; leave the storage out")
        .with("storage", &storage.root)
}
