//! Saving many artifacts at once: contents are read in parallel, records are written by the
//! thousand, and what is wrong with one file is no matter of the others.
//!
//! A batch is one transaction. Whatever needs more than a new record (known content, a new
//! version, the same content twice in a batch) is saved by itself afterwards, as
//! [`ArtifactBuilder::save`] does it, and so is a whole batch that the database refuses, so that
//! an error is that of the file which caused it.

mod copies;

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;

use self::copies::{copy_all, upload_all};
use super::ArtifactBuilder;
use super::content::{Content, inspect};
use super::copied::Copied;
use super::read_many::read_contents;
use super::save::{Inspection, Location};
use super::unowned::{self, Fate};
use crate::backend::{ChangeSet, Filter, Query};
use crate::error::{Error, ErrorKind, Result};
use crate::instance::retry::{blocking, retry};
use crate::instance::{Handle, Instance, namesake, versioned};
use crate::operation::{self, carried};
use crate::record::{Artifact, Field, Id, LinkKind, RecordData, Run, Value, Visibility};
use crate::store::StoreFormats;

/// How many artifacts one transaction registers.
const BATCH: usize = 1_000;

/// What is known of an artifact before the database is asked.
#[derive(Debug)]
struct Ready {
    builder: ArtifactBuilder,
    run: Option<Run>,
    content: Content,
    location: Location,
    inspection: Option<Inspection>,
    copied: Option<Copied>,
}

/// How an artifact of a batch is to be saved.
#[derive(Debug)]
enum Way {
    /// By a record of its own in the batch.
    New,
    /// The record is there and needs no change.
    Known(Box<Artifact>),
    /// By itself.
    Alone,
}

impl Instance {
    /// Saves many artifacts, much faster than one by one. What [`ArtifactBuilder::save`] would
    /// give for each is at its place in the result: an artifact that fails keeps no other one from
    /// being saved, and is not registered itself.
    ///
    /// Contents are read and copied in parallel. A thousand records at a time are one transaction,
    /// so a process that is killed leaves whole batches.
    pub async fn save_artifacts(
        &self,
        artifacts: impl IntoIterator<Item = ArtifactBuilder> + Send,
    ) -> Vec<Result<Handle<Artifact>>> {
        let mut artifacts: Vec<ArtifactBuilder> = artifacts.into_iter().collect();
        let mut saved = Vec::with_capacity(artifacts.len());
        while !artifacts.is_empty() {
            let rest = artifacts.split_off(artifacts.len().min(BATCH));
            let batch = std::mem::replace(&mut artifacts, rest);
            let paths: Vec<_> = batch.iter().map(|a| a.path.display().to_string()).collect();
            let results = self.save_batch(batch).await.into_iter().zip(paths);
            saved.extend(results.map(|(result, path)| {
                result.map_err(|e| e.operation("save artifact").with("path", path))
            }));
        }
        saved
    }

