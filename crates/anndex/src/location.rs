//! What a location means: a directory, or the URL of a database, which may hold a password.

use std::path::Path;

use anndex_core::{Error, Result, shown};

use crate::directory::InstanceDirectory;

/// URLs that name a database, with the feature that opens them.
const SCHEMES: [(&str, &str); 2] = [("postgres", "postgres"), ("postgresql", "postgres")];

/// Where an instance is.
pub(crate) enum Location {
    /// In a directory, which need not exist.
    Directory(InstanceDirectory),
    /// At a URL that this build opens.
    #[cfg(feature = "postgres")]
    Url(anndex_backend_postgres::PostgresUrl, String),
}

impl Location {
    /// # Errors
    /// `InvalidInput` if the location is empty, or a URL that can't be understood; `Unsupported`
    /// if it is the URL of something that is not compiled in. No error repeats a URL.
    pub(crate) fn new(location: &Path) -> Result<Self> {
        let text = location.to_string_lossy();
        if text.is_empty() {
            return Err(Error::invalid_input(
                "the location of the instance is empty",
            ));
        }
        let Some(scheme) = scheme(&text) else {
            return Ok(Self::Directory(InstanceDirectory::new(location)?));
        };
        #[cfg(feature = "postgres")]
        if anndex_backend_postgres::PostgresUrl::is_one(&text) {
            return Ok(Self::Url(text.parse()?, text.into_owned()));
        }
        Err(unsupported(scheme))
    }

    /// As it may be shown.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Directory(directory) => directory.path().display().to_string(),
            #[cfg(feature = "postgres")]
            Self::Url(url, _) => shown::place(&url.to_string()).into_owned(),
        }
    }
}

/// The directory that a location means.
///
/// # Errors
/// `Unsupported` if it is a URL.
#[cfg(feature = "postgres")]
pub(crate) fn directory(location: &Path) -> Result<std::path::PathBuf> {
    match scheme(&location.to_string_lossy()) {
        Some(scheme) => Err(unsupported(scheme)),
        None => Ok(InstanceDirectory::new(location)?.path().to_owned()),
    }
}

/// A location as it may be shown: of a directory its absolute path, of a URL nothing but its scheme,
/// host and path.
pub fn shown_location(location: impl AsRef<Path>) -> String {
    let location = location.as_ref();
    match Location::new(location) {
        Ok(known) => known.shown(),
        Err(_) => shown::place(&location.to_string_lossy()).into_owned(),
    }
}

/// Whether a location is a URL, be it one that this build opens or not.
pub(crate) fn is_url(location: &Path) -> bool {
    scheme(&location.to_string_lossy()).is_some()
}

/// Whether it is the URL of a database, be it one that this build opens or not.
pub(crate) fn is_database(location: &Path) -> bool {
    let text = location.to_string_lossy();
    scheme(&text).is_some_and(|scheme| SCHEMES.iter().any(|(known, _)| *known == scheme))
}

fn scheme(text: &str) -> Option<&str> {
    text.split_once("://").map(|(scheme, _)| scheme)
}

fn unsupported(scheme: &str) -> Error {
    let compiled_in = match (cfg!(feature = "sqlite"), cfg!(feature = "postgres")) {
        (true, true) => "this build opens instances in directories (SQLite) and at postgres://",
        (true, false) => "this build opens instances in directories (SQLite)",
        (false, true) => "this build opens instances at postgres://",
        (false, false) => {
            "this build has no database; enable the feature `sqlite` for instances in directories"
        }
    };
    let known = SCHEMES.iter().find(|(known, _)| *known == scheme);
    let advice = match known {
        Some((_, feature)) if !cfg!(feature = "postgres") => {
            format!("; this one needs the feature `{feature}`, which it lacks")
        }
        _ => String::new(),
    };
    Error::unsupported(format!(
        "{scheme}:// can't be opened: {compiled_in}{advice}"
    ))
    .with("path", format!("{scheme}://..."))
}
