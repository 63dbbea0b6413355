//! Opening instances: which database a location means, and whether this build has it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anndex_core::backend::Backend;
use anndex_core::instance::{Instance, Settings};
use anndex_core::{Error, ErrorKind, Result};

use crate::directory::{Config, InstanceDirectory};
use crate::drivers::drivers;
use crate::formats::formats;
use crate::location::{self, Location};
use crate::options::InstanceOptions;
use crate::storage_root;

/// Makes an instance in a directory, which is created if it does not exist; one that is there
/// already is opened. The directory is its default storage.
///
/// An instance may also be made in a PostgreSQL database that is there: see [`init_with`].
///
/// # Errors
/// As [`init_with`].
pub async fn init(location: impl AsRef<Path>) -> Result<Instance> {
    init_with(location, InstanceOptions::new()).await
}

/// [`init`] with options.
///
/// At a URL (`postgres://user:password@host/database`) the database must exist, and the options
/// must name the storage: a directory that everybody has at the same path, or a bucket.
///
/// # Errors
/// `Unsupported` if the location is a URL of a database that is not compiled in, or no database
/// for directories is; `InvalidInput` if the location is a file, a URL that can't be understood or
/// one without a storage, or if the instance is there already with another storage; `NotFound`,
/// `PermissionDenied` or `Storage` if the directory can't be written, or a storage at a URL is not
/// there or does not answer; as [`connect_with`] if it is
/// there already. Passwords in URLs are in no error.
pub async fn init_with(location: impl AsRef<Path>, options: InstanceOptions) -> Result<Instance> {
    let location = location.as_ref();
    let made = match Location::new(location) {
        Ok(Location::Directory(directory)) => init_directory(location, &directory, options).await,
        #[cfg(feature = "postgres")]
        Ok(Location::Url(url, text)) => crate::url::init_url(&url, &text, options).await,
        Err(error) => Err(error),
    };
    made.map_err(|error| locate(error, location).operation("init"))
}

/// Opens the instance at a location: a directory, or the URL of a PostgreSQL database, in which
/// [`init`] made it.
///
/// # Errors
/// As [`connect_with`].
pub async fn connect(location: impl AsRef<Path>) -> Result<Instance> {
    connect_with(location, InstanceOptions::new()).await
}

/// [`connect`] with options. An instance keeps the storage that it was made with, so the options
/// must not name another one.
///
/// # Errors
/// `NotFound` if no instance is there, or its storage is not on this machine; `Unsupported` if the location is a URL of a database that
/// is not compiled in, or the instance was made by a newer version of anndex; `InvalidInput` if
/// the user's handle is empty or the storage is another one; `Corrupt` if the database or the
/// configuration is damaged; `PermissionDenied`, `Storage` or `Backend` if it can't be opened.
pub async fn connect_with(
    location: impl AsRef<Path>,
    options: InstanceOptions,
) -> Result<Instance> {
    let location = location.as_ref();
    let opened = match Location::new(location) {
        Ok(Location::Directory(directory)) => connect_directory(&directory, options).await,
        #[cfg(feature = "postgres")]
        Ok(Location::Url(url, text)) => crate::url::connect_url(&url, &text, options).await,
        Err(error) => Err(error),
    };
    opened.map_err(|error| locate(error, location).operation("connect"))
}

/// Says where the instance is. Errors about a URL say so themselves, as far as it may be shown.
fn locate(error: Error, location: &Path) -> Error {
    match location::is_url(location) {
        true => error,
        false => error.with("path", location.display()),
    }
}

