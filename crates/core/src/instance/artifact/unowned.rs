//! Copies that no record came to own: removed where that is known, and else named to the user.
//!
//! A copy is made before its record. If the record can't be written, the copy has to go, but not
//! when the record may be there all the same: a database can fail while it commits.

use std::io;
use std::path::PathBuf;

use super::copied::Copied;
use super::upload;
use crate::backend::{Filter, Query};
use crate::error::{Error, ErrorKind, Result};
use crate::instance::retry::blocking;
use crate::instance::{Handle, Instance};
use crate::record::{Artifact, Field, RecordData, Storage};

/// What became of a copy whose save failed.
#[derive(Debug)]
pub(super) enum Fate {
    /// The record is there, although its save failed.
    Owned(Box<Artifact>),
    Removed,
    /// Where it is, and why it stays.
    Stays(String, String),
}

impl Fate {
    /// What comes of the save that failed with `error`.
    pub(super) fn into_saved(self, db: &Instance, error: Error) -> Result<Handle<Artifact>> {
        match self {
            Self::Owned(artifact) => Handle::made(db, *artifact),
            Self::Removed => Err(error),
            Self::Stays(place, why) => Err(error.note(why).with("copy", place)),
        }
    }
}

/// Removes the copies that are known to have no record after a failure, and gives the fate of each.
pub(super) async fn settle(
    db: &Instance,
    copies: Vec<(Storage, Copied)>,
    error: &Error,
) -> Vec<Fate> {
    let owners = owners(db, &copies).await;
    let mut fates = Vec::with_capacity(copies.len());
    for (storage, copied) in copies {
        let place = shown(&storage, &copied);
        let owns = |artifact: &&Artifact| {
            Some(artifact.storage_id) == storage.id && artifact.storage_key == copied.storage_key
        };
        let owner = owners.as_ref().map(|owners| owners.iter().find(owns));
        fates.push(match owner {
            Ok(Some(owner)) => {
                copied.settle();
                Fate::Owned(Box::new(owner.clone()))
            }
            Ok(None) if !error.is_in_doubt() => match discard(db, &storage, copied).await {
                Ok(()) => Fate::Removed,
                Err(failed) => {
                    let why = format!(
                        "its copy has no record, but could not be removed ({failed}); \
                         `check --repair` removes it"
                    );
                    Fate::Stays(place, why)
                }
            },
            _ => {
                let why = "it is not known whether the record was written, so the copy stays; \
                           `check --repair` removes it if it has none";
                Fate::Stays(place, why.to_owned())
            }
        });
    }
    fates
}

/// The artifacts that own some of the copies.
async fn owners(db: &Instance, copies: &[(Storage, Copied)]) -> Result<Vec<Artifact>> {
    let keys = copies.iter().map(|(_, copied)| copied.storage_key.as_str());
    let query = Query::new(Artifact::KIND).filter(Filter::is_in(Field::StorageKey, keys));
    db.select(&query).await
}

/// Removes a copy that a save has made and not used, unless a record has it. What can't be removed
/// is found by a repair.
pub(super) async fn discard_unused(db: &Instance, storage: &Storage, copied: Copied) {
    let place = shown(storage, &copied);
    match upload::is_owned(db, storage, &copied.storage_key).await {
        Ok(true) => copied.settle(),
        Ok(false) => {
            if let Err(error) = discard(db, storage, copied).await {
                tracing::warn!(place, %error, "a copy without a record could not be removed");
            }
        }
        Err(error) => {
            tracing::warn!(place, %error, "it is not known whether a copy has a record");
        }
    }
}

/// Removes a copy that has no record.
async fn discard(db: &Instance, storage: &Storage, copied: Copied) -> Result<()> {
    if let Some(objects) = db.object_storage(storage)? {
        let key = &copied.storage_key;
        upload::remove(objects.as_ref(), key, copied.is_directory).await?;
        copied.settle();
        return Ok(());
    }
    let path = PathBuf::from(shown(storage, &copied));
    // The lock that the copy holds is let go of afterwards.
    blocking(move || {
        copied.discard();
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Error::io(path.display(), error)),
            Ok(_) => Err(Error::new(ErrorKind::Storage, "it is still there")),
        }
    })
    .await
}

fn shown(storage: &Storage, copied: &Copied) -> String {
    format!("{}/{}", storage.root, copied.storage_key)
}
