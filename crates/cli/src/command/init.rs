//! `anndex init`: makes an instance.

use std::path::{Path, PathBuf};

use anndex::storage::StorageUrl;
use anndex::{ErrorKind, Instance, InstanceOptions, Result};
use clap::Args;
use serde_json::json;

use crate::session::Session;

/// Make an instance, or open the one that is there
///
/// A directory is created if it does not exist. It is the default storage: files in it are
/// registered where they are. What belongs to the instance is in `.anndex/` inside it.
///
/// With --storage s3://bucket/cells, what is saved goes into the bucket; the registry stays here.
///
/// At a URL (postgres://USER:PASSWORD@HOST/DATABASE) the database must exist, and --storage names
/// the default storage: a bucket, or a directory which everybody has at the same path. The password
/// may also stand in PGPASSWORD or ~/.pgpass.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The directory or URL. Default: that of --db, else the current directory
    #[arg(value_name = "LOCATION")]
    location: Option<PathBuf>,
    /// The default storage, if it is another directory, or a URL such as s3://bucket/cells
    #[arg(long, value_name = "STORAGE")]
    storage: Option<PathBuf>,
    /// Your handle. Default: ANNDEX_USER, else your login name
    #[arg(long, value_name = "HANDLE")]
    user: Option<String>,
}

pub(crate) async fn run(session: &Session, arguments: Init) -> Result<()> {
    let given = arguments.location.as_deref().or(session.given_location());
    let location = given.unwrap_or(".".as_ref());
    let mut options = InstanceOptions::new();
    options.storage_root = match arguments.storage {
        Some(root) if root.to_str().is_some_and(StorageUrl::is_one) => Some(root),
        // Relative to where the user is, not to the instance.
        Some(root) => {
            Some(std::path::absolute(&root).map_err(|e| anndex::Error::io(root.display(), e))?)
        }
        None => None,
    };
    options.user_handle = arguments.user;
    let (db, existed) = open(location, options).await?;
    let place = anndex::shown_location(location);
    let (user, storage) = (&db.user().handle, db.storage_root());
    if session.output.is_json() {
        session.output.json(&json!({
            "location": place,
            "storage_root": storage,
            "user": user,
            "is_new": !existed,
        }))?;
    } else {
        let what = match existed {
            true => "opened the instance that is in",
            false => "made an instance in",
        };
        session.output.line(format!("{what} {place}"))?;
        session.output.advice(format!(
            "you are {user}; storage is {}; next: anndex artifact add FILE...",
            storage.display()
        ))?;
    }
    db.close().await
}

/// The instance, and whether it was there before.
async fn open(location: &Path, options: InstanceOptions) -> Result<(Instance, bool)> {
    match anndex::connect_with(location, options.clone()).await {
        Ok(db) => Ok((db, true)),
        // If nothing was there this is one that init can make.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Ok((anndex::init_with(location, options).await?, false))
        }
        Err(error) => Err(error),
    }
}