    async fn save_batch(&self, batch: Vec<ArtifactBuilder>) -> Vec<Result<Handle<Artifact>>> {
        let count = batch.len();
        let mut ready = match self.read(batch).await {
            Ok(ready) => ready,
            Err(error) => return (0..count).map(|_| Err(error.again())).collect(),
        };
        let saved = retry!(async { self.attempt_batch(&mut ready).await });
        let mut results = Vec::with_capacity(count);
        let (mut saved, refused) = match saved {
            Ok(saved) => (saved, None),
            Err(error) => (HashMap::new(), Some(error)),
        };
        // After these nothing more can be written.
        let is_final =
            |error: &Error| !matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Conflict);
        let mut fates = HashMap::new();
        if let Some(error) = refused.as_ref().filter(|error| is_final(error)) {
            fates = self.settle(&mut ready, error).await;
        }
        for (index, item) in ready.into_iter().enumerate() {
            results.push(match (item, saved.remove(&index), &refused) {
                (Err(error), ..) => Err(error),
                (Ok(_), Some(record), _) => Ok(record),
                (Ok(_), None, Some(error)) if is_final(error) => match fates.remove(&index) {
                    Some(fate) => fate.into_saved(self, error.again()),
                    None => Err(error.again()),
                },
                (Ok(item), None, _) => item.save_alone().await,
            });
        }
        if let Some(error) = &refused {
            // Work that was stopped gives nothing back.
            results.extend((results.len()..count).map(|_| Err(error.again())));
        }
        results
    }

    /// What becomes of those whose copies were made before the database refused them.
    async fn settle(&self, ready: &mut [Result<Ready>], error: &Error) -> HashMap<usize, Fate> {
        let (mut indices, mut copies) = (Vec::new(), Vec::new());
        for (index, item) in ready.iter_mut().enumerate() {
            if let Ok(item) = item
                && let Some(copied) = item.copied.take()
            {
                indices.push(index);
                copies.push((item.location.storage.clone(), copied));
            }
        }
        let fates = unowned::settle(self, copies, error).await;
        indices.into_iter().zip(fates).collect()
    }

    /// Reads the contents and finds their places.
    async fn read(&self, batch: Vec<ArtifactBuilder>) -> Result<Vec<Result<Ready>>> {
        for builder in &batch {
            if !builder.db.same_as(self) {
                return Err(Error::invalid_input("an artifact is for another instance"));
            }
        }
        let read = read_contents(batch).await?;
        let contents = read.iter().flatten().map(|(.., content)| content);
        let contents = contents.collect::<Vec<_>>();
        let storages = self.storages_for(&contents).await?;
        let ready = |(builder, run, content): (ArtifactBuilder, Option<Run>, Content)| {
            let location = builder.locate(&content, &storages)?;
            Ok(Ready {
                builder,
                run,
                content,
                location,
                inspection: None,
                copied: None,
            })
        };
        Ok(read.into_iter().map(|read| read.and_then(ready)).collect())
    }

    /// Registers what is new, in one change set. Gives that and what is known, by index. What turns
    /// out to be wrong with one of them becomes its error.
    async fn attempt_batch(
        &self,
        ready: &mut Vec<Result<Ready>>,
    ) -> Result<HashMap<usize, Handle<Artifact>>> {
        let mut changes = ChangeSet::new();
        let ways = self.ways(ready, &mut changes).await?;
        let (owned, formats) = (std::mem::take(ready), self.formats().clone());
        let db = self.clone();
        let (ways, prepared) = blocking(move || {
            let prepare = |(item, way): (Result<Ready>, &Option<Way>)| match (item, way) {
                (Ok(item), Some(Way::New)) => item.prepare(&formats),
                (item, _) => item,
            };
            let items = owned.into_par_iter().zip(&ways);
            let prepared = copy_all(&db, items.map(carried(prepare)).collect(), &ways);
            Ok((ways, prepared))
        })
        .await?;
        *ready = upload_all(self, prepared, &ways).await;
        let mut saved = HashMap::new();
        let mut new = Vec::new();
        let mut labels = Vec::new();
        for (index, (item, way)) in ready.iter().zip(ways).enumerate() {
            match (item, way) {
                (Ok(_), Some(Way::Known(record))) => {
                    saved.insert(index, Handle::new(self, *record)?);
                }
                (Ok(item), Some(Way::New)) => {
                    let record = item.record(self).await?;
                    let inserted = changes.insert(record.clone());
                    let given = item.builder.given_labels().into_iter();
                    labels.extend(given.map(|label| (inserted, label)));
                    new.push((index, inserted, record));
                }
                _ => {}
            }
        }
        // After all records, so that these go into few statements.
        for (artifact, label) in labels {
            changes.link(LinkKind::ArtifactULabel, artifact, label);
        }
        if changes.is_empty() {
            return Ok(saved);
        }
        let is_copied = |index: &usize| {
            let item = ready.get(*index).and_then(|item| item.as_ref().ok());
            item.is_some_and(|item| item.location.in_place.is_none())
        };
        let copied = new.iter().filter(|(index, ..)| is_copied(index));
        let namesake = namesake::notice(self, copied.map(|(.., record)| record)).await?;
        operation::check()?;
        let applied = self.backend().apply(&changes).await?;
        if let Some(namesake) = namesake {
            tracing::warn!("{namesake}");
        }
        for (index, inserted, mut record) in new {
            record.id = Some(applied.id(inserted)?);
            if let Some(Ok(item)) = ready.get(index) {
                item.copied.iter().for_each(Copied::settle);
            }
            saved.insert(index, Handle::made(self, record)?);
        }
        Ok(saved)
    }

    /// Finds how each artifact is to be saved, with what must be true for that.
    async fn ways(
        &self,
        ready: &mut [Result<Ready>],
        changes: &mut ChangeSet,
    ) -> Result<Vec<Option<Way>>> {
        let known = self.known(ready).await?;
        let taken = self.taken(ready).await?;
        let (mut hashes, mut places) = (HashSet::new(), HashSet::new());
        let mut ways = Vec::with_capacity(ready.len());
        let mut required: HashMap<Id, Vec<Value>> = HashMap::new();
        let mut new_hashes = Vec::new();
        for item in ready.iter() {
            let Ok(item) = item else {
                ways.push(None);
                continue;
            };
            let hash = &item.content.hash.hash;
            let looks_up = !item.builder.skip_hash_lookup;
            let place = item.place();
            let way = if let Some(record) = known.get(hash.as_str()).filter(|_| looks_up) {
                match item.is_unchanged(record) {
                    true => Way::Known(Box::new(record.clone())),
                    false => Way::Alone,
                }
            } else if item.builder.is_new_version_of.is_some()
                || item.builder.storage.is_some() && item.location.is_local()
                || place
                    .as_ref()
                    .is_some_and(|place| taken.contains(place) || places.contains(place))
                || looks_up && !hashes.insert(hash.clone())
            {
                Way::Alone
            } else {
                if looks_up {
                    new_hashes.push(Value::from(hash.as_str()));
                }
                if let Some((storage, key)) = place {
                    required
                        .entry(storage)
                        .or_default()
                        .push(key.as_str().into());
                    places.insert((storage, key));
                }
                Way::New
            };
            ways.push(Some(way));
        }
        if !new_hashes.is_empty() {
            let known = Filter::In(Field::Hash, new_hashes);
            let not_in_trash = Filter::ne(Field::Visibility, Visibility::Trash);
            changes.require_none(Artifact::KIND, known.and(not_in_trash));
        }
        for (storage, keys) in required {
            changes.require_none(Artifact::KIND, at(storage, keys));
        }
        Ok(ways)
    }

    /// The artifacts not in the trash that have one of the hashes, the oldest for each.
    async fn known(&self, ready: &[Result<Ready>]) -> Result<HashMap<String, Artifact>> {
        let hashes = ready.iter().flatten().map(|item| &item.content.hash.hash);
        let query = Query::new(Artifact::KIND)
            .filter(Filter::is_in(Field::Hash, hashes.map(String::as_str)))
            .filter(Filter::ne(Field::Visibility, Visibility::Trash));
        let mut known = HashMap::new();
        for artifact in self.select::<Artifact>(&query).await? {
            if let Some(hash) = artifact.hash.clone() {
                known.entry(hash).or_insert(artifact);
            }
        }
        Ok(known)
    }

    /// The places that another artifact was registered at.
    async fn taken(&self, ready: &[Result<Ready>]) -> Result<HashSet<(Id, String)>> {
        let mut keys: HashMap<Id, Vec<Value>> = HashMap::new();
        for (storage, key) in ready.iter().flatten().filter_map(Ready::place) {
            keys.entry(storage).or_default().push(key.as_str().into());
        }
        let mut taken = HashSet::new();
        for (storage, keys) in keys {
            let query = Query::new(Artifact::KIND).filter(at(storage, keys));
            let found = self.select::<Artifact>(&query).await?;
            taken.extend(found.into_iter().map(|a| (a.storage_id, a.storage_key)));
        }
        Ok(taken)
    }
}

