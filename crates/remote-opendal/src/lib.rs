//! Storage at URLs that `object_store` does not have, on the crates of OpenDAL:
//! [`OpendalDriver`] opens `sftp://`, `webdav+http://` and `webdav+https://`.
//!
//! SFTP goes through the program `ssh`, so that `~/.ssh/config`, keys, agents and known hosts are
//! those that the user has; it never asks for a password. The users and passwords of WebDAV
//! servers are in the file `.netrc`, as for `curl`, and are neither stored nor shown.
//!
//! [`OperatorDriver`] opens storages of any other service of OpenDAL, for programs that add its
//! crate.

mod attempts;
mod credentials;
mod driver;
mod error;
mod service;
mod storage;
mod write;

pub use anndex_remote_requests::{Environment, RequestLimits};
pub use driver::{OpendalDriver, OperatorDriver};
pub use opendal_core;
