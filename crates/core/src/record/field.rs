//! Fields by name, with what a backend must know of each.

use std::fmt;

use chrono::{DateTime, Utc};

use super::{Kind, Value, ValueType};
use crate::error::{Error, Result};

macro_rules! fields {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A field of a record. The same name means the same thing on every kind that has it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Field {
            $($(#[$doc])* $variant,)*
        }

        impl Field {
            /// Every field of any kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name, which is also the column in databases.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

fields! {
    /// Internal id, valid in one instance.
    Id = "id",
    /// Universal id.
    Uid = "uid",
    /// Time of creation.
    CreatedAt = "created_at",
    /// Time of the last change.
    UpdatedAt = "updated_at",
    /// The user who created the record.
    CreatedBy = "created_by_id",
    /// The run that created the record.
    Run = "run_id",
    /// The transform that a run executes.
    Transform = "transform_id",
    /// The storage that holds an artifact.
    Storage = "storage_id",
    /// The meta artifact of a collection.
    Artifact = "artifact_id",
    /// Version within the family.
    Version = "version",
    /// Visibility: 0 default, 1 hidden, 2 trash.
    Visibility = "visibility",
    /// Name or title.
    Name = "name",
    /// Description.
    Description = "description",
    /// Hash of the content.
    Hash = "hash",
    /// How the hash was computed.
    HashType = "hash_type",
    /// A reference such as a URL or an external id.
    Reference = "reference",
    /// The type of the reference.
    ReferenceType = "reference_type",
    /// Path-like key.
    Key = "key",
    /// The place in storage, relative to its root.
    StorageKey = "storage_key",
    /// Suffix of the file or directory, with its dot.
    Suffix = "suffix",
    /// The type of object that an artifact represents.
    Otype = "otype",
    /// Size in bytes.
    Size = "size",
    /// The storage's own tag of the content.
    Etag = "etag",
    /// Number of files in a directory.
    NObjects = "n_objects",
    /// Number of observations.
    NObservations = "n_observations",
    /// Whether the content is completely in storage.
    StorageCompleted = "storage_completed",
    /// Type of a storage or transform.
    Type = "type",
    /// Root path or URL of a storage.
    Root = "root",
    /// Region of a cloud storage.
    Region = "region",
    /// Handle of a user.
    Handle = "handle",
    /// Source code of a transform.
    SourceCode = "source_code",
    /// Start of a run.
    StartedAt = "started_at",
    /// End of a run.
    FinishedAt = "finished_at",
    /// Whether the cells of a notebook ran in order.
    IsConsecutive = "is_consecutive",
    /// Whether a label is a type of labels.
    IsType = "is_type",
    /// Number of features.
    N = "n",
    /// Data type that all features of a set share.
    Dtype = "dtype",
    /// The registry that features are measured against.
    Registry = "registry",
    /// The features of a set.
    Members = "members",
}

impl Field {
    /// The largest number of characters of a text; `None` where any length is allowed.
    pub fn max_chars(self) -> Option<usize> {
        match self {
            Self::Description | Self::SourceCode => None,
            Self::Version => Some(30),
            _ => Some(255),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a backend must know of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldInfo {
    /// The field.
    pub field: Field,
    /// The type of its values.
    pub value_type: ValueType,
    /// Whether it may be null.
    pub nullable: bool,
    /// Whether no two records of the kind may have the same value (nulls aside).
    pub unique: bool,
    /// The kind of record whose id it holds, if it is a reference. A record that is referred to
    /// can't be deleted.
    pub references: Option<Kind>,
}

impl FieldInfo {
    /// Checks that a value may stand in this field.
    ///
    /// # Errors
    /// `InvalidInput` if it is of another type, null where that is not allowed, too long, or has a
    /// NUL character, which not every database can keep.
    pub fn check(&self, value: &Value) -> Result<()> {
        let field = self.field;
        match value.value_type() {
            None if self.nullable => return Ok(()),
            None => return Err(Error::invalid_input(format!("{field} must have a value"))),
            Some(found) if found != self.value_type => {
                return Err(Error::invalid_input(format!(
                    "{field} is {}, not {found}",
                    self.value_type
                )));
            }
            Some(_) => {}
        }
        let Value::Text(text) = value else {
            return Ok(());
        };
        if text.contains('\0') {
            return Err(Error::invalid_input(format!(
                "{field} has a NUL character; remove it"
            )));
        }
        let chars = text.chars().count();
        match field.max_chars() {
            Some(max) if chars > max => Err(Error::invalid_input(format!(
                "{field} has {chars} characters, at most {max} are allowed"
            ))),
            _ => Ok(()),
        }
    }
}

/// A Rust type that a field can have.
pub trait FieldType: Sized {
    /// The type of its values.
    const TYPE: ValueType;
    /// Whether it has a null.
    const NULLABLE: bool = false;

    /// As a value.
    fn to_value(&self) -> Value;

    /// From a value.
    ///
    /// # Errors
    /// `InvalidInput` if the value is of another type or out of range.
    fn from_value(value: Value) -> Result<Self>;
}

fn unexpected<T>(expected: ValueType, value: &Value) -> Result<T> {
    Err(Error::invalid_input(format!(
        "expected {expected}, found {}",
        value
            .value_type()
            .map_or_else(|| "null".to_owned(), |found| found.to_string())
    )))
}

macro_rules! field_type {
    ($type:ty, $variant:ident) => {
        impl FieldType for $type {
            const TYPE: ValueType = ValueType::$variant;

            fn to_value(&self) -> Value {
                Value::from(self.clone())
            }

            fn from_value(value: Value) -> Result<Self> {
                match value {
                    Value::$variant(value) => Ok(value),
                    other => unexpected(Self::TYPE, &other),
                }
            }
        }
    };
}

field_type!(bool, Boolean);
field_type!(i64, Integer);
field_type!(String, Text);
field_type!(DateTime<Utc>, Time);

impl<T: FieldType> FieldType for Option<T> {
    const TYPE: ValueType = T::TYPE;
    const NULLABLE: bool = true;

    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::to_value)
    }

    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Null => Ok(None),
            value => T::from_value(value).map(Some),
        }
    }
}
