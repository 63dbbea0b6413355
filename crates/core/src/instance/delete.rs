//! To the trash, out of it, and away for good.

use super::handle::Handle;
use super::retry::retry;
use crate::backend::{ChangeSet, Filter, Query, Relation};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{
    Artifact, Field, Kind, LinkKind, OnDelete, Record, Storage, Value, Visibility, now,
};
use crate::registry::Registry;

/// How many records an error names for each way in which they hold another.
const LISTED: u64 = 10;

impl<R: Registry> Handle<R> {
    /// Moves the record to the trash, or removes it permanently together with its links.
    ///
    /// `permanent` is `None` for the usual thing, which is the trash. With a collection its meta
    /// artifact goes to the trash; other artifacts are never touched. Removing an artifact
    /// permanently removes its copy from storage if this very instance made it and nobody else needs
    /// it; why it stays otherwise is a warning. A file that was registered in place stays.
    ///
    /// # Errors
    /// `InvalidInput` if the record is in the trash already and `permanent` is `None`, if records
    /// of its kind have no trash, or if others hold it, which the error names; `NotFound` if it is
    /// not there any more; `Backend` if the database fails.
    pub async fn delete(&mut self, permanent: Option<bool>) -> Result<()> {
        if permanent == Some(true) {
            return self.remove(false).await;
        }
        let advice = "delete it permanently (permanent = true)";
        if !R::KIND.has_visibility() {
            return Err(Error::invalid_input(format!(
                "{} can't be moved to the trash; {advice}",
                R::KIND.with_article()
            ))
            .operation("delete")
            .with("uid", self.uid()));
        }
        if permanent.is_none() && self.fresh().await?.visibility() == Visibility::Trash {
            return Err(Error::invalid_input(format!(
                "this {} is in the trash already; {advice} or restore it",
                R::KIND
            ))
            .operation("delete")
            .with("uid", self.uid()));
        }
        self.set_visibility(Visibility::Trash).await
    }

    /// Takes the record out of the trash, and with a collection its meta artifact.
    ///
    /// # Errors
    /// `NotFound` if the record is not there any more, `InvalidInput` if records of its kind have
    /// no trash, `Backend` if the database fails.
    pub async fn restore(&mut self) -> Result<()> {
        self.set_visibility(Visibility::Default).await
    }

    async fn set_visibility(&mut self, visibility: Visibility) -> Result<()> {
        let set = || {
            vec![
                (Field::Visibility, Value::from(visibility)),
                (Field::UpdatedAt, now().into()),
            ]
        };
        let record = retry!(async {
            let record = self.fresh().await?;
            let mut changes = ChangeSet::new();
            changes.update(R::KIND, self.id, set());
            if let Some(Value::Integer(meta)) = record.get(Field::Artifact) {
                changes.update(Kind::Artifact, meta, set());
            }
            self.db.backend().apply(&changes).await?;
            self.fresh().await
        })?;
        self.replace(record);
        Ok(())
    }

    /// Removes the record for good, and its copy. `is_alone` says that the lock of those who write
    /// copies is held already, by this repair alone.
    pub(super) async fn remove(&mut self, is_alone: bool) -> Result<()> {
        let content = self.content().await?;
        let writing = match &content {
            Some((storage, artifact)) if !is_alone => {
                let begun = self.db.begin_removal(storage, &artifact.storage_key).await;
                begun.map_err(|e| e.operation("delete"))?
            }
            _ => None,
        };
        let removed = retry!(async {
            self.fresh().await?;
            self.check_unheld().await?;
            let mut changes = ChangeSet::new();
            if let Some((_, artifact)) = &content {
                // Nobody put the content elsewhere meanwhile.
                let here = Filter::eq(Field::Id, self.id)
                    .and(Filter::eq(Field::StorageKey, artifact.storage_key.as_str()));
                changes.require(R::KIND, here);
            }
            changes.delete(R::KIND, self.id);
            self.db.backend().apply(&changes).await
        });
        if let Err(error) = removed {
            // After an error of the database nobody knows whether the record is there; a repair does.
            let is_known = !error.is_in_doubt() && error.kind() != ErrorKind::Backend;
            if let (Some((storage, artifact)), true) = (&content, is_known) {
                self.db.keep(storage, &artifact.storage_key).await;
            }
            return Err(error.operation("delete"));
        }
        // Only now: if this process ends here a file is left over, and no record without its file.
        if let Some((storage, artifact)) = content {
            self.remove_copy(&storage, &artifact).await?;
        }
        drop(writing);
        if let Record::Run(run) = self.record().clone().into()
            && self
                .db
                .current()
                .is_some_and(|current| current.id == run.id)
        {
            self.db.set_current(None);
        }
        Ok(())
    }