async fn init_directory(
    location: &Path,
    directory: &InstanceDirectory,
    mut options: InstanceOptions,
) -> Result<Instance> {
    if let Some(config) = directory.read_config()? {
        return open(directory, &config, options, false).await;
    }
    if location.is_file() {
        return Err(Error::invalid_input(
            "this is a file; an instance is a directory",
        ));
    }
    if let Some(root) = &mut options.storage_root {
        *root = storage_root::normal(root)?;
        storage_root::check(root).await?;
    }
    let own = directory.own();
    std::fs::create_dir_all(&own).map_err(|e| Error::io(own.display(), e))?;
    let mut config = Config::new(options.storage_root.clone());
    let db = open(directory, &config, options, true).await?;
    config.storage_uid = Some(db.storage().uid.clone());
    config.registry_ids = vec![db.registry_id().to_owned()];
    // Last: from here on the instance is complete. Before, init starts over.
    directory.write_config(&config)?;
    Ok(db)
}

async fn connect_directory(
    directory: &InstanceDirectory,
    options: InstanceOptions,
) -> Result<Instance> {
    let config = directory.read_config()?.ok_or_else(|| {
        Error::not_found("there is no instance here; `anndex init` makes one, or name another")
    })?;
    open(directory, &config, options, false).await
}

async fn open(
    directory: &InstanceDirectory,
    config: &Config,
    options: InstanceOptions,
    create: bool,
) -> Result<Instance> {
    if let Some(root) = &options.storage_root
        && config.storage_root != Some(storage_root::normal(root)?)
    {
        return Err(Error::invalid_input(
            "the instance has another storage already; leave the storage out",
        )
        .with("storage", directory.storage_root(config).display()));
    }
    let backend = database(directory, create).await?;
    let settings = Settings {
        storage_root: directory.storage_root(config),
        storage_uid: config.storage_uid.clone(),
        former_registry_ids: match directory.has_storage(config) {
            true => config.registry_ids.clone(),
            false => Vec::new(),
        },
        cache_dir: cache_dir(directory, config, backend.as_ref()),
        user_handle: options.handle()?,
        user_name: options.user_name,
        formats: formats(),
        drivers: drivers(),
    };
    let read_only = backend.capabilities().read_only;
    let db = Instance::new(backend, settings).await?;
    if !create && !read_only {
        note_registry(directory, config, &db)?;
    }
    Ok(db)
}

/// Notes that the registry has another id now, and says so where that matters.
fn note_registry(directory: &InstanceDirectory, config: &Config, db: &Instance) -> Result<()> {
    let known = &config.registry_ids;
    if known.last().is_some_and(|last| last == db.registry_id()) {
        return Ok(());
    }
    if !known.is_empty() && !directory.has_storage(config) {
        tracing::warn!(
            path = %directory.path().display(),
            storage = %db.storage_root().display(),
            "this instance was copied, or moved to another disk, and its storage is elsewhere: \
             copies of artifacts that were made there before stay when their records are deleted"
        );
    }
    let mut config = config.clone();
    config.registry_ids.push(db.registry_id().to_owned());
    match directory.write_config(&config) {
        // Where nothing can be written nothing is removed either.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        written => written,
    }
}

/// The directory of the local cache: that of the instance, or one of the user's where the instance
/// can only be read.
fn cache_dir(directory: &InstanceDirectory, config: &Config, backend: &dyn Backend) -> PathBuf {
    let name = config.storage_uid.as_deref().unwrap_or("default");
    match anndex_core::mapped::user_cache() {
        Ok(cache) if backend.capabilities().read_only => cache.join("instances").join(name),
        _ => directory.cache(),
    }
}

#[cfg(feature = "sqlite")]
async fn database(directory: &InstanceDirectory, create: bool) -> Result<Arc<dyn Backend>> {
    use anndex_backend_sqlite::{SqliteOptions, connect};

    let options = SqliteOptions::new().create(create);
    let backend = connect(directory.database(), &options).await?;
    Ok(Arc::new(backend))
}

#[cfg(not(feature = "sqlite"))]
async fn database(directory: &InstanceDirectory, _create: bool) -> Result<Arc<dyn Backend>> {
    Err(Error::unsupported(
        "no database is compiled in; enable the feature `sqlite` for instances in directories",
    )
    .with("path", directory.database().display()))
}
