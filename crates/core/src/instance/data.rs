//! What datasets are annotated with: labels and feature sets.

use std::collections::{BTreeMap, BTreeSet};

use super::handle::{Handle, same_instance};
use super::retry::retry;
use crate::backend::{ChangeSet, Filter, LinkQuery, Query, Relation, Target};
use crate::error::{Error, Result};
use crate::record::{Feature, FeatureSet, Field, Id, Link, RecordData, ULabel, now};
use crate::registry::{Data, Registry, hash, uid};

impl<D: Data> Handle<D> {
    /// The labels.
    ///
    /// # Errors
    /// `Backend` if the database fails.
    pub async fn ulabels(&self) -> Result<Vec<Handle<ULabel>>> {
        self.related(Relation::Targets(D::ULABELS)).await
    }

    /// Adds labels; those that are there already stay.
    ///
    /// # Errors
    /// `InvalidInput` if a label is of another instance; `Conflict` if one was deleted meanwhile;
    /// `Backend` if the database fails.
    pub async fn add_ulabels<'a>(
        &self,
        ulabels: impl IntoIterator<Item = &'a Handle<ULabel>>,
    ) -> Result<()> {
        self.change_ulabels(ulabels, |changes, id, ulabel| {
            changes.link(D::ULABELS, id, ulabel);
        })
        .await
    }

    /// Takes labels away; those that are not there do not matter.
    ///
    /// # Errors
    /// As [`Handle::add_ulabels`].
    pub async fn remove_ulabels<'a>(
        &self,
        ulabels: impl IntoIterator<Item = &'a Handle<ULabel>>,
    ) -> Result<()> {
        self.change_ulabels(ulabels, |changes, id, ulabel| {
            changes.unlink(D::ULABELS, id, ulabel);
        })
        .await
    }

    async fn change_ulabels<'a>(
        &self,
        ulabels: impl IntoIterator<Item = &'a Handle<ULabel>>,
        change: impl Fn(&mut ChangeSet, Id, Id),
    ) -> Result<()> {
        let ulabels: Vec<_> = ulabels.into_iter().cloned().collect();
        same_instance(&self.db, &ulabels)?;
        let mut changes = ChangeSet::new();
        for ulabel in &ulabels {
            change(&mut changes, self.id, ulabel.id());
        }
        if !changes.is_empty() {
            self.db.backend().apply(&changes).await?;
        }
        Ok(())
    }

    /// The feature sets, each with the slot that it describes, such as `"var"` or `"obs"`.
    ///
    /// # Errors
    /// `Backend` if the database fails.
    pub async fn feature_sets(&self) -> Result<BTreeMap<String, Handle<FeatureSet>>> {
        let sets: Vec<Handle<FeatureSet>> =
            self.related(Relation::Targets(D::FEATURE_SETS)).await?;
        let sets: BTreeMap<Id, _> = sets.into_iter().map(|set| (set.id(), set)).collect();
        let links = LinkQuery::of_source(D::FEATURE_SETS, self.id);
        let links = self.db.backend().links(&links).await?;
        Ok(links
            .into_iter()
            .filter_map(|link| Some((link.slot?, sets.get(&link.target)?.clone())))
            .collect())
    }

    /// Says which features a slot such as `"var"` or `"obs"` has, instead of those it had before.
    /// Equal sets of features are one record.
    ///
    /// # Errors
    /// `InvalidInput` if there are no features or one of them twice; `NotFound` if the dataset was
    /// deleted meanwhile; `Backend` if the database fails.
    pub async fn set_features(&self, slot: &str, features: Vec<Feature>) -> Result<()> {
        self.set_slots(vec![(slot, features)]).await
    }

    /// Says which features several slots have, all or none of them.
    ///
    /// # Errors
    /// As [`Handle::set_features`].
    pub(super) async fn set_slots(&self, mut slots: Vec<(&str, Vec<Feature>)>) -> Result<()> {
        for (slot, features) in &mut slots {
            features.sort();
            check_features(slot, features)?;
        }
        retry!(async {
            self.fresh().await?;
            let mut changes = ChangeSet::new();
            // Slots may have equal content, which is one record then.
            let mut sets: BTreeMap<String, Target> = BTreeMap::new();
            let mut wanted: BTreeMap<&str, Target> = BTreeMap::new();
            for (slot, features) in &slots {
                let template = self.feature_set(features.clone());
                let set = match sets.get(&template.hash) {
                    Some(set) => *set,
                    None => self.known_or_new(template, &mut sets, &mut changes).await?,
                };
                wanted.insert(slot, set);
            }
            self.take_from_slots(&wanted, &mut changes).await?;
            for (slot, set) in wanted {
                changes.link_in(D::FEATURE_SETS, self.id, set, slot);
            }
            if changes.is_empty() {
                return Ok(());
            }
            self.db.backend().apply(&changes).await.map(|_| ())
        })
    }

    /// The feature set of this content, which may be made here.
    async fn known_or_new(
        &self,
        template: FeatureSet,
        sets: &mut BTreeMap<String, Target>,
        changes: &mut ChangeSet,
    ) -> Result<Target> {
        let hash = template.hash.clone();
        let same = Filter::eq(Field::Hash, hash.as_str());
        let query = Query::new(FeatureSet::KIND).filter(same);
        let known = self.db.select::<FeatureSet>(&query).await?.pop();
        let set = match known.and_then(|set| set.id) {
            Some(id) => Target::Existing(id),
            None => Target::New(changes.insert(template)),
        };
        sets.insert(hash, set);
        Ok(set)
    }

    /// Takes feature sets out of the slots that get other ones; they stay in the other slots that
    /// they describe, too.
    async fn take_from_slots(
        &self,
        wanted: &BTreeMap<&str, Target>,
        changes: &mut ChangeSet,
    ) -> Result<()> {
        let links = LinkQuery::of_source(D::FEATURE_SETS, self.id);
        let links = self.db.backend().links(&links).await?;
        let stays = |link: &Link| {
            let slot = link.slot.as_deref().unwrap_or_default();
            let set = wanted.get(slot);
            set.is_none_or(|set| *set == Target::Existing(link.target))
        };
        let taken = links.iter().filter(|link| !stays(link));
        let taken: BTreeSet<Id> = taken.map(|link| link.target).collect();
        for set in &taken {
            changes.unlink(D::FEATURE_SETS, self.id, *set);
        }
        for link in links.iter().filter(|link| taken.contains(&link.target)) {
            if let (Some(slot), true) = (&link.slot, stays(link)) {
                changes.link_in(D::FEATURE_SETS, self.id, link.target, slot.as_str());
            }
        }
        Ok(())
    }

    fn feature_set(&self, members: Vec<Feature>) -> FeatureSet {
        let dtype_of = |feature: &Feature| feature.dtype.clone();
        let shared = members.first().and_then(dtype_of);
        let parts: Vec<String> = members
            .iter()
            .map(|feature| {
                let dtype = feature.dtype.as_deref().unwrap_or_default();
                format!("{}\t{dtype}", feature.name)
            })
            .collect();
        FeatureSet {
            uid: uid::random(FeatureSet::UID_LENGTH),
            n: i64::try_from(members.len()).unwrap_or(i64::MAX),
            dtype: shared.filter(|s| members.iter().all(|f| f.dtype.as_ref() == Some(s))),
            registry: "Feature".to_owned(),
            hash: hash::hash_set(parts.iter().map(String::as_str)),
            members,
            run_id: self.db.current().and_then(|run| run.id),
            created_by_id: self.db.user().id,
            created_at: now(),
            updated_at: now(),
            ..FeatureSet::default()
        }
    }
}

/// Refuses sorted features of which there are none, or one twice.
fn check_features(slot: &str, features: &[Feature]) -> Result<()> {
    if features.is_empty() {
        return Err(Error::invalid_input("there are no features").with("slot", slot));
    }
    let twice = features.windows(2).find(|pair| match pair {
        [a, b] => a.name == b.name,
        _ => false,
    });
    match twice {
        Some([feature, ..]) => Err(Error::invalid_input("a feature is given twice")
            .with("slot", slot)
            .with("feature", &feature.name)),
        _ => Ok(()),
    }
}
