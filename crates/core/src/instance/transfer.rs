//! Copying a record into another instance, together with everything that it stands on.
//!
//! Records are the same if their uids are, so a copy keeps its uid and gets a new id. What comes
//! along is found by following references and links from the record: its artifacts, storages,
//! runs with their inputs, transforms, users, labels and feature sets. Bytes stay where they are:
//! the copy of an artifact points to the same place.
//!
//! A record that the other instance has is not changed. Labels, feature sets, inputs and parents
//! that it lacks there are added.

mod copy;
mod gather;

use self::copy::copy;
use self::gather::gather;
use super::retry::retry;
use super::{Handle, Instance};
use crate::backend::{Filter, Query};
use crate::error::{Error, Result};
use crate::record::{Field, Visibility};
use crate::registry::Registry;

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
            let backend = using.backend().as_ref();
            let id = copy(snapshot, backend, R::KIND, self.id).await?;
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

fn refuse_trash<R: Registry>(record: &R, advice: &str) -> Result<()> {
    if record.visibility() == Visibility::Trash {
        let message = format!("the {} is in the trash; {advice}", R::KIND);
        return Err(Error::invalid_input(message).with("uid", record.uid()));
    }
    Ok(())
}
