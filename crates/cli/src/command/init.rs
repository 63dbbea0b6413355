//! `anndex init`: makes an instance.

use std::path::PathBuf;

use anndex::{InstanceOptions, Result};
use clap::Args;
use serde_json::json;

use crate::session::Session;

/// Make an instance in a directory, or open the one that is there
///
/// The directory is created if it does not exist. It is the default storage: files in it are
/// registered where they are. What belongs to the instance is in `.anndex/` inside it.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The directory. Default: that of --db, else the current one
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    /// The directory of the default storage, if it is another one
    #[arg(long, value_name = "DIR")]
    storage: Option<PathBuf>,
    /// Your handle. Default: ANNDEX_USER, else your login name
    #[arg(long, value_name = "HANDLE")]
    user: Option<String>,
}

pub(crate) async fn run(session: &Session, arguments: Init) -> Result<()> {
    let given = arguments.directory.as_deref().or(session.given_location());
    let directory = given.unwrap_or(".".as_ref());
    let existed = matches!(anndex::find_instance(directory), Ok(found) if is(&found, directory));
    let mut options = InstanceOptions::new();
    options.storage_root = match arguments.storage {
        // Relative to where the user is, not to the instance.
        Some(root) => {
            Some(std::path::absolute(&root).map_err(|e| anndex::Error::io(root.display(), e))?)
        }
        None => None,
    };
    options.user_handle = arguments.user;
    let db = anndex::init_with(directory, options).await?;
    let place = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
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
        session.output.line(format!("{what} {}", place.display()))?;
        session.output.advice(format!(
            "you are {user}; storage is {}; next: anndex artifact add FILE...",
            storage.display()
        ))?;
    }
    db.close().await
}

fn is(found: &std::path::Path, directory: &std::path::Path) -> bool {
    match (found.canonicalize(), directory.canonicalize()) {
        (Ok(found), Ok(directory)) => found == directory,
        _ => false,
    }
}
