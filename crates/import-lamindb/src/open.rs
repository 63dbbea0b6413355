//! Where a lamindb instance is: a file, a storage directory with one in it, or a URL.

use std::path::{Path, PathBuf};

use anndex_backend_sql::Reader;
use anndex_core::{Error, Result};

use crate::source::LamindbSource;

/// Where lamindb keeps the database of an instance, in its default storage.
const DATABASE: &str = ".lamindb/lamin.db";

/// Opens the registry of a lamindb instance for reading: a SQLite file, the directory of its
/// storage, or the `postgres://` URL of its database.
///
/// # Errors
/// - `NotFound`: there is no such file, directory or database.
/// - `InvalidInput`: it is no lamindb instance. `Unsupported`: its lamindb is older than 2, or
///   this build can't open such a database; the error says which feature adds it.
/// - `PermissionDenied`, `Corrupt`, `Storage` or `Backend` if it can't be read. Passwords in URLs
///   are in no error.
pub async fn open(location: impl AsRef<Path>) -> Result<LamindbSource> {
    let location = location.as_ref();
    let text = location.to_string_lossy();
    let opened = match text.split_once("://") {
        Some((scheme @ ("postgres" | "postgresql"), _)) => {
            LamindbSource::new(postgres(scheme, &text).await?).await
        }
        Some((scheme, _)) => Err(Error::unsupported(format!(
            "a lamindb instance is not read from {scheme}://; name its SQLite file, or the \
             postgres:// URL of its database"
        ))),
        None => {
            let path = file(location)?;
            let source = LamindbSource::new(sqlite(&path).await?).await;
            source.map_err(|error| error.with("path", path.display()))
        }
    };
    opened.map_err(|error| error.operation("open the lamindb instance"))
}

fn file(location: &Path) -> Result<PathBuf> {
    if location.as_os_str().is_empty() {
        return Err(Error::invalid_input(
            "the location of the lamindb instance is empty",
        ));
    }
    let path = match location.is_dir() {
        true => location.join(DATABASE),
        false => location.to_owned(),
    };
    match path.try_exists() {
        Ok(true) => Ok(path),
        Ok(false) => Err(Error::not_found(format!(
            "there is no lamindb instance; name its database, which is {DATABASE} in the directory \
             that was given to `lamin init --storage`"
        ))
        .with("path", path.display())),
        Err(source) => Err(Error::io(path.display(), source)),
    }
}

#[cfg(feature = "sqlite")]
async fn sqlite(path: &Path) -> Result<Reader> {
    anndex_backend_sqlite::read(path).await
}

#[cfg(not(feature = "sqlite"))]
async fn sqlite(path: &Path) -> Result<Reader> {
    let message = "this build reads no SQLite files; enable the feature `sqlite`";
    Err(Error::unsupported(message).with("path", path.display()))
}

#[cfg(feature = "postgres")]
async fn postgres(_scheme: &str, url: &str) -> Result<Reader> {
    anndex_backend_postgres::read(url).await
}

#[cfg(not(feature = "postgres"))]
async fn postgres(scheme: &str, _url: &str) -> Result<Reader> {
    Err(Error::unsupported(format!(
        "this build can't open {scheme}://; enable the feature `postgres`"
    )))
}