impl Ready {
    /// Where it is, if that is in place.
    fn place(&self) -> Option<(Id, String)> {
        let key = self.location.in_place.clone()?;
        Some((self.location.storage.id.unwrap_or_default(), key))
    }

    /// Whether saving it again would change nothing, the content being there.
    fn is_unchanged(&self, known: &Artifact) -> bool {
        let builder = &self.builder;
        let same_text = |given: &Option<String>, present| given.is_none() || given == present;
        let same_run = self.run.as_ref().is_none_or(|run| run.id == known.run_id);
        // Where the content in hand is the one in storage nothing can be missing.
        let in_place = self
            .place()
            .is_some_and(|place| place == (known.storage_id, known.storage_key.clone()));
        let same_etag = self.content.etag.is_none() || self.content.etag == known.etag;
        self.content.is_that_of(known)
            && known.storage_completed
            && in_place
            && same_etag
            && same_text(&builder.description, &known.description)
            && same_text(&builder.key, &known.key)
            && same_text(&builder.version, &known.version)
            && builder.is_new_version_of.is_none()
            && builder.given_labels().is_empty()
            && same_run
    }

    /// Whether it has to be put into its storage.
    fn needs_copy(&self, way: &Option<Way>) -> bool {
        matches!(way, Some(Way::New)) && self.location.in_place.is_none() && self.copied.is_none()
    }

    /// Finds out what the content is.
    fn prepare(mut self, formats: &StoreFormats) -> Result<Self> {
        if self.inspection.is_none() {
            self.inspection = Some(inspect(formats, &self.content)?);
        }
        Ok(self)
    }

    /// The record that is to be inserted. A copy was made before.
    async fn record(&self, db: &Instance) -> Result<Artifact> {
        let given = self.builder.version.as_deref();
        let place = versioned::place::<Artifact>(db, None, given, &mut ChangeSet::new()).await?;
        let inspection = self.inspection.unwrap_or_default();
        let (content, location) = (&self.content, &self.location);
        let run = self.run.as_ref();
        let mut record = self
            .builder
            .new_record(content, location, inspection, &place, run)?;
        record.storage_id = location.storage.id.unwrap_or_default();
        if let Some(key) = &location.in_place {
            record.storage_key.clone_from(key);
        } else if let Some(copied) = &self.copied {
            record.storage_key.clone_from(&copied.storage_key);
            record.etag.clone_from(&copied.etag);
        }
        Ok(record)
    }

    async fn save_alone(mut self) -> Result<Handle<Artifact>> {
        let (builder, run) = (&self.builder, self.run.as_ref());
        builder
            .save_read(&self.content, &self.location, run, &mut self.copied)
            .await
    }
}

/// The artifacts at these places of a storage.
fn at(storage: Id, keys: Vec<Value>) -> Filter {
    Filter::eq(Field::Storage, storage).and(Filter::In(Field::StorageKey, keys))
}
