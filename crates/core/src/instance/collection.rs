//! Making collections of artifacts.

use std::borrow::Borrow;
use std::collections::{BTreeSet, HashMap};

use super::artifact::same_instance;
use super::handle::Handle;
use super::known::{self, Given};
use super::lineage::{RunChoice, link_inputs};
use super::retry::retry;
use super::{Instance, versioned};
use crate::backend::{ChangeSet, Filter, Query, Relation};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{
    Artifact, Collection, Field, Id, LinkKind, RecordData, Run, ULabel, Value, Visibility, now,
};
use crate::registry::{Registry, hash};

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
    /// the same order, that one is given back, with the name, description, labels and run given
    /// here.
    ///
    /// # Errors
    /// - `InvalidInput` if there are no artifacts, one of them twice, one in the trash or not
    ///   completely in storage, no name, if a version must be given, if something given is of
    ///   another instance, or if the artifacts must be inputs but no run is going on;
    /// - `NotFound` if an artifact or the old version was deleted meanwhile;
    /// - `AlreadyExists` if the version is taken, or the meta artifact is that of another
    ///   collection;
    /// - `Backend` if the database fails.
    pub async fn save(self) -> Result<Handle<Collection>> {
        self.save_checked()
            .await
            .map_err(|e| e.operation("save collection"))
    }

    async fn save_checked(self) -> Result<Handle<Collection>> {
        let db = &self.db;
        same_instance(db, self.artifacts.iter().chain(&self.meta))?;
        same_instance(db, &self.is_new_version_of)?;
        same_instance(db, self.ulabels.iter().flatten())?;
        if self.artifacts.is_empty() {
            return Err(Error::invalid_input(
                "a collection needs at least one artifact",
            ));
        }
        let mut seen = BTreeSet::new();
        for artifact in &self.artifacts {
            if !seen.insert(artifact.id()) {
                return Err(Error::invalid_input(format!(
                    "the {} is given twice; a collection holds an artifact once",
                    artifact.label()
                ))
                .with("uid", artifact.uid()));
            }
        }
        let run = self.run.resolve(db)?;
        let reading_run = match (&self.is_run_input, &run) {
            (RunChoice::Current | RunChoice::Yes, Some(run)) => Some(run.clone()),
            (RunChoice::Current, None) => None,
            (other, _) => other.resolve(db)?,
        };
        let mut warned = false;
        retry!(async {
            let artifacts = self.fresh_artifacts().await?;
            if !std::mem::replace(&mut warned, true) {
                warn_of_equal_content(&artifacts);
            }
            self.attempt(&artifacts, run.as_ref(), reading_run.as_ref())
                .await
        })
    }

    /// The artifacts as they are now, in order.
    async fn fresh_artifacts(&self) -> Result<Vec<Artifact>> {
        let ids = self.artifacts.iter().map(Handle::id);
        let query = Query::new(Artifact::KIND).filter(Filter::is_in(Field::Id, ids));
        let found = self.db.select::<Artifact>(&query).await?;
        let mut found: HashMap<_, _> = found.into_iter().map(|a| (a.id, a)).collect();
        let fresh = self.artifacts.iter().map(|artifact| {
            let at = |error: Error| Err(error.with("uid", artifact.uid()));
            match found.remove(&Some(artifact.id())) {
                None => at(Error::not_found("the artifact was deleted permanently")),
                Some(found) if found.visibility == Visibility::Trash => at(Error::invalid_input(
                    "the artifact is in the trash; restore it first",
                )),
                Some(found) if !found.storage_completed => at(Error::invalid_input(
                    "the artifact is not completely in storage; save it again first",
                )),
                Some(found) => Ok(found),
            }
        });
        fresh.collect()
    }

    async fn attempt(
        &self,
        artifacts: &[Artifact],
        run: Option<&Run>,
        reading_run: Option<&Run>,
    ) -> Result<Handle<Collection>> {
        let db = &self.db;
        let mut changes = ChangeSet::new();
        let hash = hash::hash_set(artifacts.iter().filter_map(|a| a.hash.as_deref()));
        if let Some(known) = self.known(&hash, artifacts).await? {
            return self.update(known, artifacts, run, reading_run).await;
        }
        let base = self.is_new_version_of.as_ref().map(Handle::id);
        let place =
            versioned::place::<Collection>(db, base, self.version.as_deref(), &mut changes).await?;
        let inherited = place.base.as_ref().map(|base| base.name.clone());
        let name = self
            .name
            .clone()
            .or(inherited)
            .ok_or_else(|| Error::invalid_input("the collection has no name; give one"))?;
        let mut collection = Collection {
            uid: place.uid.clone(),
            name,
            description: self.description.clone(),
            version: place.version.clone(),
            hash: Some(hash),
            reference: self.reference.clone(),
            reference_type: self.reference_type.clone(),
            artifact_id: self.meta_id(None).await?,
            run_id: run.and_then(|run| run.id),
            created_by_id: db.user().id,
            created_at: now(),
            updated_at: now(),
            ..Collection::default()
        };
        place.inherit(&mut collection)?;
        let new = changes.insert(collection.clone());
        for (position, artifact) in (0..).zip(artifacts.iter().filter_map(|a| a.id)) {
            changes.link_at(LinkKind::CollectionArtifact, new, artifact, position);
        }
        let ulabels = match (&self.ulabels, place.base.as_ref().and_then(|base| base.id)) {
            (None, Some(base)) => db.linked(LinkKind::CollectionULabel, base).await?,
            _ => self.given_labels(),
        };
        for ulabel in ulabels {
            changes.link(LinkKind::CollectionULabel, new, ulabel);
        }
        if let Some(run) = reading_run {
            link_inputs(db, run, artifacts, &mut changes).await?;
            link_inputs(db, run, place.base.as_slice(), &mut changes).await?;
        }
        collection.id = Some(db.backend().apply(&changes).await?.id(new)?);
        Handle::new(db, collection)
    }

    /// The collection that has this content in this order. The hash alone does not tell: it sees
    /// neither the order nor how often content occurs.
    async fn known(
        &self,
        hash: &str,
        artifacts: &[Artifact],
    ) -> Result<Option<Handle<Collection>>> {
        if self.skip_hash_lookup {
            return Ok(None);
        }
        for candidate in known::with_hash::<Collection>(&self.db, hash).await? {
            let candidate = Handle::new(&self.db, candidate)?;
            let held = candidate.artifacts().await?;
            let same = held.len() == artifacts.len()
                && held.iter().zip(artifacts).all(|(held, artifact)| {
                    Some(held.id()) == artifact.id
                        || held.hash.is_some() && held.hash == artifact.hash
                });
            if same {
                return Ok(Some(candidate));
            }
        }
        Ok(None)
    }

    async fn update(
        &self,
        known: Handle<Collection>,
        artifacts: &[Artifact],
        run: Option<&Run>,
        reading_run: Option<&Run>,
    ) -> Result<Handle<Collection>> {
        tracing::info!(
            uid = known.uid,
            "the content is known; its collection is given back"
        );
        let mut changes = ChangeSet::new();
        let text = |text: &Option<String>| text.clone().map(Value::from);
        let meta = self.meta_id(Some(known.id())).await?;
        let given = Given {
            fields: vec![
                (Field::Name, text(&self.name)),
                (Field::Description, text(&self.description)),
                (Field::Artifact, meta.map(Value::from)),
            ],
            ulabels: &self.given_labels(),
            run,
        };
        known::update(&self.db, known.record(), given, &mut changes).await?;
        if let Some(run) = reading_run {
            link_inputs(&self.db, run, artifacts, &mut changes).await?;
        }
        if !changes.is_empty() {
            self.db.backend().apply(&changes).await?;
        }
        Handle::new(&self.db, known.fresh().await?)
    }

    /// The id of the meta artifact, which no other collection may have.
    async fn meta_id(&self, own: Option<Id>) -> Result<Option<Id>> {
        let Some(meta) = &self.meta else {
            return Ok(None);
        };
        let described = Filter::eq(Field::Artifact, meta.id());
        let query = Query::new(Collection::KIND).filter(described);
        let other = self.db.select::<Collection>(&query).await?.pop();
        match other {
            Some(other) if other.id != own => Err(Error::new(
                ErrorKind::AlreadyExists,
                format!("the meta artifact is that of the {} already", other.label()),
            )
            .with("uid", meta.uid())),
            _ => Ok(Some(meta.fresh().await?.id.unwrap_or(meta.id()))),
        }
    }

    fn given_labels(&self) -> Vec<Id> {
        self.ulabels.iter().flatten().map(Handle::id).collect()
    }
}

fn warn_of_equal_content(artifacts: &[Artifact]) {
    let mut seen: HashMap<&str, &Artifact> = HashMap::new();
    for artifact in artifacts {
        let Some(hash) = artifact.hash.as_deref() else {
            continue;
        };
        if let Some(first) = seen.insert(hash, artifact) {
            tracing::warn!(
                hash,
                "two artifacts of the collection have the same content: {} and {}",
                first.uid,
                artifact.uid
            );
        }
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

impl Instance {
    /// The ids of the targets of a record's links.
    pub(super) async fn linked(&self, link: LinkKind, source: Id) -> Result<Vec<Id>> {
        let query = crate::backend::LinkQuery::of_source(link, source);
        let links = self.backend().links(&query).await?;
        Ok(links.into_iter().map(|link| link.target).collect())
    }
}
