//! From records that others refer to, back to those others: what a storage holds, what a label
//! annotates, what a person made.

use super::handle::Handle;
use super::query_set::QuerySet;
use crate::backend::{Filter, Relation};
use crate::error::Result;
use crate::record::{
    Artifact, Collection, FeatureSet, Field, FieldType, Id, LinkKind, Run, Storage, Transform,
    ULabel, User,
};
use crate::registry::Registry;

impl<R: Registry> Handle<R> {
    /// The user who created the record; `None` where nobody is known to have, and for users.
    ///
    /// # Errors
    /// `Backend` if the database fails.
    pub async fn created_by(&self) -> Result<Option<Handle<User>>> {
        let id = self.get(Field::CreatedBy);
        let id = id.and_then(|value| Option::<Id>::from_value(value).ok());
        self.referenced(id.flatten()).await
    }

    /// The records from which a relation leads to this one, whatever their visibility.
    fn leading_here<T: Registry>(&self, relation: Relation) -> QuerySet<T> {
        let here = Filter::related(relation, Filter::eq(Field::Id, self.id()));
        self.instance().records().with_trash().filter(here)
    }
}

impl Handle<User> {
    /// The records of a kind that the user created, such as `user.created::<Artifact>()`.
    pub fn created<T: Registry>(&self) -> QuerySet<T> {
        self.leading_here(Relation::Reference(Field::CreatedBy))
    }
}

impl Handle<Storage> {
    /// The artifacts in the storage.
    pub fn artifacts(&self) -> QuerySet<Artifact> {
        self.leading_here(Relation::Reference(Field::Storage))
    }
}

impl Handle<Run> {
    /// The artifacts that the run made or updated before another run did.
    pub fn updated_artifacts(&self) -> QuerySet<Artifact> {
        self.leading_here(Relation::Targets(LinkKind::ArtifactPreviousRun))
    }

    /// The collections that the run made or updated before another run did.
    pub fn updated_collections(&self) -> QuerySet<Collection> {
        self.leading_here(Relation::Targets(LinkKind::CollectionPreviousRun))
    }
}

impl Handle<Transform> {
    /// The transforms that read what it makes.
    pub fn children(&self) -> QuerySet<Transform> {
        self.leading_here(Relation::Targets(LinkKind::TransformParent))
    }
}

impl Handle<Artifact> {
    /// The collection whose meta artifact it is.
    ///
    /// # Errors
    /// `Backend` if the database fails.
    pub async fn described_collection(&self) -> Result<Option<Handle<Collection>>> {
        let described = self.leading_here(Relation::Reference(Field::Artifact));
        described.one_or_none().await
    }
}

impl Handle<ULabel> {
    /// The labels that are more general.
    ///
    /// # Errors
    /// `Backend` if the database fails.
    pub async fn parents(&self) -> Result<Vec<Handle<ULabel>>> {
        self.related(Relation::Targets(LinkKind::ULabelParent))
            .await
    }

    /// The labels that are more special.
    ///
    /// # Errors
    /// `Backend` if the database fails.
    pub async fn children(&self) -> Result<Vec<Handle<ULabel>>> {
        self.related(Relation::Sources(LinkKind::ULabelParent))
            .await
    }

    /// The artifacts with this label.
    pub fn artifacts(&self) -> QuerySet<Artifact> {
        self.leading_here(Relation::Targets(LinkKind::ArtifactULabel))
    }

    /// The collections with this label.
    pub fn collections(&self) -> QuerySet<Collection> {
        self.leading_here(Relation::Targets(LinkKind::CollectionULabel))
    }
}

impl Handle<FeatureSet> {
    /// The artifacts that measure these features.
    pub fn artifacts(&self) -> QuerySet<Artifact> {
        self.leading_here(Relation::Targets(LinkKind::ArtifactFeatureSet))
    }

    /// The collections that measure these features.
    pub fn collections(&self) -> QuerySet<Collection> {
        self.leading_here(Relation::Targets(LinkKind::CollectionFeatureSet))
    }
}
