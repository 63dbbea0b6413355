//! Copying records into another instance: one with everything that it stands on, or all that a
//! registry of another program has.
//!
//! Records are the same if their uids are, so a copy keeps its uid and gets a new id. What comes
//! along with one is found by following references and links from it: its artifacts, storages,
//! runs with their inputs, transforms, users, labels and feature sets. Bytes stay where they are:
//! the copy of an artifact points to the same place.
//!
//! A record that the other instance has is not changed. Labels, feature sets, inputs and parents
//! that it lacks there are added.

mod gather;
mod hold;
mod import;
mod links;
mod merge;
mod report;
mod source;

pub use import::ImportBuilder;
pub use report::{ImportReport, LeftOut};
pub use source::{RecordSource, SourcePage};

use self::gather::{Snapshot, gather};
use self::hold::hold_copies;
use self::merge::{Merge, Targets};
use super::retry::retry;
use super::{Handle, Instance};
use crate::backend::{Filter, Query};
use crate::error::{Error, Result};
use crate::record::{Field, Id, Kind, Visibility};
use crate::registry::Registry;

/// The kinds so that each refers only to those before it.
const ORDER: [Kind; 8] = [
    Kind::User,
    Kind::Storage,
    Kind::Transform,
    Kind::Run,
    Kind::ULabel,
    Kind::FeatureSet,
    Kind::Artifact,
    Kind::Collection,
];

impl<R: Registry> Handle<R> {
    /// Copies the record, and all records that it stands on, into another instance, as a whole or
    /// not at all. Doing it again changes nothing. Changes that were not saved are not copied.
    ///
    /// # Errors
    /// - `InvalidInput` if the record is in the trash, here or there;
    /// - `AlreadyExists` if the other instance has other content under the uid of an artifact, a
    ///   collection or a transform, has the version already in a family, or uses a meta artifact
    ///   for another collection;
    /// - `NotFound` if the record was deleted permanently;
    /// - `Conflict` if others get in the way for too long; `Backend` if a database fails.
    pub async fn save_using(&self, using: &Instance) -> Result<Handle<R>> {
        let saved = self.save_into(using).await;
        saved.map_err(|e| e.operation("save to another instance"))
    }

    async fn save_into(&self, using: &Instance) -> Result<Handle<R>> {
        retry!(async {
            let record = self.fresh().await?;
            refuse_trash(&record, "restore it before it is copied")?;
            if self.db.same_as(using) {
                return Handle::new(using, record);
            }
            let snapshot = gather(self.db.backend().as_ref(), R::KIND, self.id).await?;
            let ids = copy(&snapshot, using).await?;
            let id = ids.get(&(R::KIND, self.id)).copied();
            let query = Query::new(R::KIND).filter(Filter::eq(Field::Id, id));
            let found = using.select::<R>(&query).await?.pop();
            let found = found.ok_or_else(|| {
                Error::not_found("the copy was deleted from the other instance meanwhile")
                    .with("uid", record.uid())
            })?;
            refuse_trash(&found, "restore it in the other instance")?;
            Handle::new(using, found)
        })
    }
}

/// Copies what the other instance lacks; gives the ids that all have there.
///
/// # Errors
/// `AlreadyExists` if something else is in the place of one; `Conflict` if another writer was
/// faster.
async fn copy(snapshot: &Snapshot, using: &Instance) -> Result<Targets<Id>> {
    let nothing = Targets::new();
    let mut merge = Merge::new(using.backend().as_ref(), &nothing);
    for kind in ORDER {
        if let Some(records) = snapshot.records.get(&kind) {
            merge.records(kind, records, &snapshot.links).await?;
        }
        if !merge.refused.is_empty() {
            let (.., error) = merge.refused.swap_remove(0);
            return Err(error);
        }
    }
    merge.links(&snapshot.links).await?;
    hold_copies(using, &snapshot.records, &merge).await?;
    merge.apply().await
}

fn refuse_trash<R: Registry>(record: &R, advice: &str) -> Result<()> {
    if record.visibility() == Visibility::Trash {
        let message = format!("the {} is in the trash; {advice}", R::KIND);
        return Err(Error::invalid_input(message).with("uid", record.uid()));
    }
    Ok(())
}
