//! What records are able to do beyond holding data: the traits of the model, and the rules for
//! uids, versions, hashes and keys.
//!
//! The traits only say what a kind is. What callers do with records, such as finding, saving and
//! deleting them, is written once on [`Handle`](crate::instance::Handle) and
//! [`QuerySet`](crate::instance::QuerySet), for every kind that has the trait.

pub mod uid;
pub mod version;

pub use anndex_store::{hash, key};

use crate::record::{
    Artifact, Collection, FeatureSet, Field, FieldType, Id, Kind, LinkKind, RecordData, Run,
    Storage, Transform, ULabel, User, Visibility,
};

/// What every record is: data with an id and a uid, found by name, kept in one registry per kind.
pub trait Registry: RecordData {
    /// How many characters the uid has.
    const UID_LENGTH: usize;

    /// The field that people know a record by.
    const NAME_FIELD: Option<Field>;

    /// Whether queries show the record; kinds that can't be hidden are always shown.
    fn visibility(&self) -> Visibility {
        self.get(Field::Visibility)
            .and_then(|value| Visibility::from_value(value).ok())
            .unwrap_or_default()
    }

    /// The name or whatever people know the record by, if it has one.
    fn title(&self) -> Option<String> {
        Self::NAME_FIELD
            .and_then(|field| self.get(field))
            .and_then(|value| Option::<String>::from_value(value).ok())
            .flatten()
    }

    /// The kind and uid, and the name where there is one, as messages name the record.
    fn label(&self) -> String {
        match self.title() {
            Some(title) => format!("{} {} ({title:?})", Self::KIND, self.uid()),
            None => format!("{} {}", Self::KIND, self.uid()),
        }
    }
}

/// Records that come in versions. All versions of a family share the stem of their uids.
pub trait IsVersioned: Registry {
    /// Fields that a new version takes over from the one it is made from, where nothing else is
    /// given.
    const INHERITED: &'static [Field];

    /// The version; `None` for a record that was never versioned.
    fn version(&self) -> Option<&str>;

    /// The part of the uid that all versions share; the rest counts the versions.
    fn stem_uid(&self) -> &str {
        uid::stem(self.uid())
    }
}

/// Records that know who and what created them.
pub trait TracksRun: Registry {
    /// The id of the user who created the record.
    fn created_by_id(&self) -> Option<Id>;

    /// The id of the run that created the record.
    fn run_id(&self) -> Option<Id>;
}

/// Records that can be created again, by other runs.
pub trait TracksUpdates: TracksRun {
    /// The link to the runs that created or updated the record before its present run.
    const PREVIOUS_RUNS: LinkKind;
}

/// Datasets: artifacts and collections.
pub trait Data: IsVersioned + TracksUpdates {
    /// The link to labels.
    const ULABELS: LinkKind;
    /// The link to feature sets.
    const FEATURE_SETS: LinkKind;
    /// The link from runs that read the dataset.
    const INPUT_OF: LinkKind;
}

macro_rules! registry {
    ($($record:ident: $length:literal, $name:expr;)*) => {
        $(
            impl Registry for $record {
                const UID_LENGTH: usize = $length;
                const NAME_FIELD: Option<Field> = $name;
            }
        )*

        impl Kind {
            /// How many characters the uids of this kind have.
            pub fn uid_length(self) -> usize {
                match self { $(Self::$record => $length,)* }
            }

            /// The field that people know records of this kind by.
            pub fn name_field(self) -> Option<Field> {
                match self { $(Self::$record => $name,)* }
            }
        }
    };
}

registry! {
    User: 8, Some(Field::Handle);
    Storage: 12, Some(Field::Root);
    Transform: 16, Some(Field::Name);
    Run: 20, Some(Field::Name);
    Artifact: 20, Some(Field::Key);
    Collection: 20, Some(Field::Name);
    ULabel: 8, Some(Field::Name);
    FeatureSet: 20, Some(Field::Name);
}

macro_rules! is_versioned {
    ($($record:ident: $inherited:expr;)*) => {
        $(
            impl IsVersioned for $record {
                const INHERITED: &'static [Field] = $inherited;

                fn version(&self) -> Option<&str> {
                    self.version.as_deref()
                }
            }
        )*
    };
}

is_versioned! {
    Transform: &[
        Field::Key, Field::Name, Field::Description, Field::Reference, Field::ReferenceType,
    ];
    Artifact: &[Field::Key, Field::Description];
    Collection: &[Field::Description, Field::Reference, Field::ReferenceType];
}

macro_rules! tracks_run {
    ($($record:ident),*) => {
        $(
            impl TracksRun for $record {
                fn created_by_id(&self) -> Option<Id> {
                    self.created_by_id
                }

                fn run_id(&self) -> Option<Id> {
                    self.run_id
                }
            }
        )*
    };
}

tracks_run!(Artifact, Collection, ULabel, FeatureSet);

impl TracksUpdates for Artifact {
    const PREVIOUS_RUNS: LinkKind = LinkKind::ArtifactPreviousRun;
}

impl TracksUpdates for Collection {
    const PREVIOUS_RUNS: LinkKind = LinkKind::CollectionPreviousRun;
}

impl Data for Artifact {
    const ULABELS: LinkKind = LinkKind::ArtifactULabel;
    const FEATURE_SETS: LinkKind = LinkKind::ArtifactFeatureSet;
    const INPUT_OF: LinkKind = LinkKind::RunInputArtifact;
}

impl Data for Collection {
    const ULABELS: LinkKind = LinkKind::CollectionULabel;
    const FEATURE_SETS: LinkKind = LinkKind::CollectionFeatureSet;
    const INPUT_OF: LinkKind = LinkKind::RunInputCollection;
}
