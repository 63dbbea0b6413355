//! Links: relations between records that many may have with many.

use super::{Id, Kind};

/// What happens to a link when a record at one of its ends is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDelete {
    /// The link goes with the record.
    Cascade,
    /// The record can't be deleted while the link is there.
    Protect,
}

/// A relation between many records of one kind, the source, and many of another, the target. The
/// same two records are linked at most once (once per slot, where links have slots).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LinkKind {
    /// The artifacts of a collection, in the order of their positions.
    CollectionArtifact,
    /// The labels of a collection.
    CollectionULabel,
    /// The labels of an artifact.
    ArtifactULabel,
    /// The feature sets of a collection, each in a slot such as `"var"` or `"obs"`.
    CollectionFeatureSet,
    /// The feature sets of an artifact, each in a slot such as `"var"` or `"obs"`.
    ArtifactFeatureSet,
    /// The artifacts that a run reads.
    RunInputArtifact,
    /// The collections that a run reads.
    RunInputCollection,
    /// Earlier runs that made or updated a collection, in the order of their positions.
    CollectionPreviousRun,
    /// Earlier runs that made or updated an artifact, in the order of their positions.
    ArtifactPreviousRun,
    /// The parents of a transform: those whose outputs it reads.
    TransformParent,
    /// The parents of a label: those that are more general.
    ULabelParent,
}

impl LinkKind {
    /// All kinds of links.
    pub const ALL: [Self; 11] = [
        Self::CollectionArtifact,
        Self::CollectionULabel,
        Self::ArtifactULabel,
        Self::CollectionFeatureSet,
        Self::ArtifactFeatureSet,
        Self::RunInputArtifact,
        Self::RunInputCollection,
        Self::CollectionPreviousRun,
        Self::ArtifactPreviousRun,
        Self::TransformParent,
        Self::ULabelParent,
    ];

    /// The name in messages and databases: `"collection_artifact"`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CollectionArtifact => "collection_artifact",
            Self::CollectionULabel => "collection_ulabel",
            Self::ArtifactULabel => "artifact_ulabel",
            Self::CollectionFeatureSet => "collection_feature_set",
            Self::ArtifactFeatureSet => "artifact_feature_set",
            Self::RunInputArtifact => "run_input_artifact",
            Self::RunInputCollection => "run_input_collection",
            Self::CollectionPreviousRun => "collection_previous_run",
            Self::ArtifactPreviousRun => "artifact_previous_run",
            Self::TransformParent => "transform_parent",
            Self::ULabelParent => "ulabel_parent",
        }
    }

    /// The kind of the source.
    pub fn source(self) -> Kind {
        match self {
            Self::CollectionArtifact
            | Self::CollectionULabel
            | Self::CollectionFeatureSet
            | Self::CollectionPreviousRun => Kind::Collection,
            Self::ArtifactULabel | Self::ArtifactFeatureSet | Self::ArtifactPreviousRun => {
                Kind::Artifact
            }
            Self::RunInputArtifact | Self::RunInputCollection => Kind::Run,
            Self::TransformParent => Kind::Transform,
            Self::ULabelParent => Kind::ULabel,
        }
    }

    /// The kind of the target.
    pub fn target(self) -> Kind {
        match self {
            Self::CollectionArtifact | Self::RunInputArtifact => Kind::Artifact,
            Self::RunInputCollection => Kind::Collection,
            Self::CollectionULabel | Self::ArtifactULabel | Self::ULabelParent => Kind::ULabel,
            Self::CollectionFeatureSet | Self::ArtifactFeatureSet => Kind::FeatureSet,
            Self::CollectionPreviousRun | Self::ArtifactPreviousRun => Kind::Run,
            Self::TransformParent => Kind::Transform,
        }
    }

    /// Whether links carry a position.
    pub fn is_ordered(self) -> bool {
        matches!(
            self,
            Self::CollectionArtifact | Self::CollectionPreviousRun | Self::ArtifactPreviousRun
        )
    }

    /// Whether links carry a slot.
    pub fn has_slot(self) -> bool {
        matches!(self, Self::CollectionFeatureSet | Self::ArtifactFeatureSet)
    }

    /// What happens when the target is deleted. When the source is, its links always go with it.
    pub fn on_delete_target(self) -> OnDelete {
        match self {
            Self::RunInputArtifact
            | Self::RunInputCollection
            | Self::TransformParent
            | Self::ULabelParent => OnDelete::Cascade,
            Self::CollectionArtifact
            | Self::CollectionULabel
            | Self::ArtifactULabel
            | Self::CollectionFeatureSet
            | Self::ArtifactFeatureSet
            | Self::CollectionPreviousRun
            | Self::ArtifactPreviousRun => OnDelete::Protect,
        }
    }
}

/// A link as a backend holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The relation.
    pub kind: LinkKind,
    /// The id of the source.
    pub source: Id,
    /// The id of the target.
    pub target: Id,
    /// The position among the source's links, from 0; `None` where the relation has no order.
    pub position: Option<i64>,
    /// The slot; `None` where the relation has no slots.
    pub slot: Option<String>,
}
