//! Making collections of artifacts, and what they hold.

mod save;

use std::borrow::Borrow;
use std::collections::HashMap;
use std::path::PathBuf;

use super::handle::Handle;
use super::lineage::RunChoice;
use super::retry::blocking;
use super::{Instance, place};
use crate::backend::{Filter, Query, Relation};
use crate::error::{Error, Result};
use crate::record::{Artifact, Collection, Field, Kind, LinkKind, Storage, ULabel};

/// A collection that is about to be made.
#[derive(Debug, Clone)]
#[must_use = "nothing is made before save is called"]
pub struct CollectionBuilder {
    db: Instance,
    artifacts: Vec<Handle<Artifact>>,
    name: Option<String>,
    description: Option<String>,
    version: Option<String>,
    reference: Option<String>,
    reference_type: Option<String>,
    meta: Option<Handle<Artifact>>,
    is_new_version_of: Option<Handle<Collection>>,
    ulabels: Option<Vec<Handle<ULabel>>>,
    run: RunChoice,
    is_run_input: RunChoice,
    skip_hash_lookup: bool,
}

impl Instance {
    /// Starts to make a collection of saved artifacts, in this order.
    pub fn collection<A: Borrow<Handle<Artifact>>>(
        &self,
        artifacts: impl IntoIterator<Item = A>,
    ) -> CollectionBuilder {
        CollectionBuilder {
            db: self.clone(),
            artifacts: artifacts
                .into_iter()
                .map(|artifact| artifact.borrow().clone())
                .collect(),
            name: None,
            description: None,
            version: None,
            reference: None,
            reference_type: None,
            meta: None,
            is_new_version_of: None,
            ulabels: None,
            run: RunChoice::Current,
            is_run_input: RunChoice::Current,
            skip_hash_lookup: false,
        }
    }
}

impl CollectionBuilder {
    /// The name or title; needed, except for a new version.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// A description.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// The version, at most 30 characters.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// A reference, such as an external id or a URL.
    pub fn reference(mut self, reference: impl Into<String>) -> Self {
        self.reference = Some(reference.into());
        self
    }

    /// The type of the reference, such as `"url"`.
    pub fn reference_type(mut self, reference_type: impl Into<String>) -> Self {
        self.reference_type = Some(reference_type.into());
        self
    }

    /// An artifact that describes the collection; it can describe no other one.
    pub fn meta(mut self, artifact: &Handle<Artifact>) -> Self {
        self.meta = Some(artifact.clone());
        self
    }

    /// Makes it a new version of another collection, from which it takes name, description,
    /// reference and labels where none are given. The other one may be any version of its family.
    pub fn is_new_version_of(mut self, old: &Handle<Collection>) -> Self {
        self.is_new_version_of = Some(old.clone());
        self
    }

    /// Labels.
    pub fn ulabels<'a>(mut self, ulabels: impl IntoIterator<Item = &'a Handle<ULabel>>) -> Self {
        self.ulabels = Some(ulabels.into_iter().cloned().collect());
        self
    }

    /// The run that creates it; without this it is the current one, with `false` none.
    pub fn run(mut self, run: impl Into<RunChoice>) -> Self {
        self.run = run.into();
        self
    }

    /// Whether the artifacts, and the collection that this is a new version of, are inputs of the
    /// run that creates it; they are, unless this says otherwise.
    pub fn is_run_input(mut self, is_run_input: impl Into<RunChoice>) -> Self {
        self.is_run_input = is_run_input.into();
        self
    }

    /// Makes a new record even if the content is known.
    pub fn skip_hash_lookup(mut self, skip: bool) -> Self {
        self.skip_hash_lookup = skip;
        self
    }

    /// Makes the collection. If there is one already, not in the trash, with the same content in
    /// the same order, that one is given back, with the description, reference, labels and run
    /// given here. It keeps its name, of which a warning tells if it is another one than the one
    /// given, and gets the version given if it has none; [`Handle::is_new`] tells whether a record
    /// was made.
    ///
    /// A warning tells of an unrelated collection of the same name.
    ///
    /// # Errors
    /// - `InvalidInput` if there are no artifacts, one of them twice, one in the trash or not
    ///   completely in storage, no name, if a version must be given, if something given is of
    ///   another instance, or if the artifacts must be inputs but no run is going on;
    /// - `NotFound` if an artifact or the old version was deleted meanwhile;
    /// - `AlreadyExists` if the version is taken, if the meta artifact is that of another
    ///   collection, or if known content has another version than the one given;
    /// - `Backend` if the database fails.
    pub async fn save(self) -> Result<Handle<Collection>> {
        self.save_checked()
            .await
            .map_err(|e| e.operation("save collection"))
    }
}

impl Handle<Collection> {
    /// The artifacts, in their order, whatever their visibility.
    ///
    /// # Errors
    /// `Backend` if the database fails.
    pub async fn artifacts(&self) -> Result<Vec<Handle<Artifact>>> {
        self.linked_in_order(LinkKind::CollectionArtifact).await
    }

    /// The local paths of the artifacts, in their order.
    ///
    /// # Errors
    /// As [`Handle::path`] for the first artifact that has none.
    pub async fn paths(&self) -> Result<Vec<PathBuf>> {
        paths_of(&self.db, self.artifacts().await?).await
    }

    /// The artifacts in no particular order, as a set that can be filtered.
    pub fn unordered_artifacts(&self) -> super::QuerySet<Artifact> {
        let held_by = Relation::Sources(LinkKind::CollectionArtifact);
        let held = Filter::related(held_by, Filter::eq(Field::Id, self.id));
        self.db.artifacts().with_trash().filter(held)
    }

    /// The meta artifact.
    ///
    /// # Errors
    /// `Backend` if the database fails.
    pub async fn artifact(&self) -> Result<Option<Handle<Artifact>>> {
        self.referenced(self.artifact_id).await
    }
}

/// The local path of each artifact.
pub(super) async fn paths_of(
    db: &Instance,
    artifacts: Vec<Handle<Artifact>>,
) -> Result<Vec<PathBuf>> {
    let storages = db.select::<Storage>(&Query::new(Kind::Storage)).await?;
    blocking(move || {
        let storages: HashMap<_, _> = storages.into_iter().map(|s| (s.id, s)).collect();
        let path = |artifact: &Handle<Artifact>| {
            let storage = storages
                .get(&Some(artifact.storage_id))
                .ok_or_else(|| Error::not_found("the storage of the artifact is gone"))?;
            place::resolve(storage, &artifact.storage_key)
        };
        artifacts
            .iter()
            .map(|artifact| path(artifact).map_err(|e| e.with("uid", &artifact.uid)))
            .collect()
    })
    .await
}
