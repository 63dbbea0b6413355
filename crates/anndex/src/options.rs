//! What a caller may choose about an instance beyond where it is.

use std::env;
use std::path::PathBuf;

use anndex_core::{Error, Result};

/// The environment variable with the handle of the user.
pub const USER_VARIABLE: &str = "ANNDEX_USER";

/// Who works where nobody has a login name, as in many containers.
const ANONYMOUS: &str = "anonymous";

/// How to open an instance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct InstanceOptions {
    /// The handle of the user. Default: `ANNDEX_USER`, else the login name (`USER`, `LOGNAME` or
    /// `USERNAME`), else `"anonymous"`.
    pub user_handle: Option<String>,
    /// The full name of the user, kept when the user is new to the instance. Default: none.
    pub user_name: Option<String>,
    /// The directory of the default storage, or its URL, such as `s3://bucket/cells`. A relative
    /// directory is relative to the instance. It is chosen when the instance is made. Default: the
    /// directory of the instance. An instance at a URL has none, so it must be made with one,
    /// relative to the current directory.
    pub storage_root: Option<PathBuf>,
}

impl InstanceOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`InstanceOptions::user_handle`].
    pub fn user_handle(mut self, handle: impl Into<String>) -> Self {
        self.user_handle = Some(handle.into());
        self
    }

    /// Sets [`InstanceOptions::user_name`].
    pub fn user_name(mut self, name: impl Into<String>) -> Self {
        self.user_name = Some(name.into());
        self
    }

    /// Sets [`InstanceOptions::storage_root`].
    pub fn storage_root(mut self, root: impl Into<PathBuf>) -> Self {
        self.storage_root = Some(root.into());
        self
    }

    /// The handle given, or that of the environment.
    pub(crate) fn handle(&self) -> Result<String> {
        if let Some(handle) = &self.user_handle {
            return Ok(handle.clone());
        }
        for variable in [USER_VARIABLE, "USER", "LOGNAME", "USERNAME"] {
            match env::var(variable) {
                Ok(handle) if !handle.trim().is_empty() => return Ok(handle),
                Ok(_) | Err(env::VarError::NotPresent) => {}
                Err(env::VarError::NotUnicode(_)) => {
                    return Err(Error::invalid_input(format!(
                        "the environment variable {variable} is not UTF-8; set {USER_VARIABLE} to \
                         your handle"
                    )));
                }
            }
        }
        Ok(ANONYMOUS.to_owned())
    }
}
