//! Saving a collection together with its links in one change set.

use std::collections::{BTreeSet, HashMap};

use super::CollectionBuilder;
use crate::backend::{ChangeSet, Filter, Query};
use crate::error::{Error, ErrorKind, Result};
use crate::instance::handle::same_instance;
use crate::instance::known::{self, Given};
use crate::instance::lineage::{RunChoice, link_inputs};
use crate::instance::retry::retry;
use crate::instance::{Handle, check_name, check_texts, namesake, versioned};
use crate::record::{
    Artifact, Collection, Field, Id, LinkKind, RecordData, Run, Value, Visibility, now,
};
use crate::registry::{Registry, hash};

impl CollectionBuilder {
    pub(super) async fn save_checked(self) -> Result<Handle<Collection>> {
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
        let texts = [
            (Field::Name, &self.name),
            (Field::Description, &self.description),
            (Field::Version, &self.version),
            (Field::Reference, &self.reference),
            (Field::ReferenceType, &self.reference_type),
        ];
        check_texts(Collection::KIND, texts)?;
        if let Some(name) = &self.name {
            check_name(Collection::KIND, name)?;
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
        if !self.skip_hash_lookup {
            let (known, others) = self.known(&hash, artifacts).await?;
            if let Some(known) = known {
                return self.update(known, artifacts, run, reading_run).await;
            }
            changes.require_none(Collection::KIND, with_hash_but(&hash, others));
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
        let namesake = match place.base {
            None => namesake::notice(db, [&collection]).await?,
            Some(_) => None,
        };
        collection.id = Some(db.backend().apply(&changes).await?.id(new)?);
        if let Some(namesake) = namesake {
            tracing::warn!("{namesake}");
        }
        Handle::made(db, collection)
    }

    /// The collection that has this content in this order, of several one of this name, and others
    /// that have its hash. The hash alone does not tell: it sees neither the order nor how often
    /// content occurs.
    async fn known(
        &self,
        hash: &str,
        artifacts: &[Artifact],
    ) -> Result<(Option<Handle<Collection>>, Vec<Id>)> {
        let (mut known, mut others) = (None, Vec::new());
        for candidate in known::with_hash::<Collection>(&self.db, hash).await? {
            let candidate = Handle::new(&self.db, candidate)?;
            let held = candidate.artifacts().await?;
            let same = held.len() == artifacts.len()
                && held.iter().zip(artifacts).all(|(held, artifact)| {
                    Some(held.id()) == artifact.id
                        || held.hash.is_some() && held.hash == artifact.hash
                });
            if !same {
                others.push(candidate.id());
            } else if self.is_called(&candidate) {
                return Ok((Some(candidate), others));
            } else {
                known.get_or_insert(candidate);
            }
        }
        Ok((known, others))
    }

    /// Whether a collection has the name given, if one is.
    fn is_called(&self, known: &Collection) -> bool {
        self.name.as_ref().is_none_or(|name| *name == known.name)
    }

    async fn update(
        &self,
        known: Handle<Collection>,
        artifacts: &[Artifact],
        run: Option<&Run>,
        reading_run: Option<&Run>,
    ) -> Result<Handle<Collection>> {
        let mut changes = ChangeSet::new();
        let text = |text: &Option<String>| text.clone().map(Value::from);
        let asked = known::Asked {
            version: self.version.as_deref(),
            is_new_version_of: self.is_new_version_of.as_ref(),
            same_name: self.is_called(&known),
        };
        let version = known::version(&self.db, known.record(), &asked, &mut changes).await?;
        let meta = self.meta_id(Some(known.id())).await?;
        let given = Given {
            fields: vec![
                (Field::Description, text(&self.description)),
                (Field::Reference, text(&self.reference)),
                (Field::ReferenceType, text(&self.reference_type)),
                (Field::Artifact, meta.map(Value::from)),
                (Field::Version, version),
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
        let other_name = self.name.as_ref().filter(|_| !asked.same_name);
        let notice = known::unchanged(known.record(), &asked).or_else(|| {
            let other_name = other_name?;
            Some(format!(
                "the artifacts of {other_name:?} are {} already, which is given back and keeps \
                 its name",
                known.label()
            ))
        });
        match notice {
            Some(notice) => tracing::warn!("{notice}"),
            None => tracing::info!("the content is that of {}", known.label()),
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

/// The collections with this hash, not in the trash, but for these.
fn with_hash_but(hash: &str, others: Vec<Id>) -> Filter {
    let with_hash =
        Filter::eq(Field::Hash, hash).and(Filter::ne(Field::Visibility, Visibility::Trash));
    match others.is_empty() {
        true => with_hash,
        false => with_hash.and(Filter::is_in(Field::Id, others).negate()),
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
