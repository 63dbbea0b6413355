//! The kinds of records, one registry each.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Field, FieldInfo};

/// A kind of record; all records of a kind in an instance are its registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// People.
    User,
    /// Places where artifacts are kept.
    Storage,
    /// Pieces of code.
    Transform,
    /// Executions of transforms.
    Run,
    /// Datasets in storage.
    Artifact,
    /// Versioned lists of artifacts.
    Collection,
    /// Labels.
    #[serde(rename = "ulabel")]
    ULabel,
    /// Sets of measured features.
    FeatureSet,
}

impl Kind {
    /// All kinds, referenced ones before those that refer to them.
    pub const ALL: [Self; 8] = [
        Self::User,
        Self::Storage,
        Self::Transform,
        Self::Run,
        Self::Artifact,
        Self::Collection,
        Self::ULabel,
        Self::FeatureSet,
    ];

    /// The name in messages, JSON and databases: `"artifact"`, `"feature_set"`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Storage => "storage",
            Self::Transform => "transform",
            Self::Run => "run",
            Self::Artifact => "artifact",
            Self::Collection => "collection",
            Self::ULabel => "ulabel",
            Self::FeatureSet => "feature_set",
        }
    }

    /// The name with its article, as it stands in sentences: `"an artifact"`.
    pub fn with_article(self) -> &'static str {
        match self {
            Self::User => "a user",
            Self::Storage => "a storage",
            Self::Transform => "a transform",
            Self::Run => "a run",
            Self::Artifact => "an artifact",
            Self::Collection => "a collection",
            Self::ULabel => "a ulabel",
            Self::FeatureSet => "a feature_set",
        }
    }

    /// What is known about a field; `None` if this kind has no such field.
    pub fn field(self, field: Field) -> Option<&'static FieldInfo> {
        self.fields().iter().find(|info| info.field == field)
    }

    /// Whether records of this kind can be hidden or moved to the trash.
    pub fn has_visibility(self) -> bool {
        self.field(Field::Visibility).is_some()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_article() {
        for kind in Kind::ALL {
            let name = kind.as_str();
            // "u" is spoken as in "unit" in both.
            let article = if name.starts_with(['a', 'e', 'i', 'o']) {
                "an"
            } else {
                "a"
            };
            assert_eq!(kind.with_article(), format!("{article} {name}"));
        }
    }
}