    /// The artifact that this is, and the storage of its content.
    async fn content(&self) -> Result<Option<(Storage, Artifact)>> {
        if R::KIND != Kind::Artifact {
            return Ok(None);
        }
        // As it is now: somebody may have put the content elsewhere since it was read.
        let Record::Artifact(artifact) = self.fresh().await?.into() else {
            return Ok(None);
        };
        let storage = self
            .referenced::<Storage>(Some(artifact.storage_id))
            .await?;
        Ok(storage.map(|storage| (storage.record().clone(), artifact)))
    }

    async fn remove_copy(&self, storage: &Storage, artifact: &Artifact) -> Result<()> {
        let is_directory = artifact.n_objects.is_some();
        let led_to = self.db.let_go(storage, artifact).await;
        let kept = self
            .db
            .release(storage, &artifact.storage_key, is_directory)
            .await?;
        let is_own = self.db.own_copies(storage, &artifact.storage_key).is_some();
        if let Some(reason) = kept.or(led_to.filter(|_| !is_own)) {
            tracing::warn!(
                artifact = artifact.label(),
                storage = storage.root,
                copy = artifact.storage_key,
                "the record is deleted, but its copy stays: {reason}"
            );
        }
        Ok(())
    }

    /// Refuses if other records need this one, and names them.
    async fn check_unheld(&self) -> Result<()> {
        let held_by = self.holders().await?;
        if held_by.is_empty() {
            return Ok(());
        }
        Err(Error::invalid_input(format!(
            "this {} can't be deleted permanently; it is {}. Delete these permanently first",
            R::KIND,
            held_by.join("; it is ")
        ))
        .with("uid", self.uid()))
    }

    async fn holders(&self) -> Result<Vec<String>> {
        let mut held_by = Vec::new();
        for kind in Kind::ALL {
            for info in kind
                .fields()
                .iter()
                .filter(|f| f.references == Some(R::KIND))
            {
                let query = Query::new(kind).filter(Filter::eq(info.field, self.id));
                let role = match info.field {
                    Field::Run | Field::CreatedBy => "what created",
                    Field::Artifact => "the meta artifact of",
                    Field::Storage => "the storage of",
                    _ => "referred to by",
                };
                held_by.extend(self.named(role, query).await?);
            }
        }
        for link in LinkKind::ALL {
            if link.target() == R::KIND && link.on_delete_target() == OnDelete::Protect {
                let linked = Relation::Targets(link);
                let filter = Filter::related(linked, Filter::eq(Field::Id, self.id));
                let role = match link {
                    LinkKind::CollectionArtifact => "held by",
                    LinkKind::CollectionULabel | LinkKind::ArtifactULabel => "a label of",
                    LinkKind::CollectionPreviousRun | LinkKind::ArtifactPreviousRun => {
                        "a previous run of"
                    }
                    _ => "linked to",
                };
                held_by.extend(
                    self.named(role, Query::new(link.source()).filter(filter))
                        .await?,
                );
            }
        }
        Ok(held_by)
    }

    async fn named(&self, role: &str, query: Query) -> Result<Option<String>> {
        let backend = self.db.backend();
        let found = backend.select(&query.clone().limit(LISTED)).await?;
        if found.is_empty() {
            return Ok(None);
        }
        let mut names: Vec<String> = found.iter().map(label).collect();
        let more = backend.count(&query).await?.saturating_sub(LISTED);
        if more > 0 {
            names.push(format!("{more} more"));
        }
        Ok(Some(format!("{role} {}", names.join(", "))))
    }
}

fn label(record: &Record) -> String {
    match record {
        Record::User(record) => record.label(),
        Record::Storage(record) => record.label(),
        Record::Transform(record) => record.label(),
        Record::Run(record) => record.label(),
        Record::Artifact(record) => record.label(),
        Record::Collection(record) => record.label(),
        Record::ULabel(record) => record.label(),
        Record::FeatureSet(record) => record.label(),
    }
}
