//! Saving an artifact: storage first, then its record in one change set.

use std::sync::Arc;

use super::ArtifactBuilder;
use super::content::{Content, Source, inspect};
use super::copied::Copied;
use super::unowned::{self, discard_unused};
use crate::backend::{ChangeSet, Filter, Query};
use crate::error::{Error, ErrorKind, Result};
use crate::instance::handle::same_instance;
use crate::instance::known::{self, Given};
use crate::instance::place::registries;
use crate::instance::retry::{blocking, retry};
use crate::instance::{Handle, check_texts, namesake, place, versioned};
use crate::operation;
use crate::record::{Artifact, Field, Id, LinkKind, RecordData, Run, Storage, Value, now};
use crate::registry::{Registry, key, uid};

/// Where the content is or will be.
#[derive(Debug)]
pub(super) struct Location {
    pub(super) storage: Storage,
    /// The key, if it is registered in place.
    pub(super) in_place: Option<String>,
}

impl Location {
    pub(super) fn is_local(&self) -> bool {
        self.storage.type_ == place::LOCAL
    }
}

/// What the content is, as far as a format knows it.
pub(super) type Inspection = (Option<&'static str>, Option<i64>);

impl ArtifactBuilder {
    pub(super) async fn save_content(self) -> Result<Handle<Artifact>> {
        let run = self.check()?;
        let content = Content::read(&self.db, &self.path, &self.progress).await?;
        let storages = self.db.storages_for(&[&content]).await?;
        let location = self.locate(&content, &storages)?;
        let mut copied = None;
        self.save_read(&content, &location, run.as_ref(), &mut copied)
            .await
    }

    /// Checks what is given, and finds the run.
    pub(super) fn check(&self) -> Result<Option<Run>> {
        if let Some(key) = &self.key {
            key::check(key)?;
        }
        let texts = [
            (Field::Key, &self.key),
            (Field::Description, &self.description),
            (Field::Version, &self.version),
        ];
        check_texts(Artifact::KIND, texts)?;
        same_instance(&self.db, self.is_new_version_of.iter())?;
        same_instance(&self.db, self.ulabels.iter().flatten())?;
        same_instance(&self.db, self.storage.iter())?;
        self.run.resolve(&self.db)
    }

    /// Saves content that was read. A copy that was made before is used; one that no record came
    /// to own is removed, where that is known.
    pub(super) async fn save_read(
        &self,
        content: &Content,
        location: &Location,
        run: Option<&Run>,
        copied: &mut Option<Copied>,
    ) -> Result<Handle<Artifact>> {
        let saved = retry!(async { self.attempt(content, location, run, copied).await });
        let Some(copied) = copied.take() else {
            return saved;
        };
        let storage = &location.storage;
        match saved {
            Ok(saved) => {
                discard_unused(&self.db, storage, copied).await;
                Ok(saved)
            }
            Err(error) => {
                let copies = vec![(storage.clone(), copied)];
                match unowned::settle(&self.db, copies, &error).await.pop() {
                    Some(fate) => fate.into_saved(&self.db, error),
                    None => Err(error),
                }
            }
        }
    }

    pub(super) fn locate(&self, content: &Content, storages: &[Storage]) -> Result<Location> {
        let located = match &content.source {
            Source::Local(path) => place::locate(path, storages)?,
            Source::Url(url) => place::locate_url(url, storages)?,
        };
        let wanted = self.storage.as_ref().map(Handle::record);
        // What is in another storage than the wanted one is copied there.
        let located =
            located.filter(|(storage, _)| wanted.is_none_or(|wanted| wanted.id == storage.id));
        let Some((storage, key)) = located else {
            return Ok(Location {
                storage: wanted.unwrap_or_else(|| self.db.storage()).clone(),
                in_place: None,
            });
        };
        match &self.key {
            Some(given) if *given != key => Err(Error::invalid_input(format!(
                "the file is in a storage, where its key is {key:?}; leave the key out or move \
                 the file"
            ))
            .with("key", given)),
            _ => Ok(Location {
                storage: storage.clone(),
                in_place: Some(key),
            }),
        }
    }

    /// The record of new content that stands at `place` in its family, without storage.
    pub(super) fn new_record(
        &self,
        content: &Content,
        location: &Location,
        (otype, n_observations): Inspection,
        place: &versioned::Place<Artifact>,
        run: Option<&Run>,
    ) -> Result<Artifact> {
        let mut artifact = Artifact {
            uid: place.uid.clone(),
            key: self.key.clone().or_else(|| location.in_place.clone()),
            description: self.description.clone(),
            suffix: key::suffix(&content.file_name).to_owned(),
            otype: otype.map(str::to_owned),
            size: Some(content.size),
            hash: Some(content.hash.hash.clone()),
            hash_type: Some(content.hash.hash_type.as_str().to_owned()),
            etag: content.etag.clone(),
            n_objects: content.hash.n_objects.and_then(|n| i64::try_from(n).ok()),
            n_observations,
            storage_completed: true,
            version: place.version.clone(),
            run_id: run.and_then(|run| run.id),
            created_by_id: self.db.user().id,
            created_at: now(),
            updated_at: now(),
            ..Artifact::default()
        };
        place.inherit(&mut artifact)?;
        if artifact.key.is_none() && artifact.description.is_none() {
            artifact.key = Some(content.file_name.clone());
        }
        Ok(artifact)
    }

    async fn attempt(
        &self,
        content: &Content,
        location: &Location,
        run: Option<&Run>,
        copied: &mut Option<Copied>,
    ) -> Result<Handle<Artifact>> {
        let mut changes = ChangeSet::new();
        if !self.skip_hash_lookup {
            let known = known::with_hash::<Artifact>(&self.db, &content.hash.hash).await?;
            let mut known: Vec<_> = known
                .into_iter()
                .filter(|k| content.is_that_of(k))
                .collect();
            // An import may have brought several; the one of this name is meant, or the oldest.
            known.sort_by_key(|known| !self.is_called(known, content, location));
            if let Some(known) = known.into_iter().next() {
                return self.update(known, content, location, run, copied).await;
            }
            changes.require_none(Artifact::KIND, content.not_in_trash());
        }
        let base = self.is_new_version_of.as_ref().map(Handle::id);
        let place =
            versioned::place::<Artifact>(&self.db, base, self.version.as_deref(), &mut changes)
                .await?;
        let inspection = self.inspect(content).await?;
        let mut artifact = self.new_record(content, location, inspection, &place, run)?;
        let name = match place.base {
            None => artifact.uid.clone(),
            // The next uid of a family may be taken by another writer at any moment.
            Some(_) => uid::random(Artifact::UID_LENGTH),
        };
        let (storage_id, storage_key) = self
            .put(&name, content, location, copied, &mut changes)
            .await?;
        artifact.storage_id = storage_id;
        artifact.storage_key = storage_key;
        if let Some(copied) = copied {
            artifact.etag.clone_from(&copied.etag);
        }
        let new = changes.insert(artifact.clone());
        let base = place.base.as_ref().and_then(|base| base.id);
        for ulabel in self.labels(base).await? {
            changes.link(LinkKind::ArtifactULabel, new, ulabel);
        }
        // What is registered in place has a place for its key.
        let namesake = match (&place.base, &location.in_place) {
            (None, None) => namesake::notice(&self.db, [&artifact]).await?,
            _ => None,
        };
        operation::check()?;
        artifact.id = Some(self.db.backend().apply(&changes).await?.id(new)?);
        if let Some(namesake) = namesake {
            tracing::warn!("{namesake}");
        }
        Handle::made(&self.db, artifact)
    }

    /// Brings the record of known content up to date, and puts the content in storage again if it
    /// is not there.
    async fn update(
        &self,
        known: Artifact,
        content: &Content,
        location: &Location,
        run: Option<&Run>,
        copied: &mut Option<Copied>,
    ) -> Result<Handle<Artifact>> {
        let mut changes = ChangeSet::new();
        let asked = known::Asked {
            version: self.version.as_deref(),
            is_new_version_of: self.is_new_version_of.as_ref(),
            same_name: self.is_called(&known, content, location),
        };
        let version = known::version(&self.db, &known, &asked, &mut changes).await?;
        let mut fields = vec![
            (
                Field::Description,
                self.description.clone().map(Value::from),
            ),
            (Field::Version, version),
        ];
        let mut notice = known::unchanged(&known, &asked);
        if notice.is_none() && (!asked.same_name || self.is_elsewhere(&known)) {
            notice = Some(self.known_as(&known));
        }
        let known = Handle::new(&self.db, known)?;
        if !known.storage_completed || known.is_missing().await? {
            let name = uid::random(Artifact::UID_LENGTH);
            let (storage, storage_key) = self
                .put(&name, content, location, copied, &mut changes)
                .await?;
            fields.push((Field::Storage, Some(storage.into())));
            fields.push((Field::StorageKey, Some(storage_key.into())));
            fields.push((Field::StorageCompleted, Some(true.into())));
            if let Some(key) = &location.in_place {
                fields.push((Field::Key, Some(key.clone().into())));
                let moved = known.key.as_ref().filter(|old| *old != key);
                notice = moved.map(|_| format!("{} is at {key:?} now", known.label()));
            }
            let copied = copied.as_ref().and_then(|copied| copied.etag.clone());
            let etag = copied.or_else(|| content.etag.clone());
            fields.push((Field::Etag, etag.map(Value::from)));
        } else {
            let here = (Some(known.storage_id), Some(&known.storage_key));
            if (location.storage.id, location.in_place.as_ref()) == here {
                // The same bytes may have been written again.
                fields.push((Field::Etag, content.etag.clone().map(Value::from)));
            }
        }
        let given = Given {
            fields,
            ulabels: &self.given_labels(),
            run,
        };
        known::update(&self.db, known.record(), given, &mut changes).await?;
        if !changes.changes.is_empty() {
            self.db.backend().apply(&changes).await?;
        }
        match notice.filter(|_| !self.is_quiet) {
            Some(notice) => tracing::warn!("{notice}"),
            None => tracing::info!("the content is that of {}", known.label()),
        }
        Handle::new(&self.db, known.fresh().await?)
    }

    /// Puts the content where it belongs, unless an earlier attempt did. Gives the storage and the
    /// place in it.
    async fn put(
        &self,
        name: &str,
        content: &Content,
        location: &Location,
        copied: &mut Option<Copied>,
        changes: &mut ChangeSet,
    ) -> Result<(Id, String)> {
        let storage = location.storage.clone();
        let storage_id = storage.id.unwrap_or_default();
        if let Some(key) = &location.in_place {
            let here = Filter::eq(Field::Storage, storage_id)
                .and(Filter::eq(Field::StorageKey, key.as_str()));
            let query = Query::new(Artifact::KIND).filter(here.clone());
            if let Some(other) = self.db.select::<Artifact>(&query).await?.first() {
                return Err(Error::new(
                    ErrorKind::AlreadyExists,
                    format!(
                        "the {} was registered at this place with other content; put the new \
                         content elsewhere, or delete the artifact permanently first",
                        other.label()
                    ),
                ));
            }
            changes.require_none(Artifact::KIND, here);
            return Ok((storage_id, key.clone()));
        }
        if let Some(Copied { storage_key, .. }) = copied {
            return Ok((storage_id, storage_key.clone()));
        }
        if let Some(objects) = self.db.object_storage(&storage)? {
            let uploaded =
                Copied::upload(&self.db, name, content, &storage, objects.as_ref()).await?;
            return Ok((storage_id, copied.insert(uploaded).storage_key.clone()));
        }
        let (db, name, content) = (self.db.clone(), name.to_owned(), content.clone());
        let copy = blocking(move || {
            let writing = Arc::new(registries::begin(&storage, db.identity())?);
            Copied::make(&name, &content, &db.copies(&storage), &writing)
        });
        let storage_key = copied.insert(copy.await?).storage_key.clone();
        Ok((storage_id, storage_key))
    }

    async fn inspect(&self, content: &Content) -> Result<Inspection> {
        let (formats, content) = (self.db.formats().clone(), content.clone());
        blocking(move || inspect(&formats, &content)).await
    }

    pub(super) fn given_labels(&self) -> Vec<Id> {
        self.ulabels.iter().flatten().map(Handle::id).collect()
    }

    /// The labels given, or those of the old version.
    async fn labels(&self, base: Option<Id>) -> Result<Vec<Id>> {
        match (&self.ulabels, base) {
            (None, Some(base)) => self.db.linked(LinkKind::ArtifactULabel, base).await,
            _ => Ok(self.given_labels()),
        }
    }
}
