//! Opening instances: which database a location means, and whether this build has it.

use std::path::Path;
use std::sync::Arc;

use anndex_core::backend::Backend;
use anndex_core::instance::{Instance, Settings};
use anndex_core::{Error, Result};

use crate::directory::{Config, InstanceDirectory};
use crate::formats::formats;
use crate::options::InstanceOptions;

/// URLs that name a database, with the feature that opens them.
const SCHEMES: [(&str, &str); 2] = [("postgres", "postgres"), ("postgresql", "postgres")];

/// Makes an instance in a directory, which is created if it does not exist; one that is there
/// already is opened. The directory is its default storage.
///
/// # Errors
/// As [`init_with`].
pub async fn init(location: impl AsRef<Path>) -> Result<Instance> {
    init_with(location, InstanceOptions::new()).await
}

/// [`init`] with options.
///
/// # Errors
/// `Unsupported` if the location is a URL, or no database for directories is compiled in;
/// `InvalidInput` if the location is a file, or the instance is there already with another
/// storage; `PermissionDenied` or `Storage` if the directory can't be written; as [`connect`] if
/// it is there already.
pub async fn init_with(location: impl AsRef<Path>, options: InstanceOptions) -> Result<Instance> {
    let location = location.as_ref();
    init_directory(location, options)
        .await
        .map_err(|e| e.operation("init").with("path", location.display()))
}

/// Opens the instance at a location: a directory that [`init`] made.
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
/// `NotFound` if no instance is there; `Unsupported` if the location is a URL of a database that
/// is not compiled in, or the instance was made by a newer version of anndex; `InvalidInput` if
/// the user's handle is empty or the storage is another one; `Corrupt` if the database or the
/// configuration is damaged; `PermissionDenied`, `Storage` or `Backend` if it can't be opened.
pub async fn connect_with(
    location: impl AsRef<Path>,
    options: InstanceOptions,
) -> Result<Instance> {
    let location = location.as_ref();
    connect_directory(location, options)
        .await
        .map_err(|e| e.operation("connect").with("path", location.display()))
}

async fn init_directory(location: &Path, options: InstanceOptions) -> Result<Instance> {
    let directory = directory(location)?;
    if let Some(config) = directory.read_config()? {
        return open(&directory, &config, options, false).await;
    }
    if location.is_file() {
        return Err(Error::invalid_input(
            "this is a file; an instance is a directory",
        ));
    }
    if let Some(root) = &options.storage_root {
        self::directory(root)?;
    }
    let own = directory.own();
    std::fs::create_dir_all(&own).map_err(|e| Error::io(own.display(), e))?;
    let mut config = Config::new(options.storage_root.clone());
    let db = open(&directory, &config, options, true).await?;
    config.storage_uid = Some(db.storage().uid.clone());
    // Last: from here on the instance is complete. Before, init starts over.
    directory.write_config(&config)?;
    Ok(db)
}

async fn connect_directory(location: &Path, options: InstanceOptions) -> Result<Instance> {
    let directory = directory(location)?;
    let config = directory.read_config()?.ok_or_else(|| {
        Error::not_found("there is no instance here; `anndex init` makes one, or name another")
    })?;
    open(&directory, &config, options, false).await
}

async fn open(
    directory: &InstanceDirectory,
    config: &Config,
    options: InstanceOptions,
    create: bool,
) -> Result<Instance> {
    if let Some(root) = &options.storage_root
        && config.storage_root.as_ref() != Some(root)
    {
        return Err(Error::invalid_input(
            "the instance has another storage already; leave the storage out",
        )
        .with("storage", directory.storage_root(config).display()));
    }
    let settings = Settings {
        storage_root: directory.storage_root(config),
        storage_uid: config.storage_uid.clone(),
        cache_dir: directory.cache(),
        user_handle: options.handle()?,
        user_name: options.user_name,
        formats: formats(),
    };
    let backend = database(directory, create).await?;
    Instance::new(backend, settings).await
}

/// The directory that a location means, unless it is a URL.
fn directory(location: &Path) -> Result<InstanceDirectory> {
    let text = location.to_string_lossy();
    if text.is_empty() {
        return Err(Error::invalid_input(
            "the location of the instance is empty",
        ));
    }
    let Some((scheme, _)) = text.split_once("://") else {
        return InstanceDirectory::new(location);
    };
    let compiled_in = if cfg!(feature = "sqlite") {
        "this build opens instances in directories (SQLite)"
    } else {
        "this build has no database; enable the feature `sqlite` for instances in directories"
    };
    let known = SCHEMES.iter().find(|(known, _)| *known == scheme);
    let advice = match known {
        Some((_, feature)) => format!("; this one needs the feature `{feature}`, which it lacks"),
        None => String::new(),
    };
    // The rest of a URL may hold a password.
    Err(Error::unsupported(format!(
        "{scheme}:// can't be opened: {compiled_in}{advice}"
    ))
    .with("path", format!("{scheme}://...")))
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
