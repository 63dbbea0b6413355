//! The records of an instance as plain data: what a user, an artifact or a collection *is*,
//! without any way to reach a database.
//!
//! Each kind of record is declared once, field by field; the declaration gives the struct, the
//! [`FieldInfo`] table that backends build their schema checks and queries on, and access to
//! fields by name. Relations between records are references (a field that holds an id) or links
//! (see [`LinkKind`]).

mod artifact;
mod collection;
mod declare;
mod feature_set;
mod field;
mod kind;
mod link;
mod run;
mod storage;
mod transform;
mod ulabel;
mod user;
mod value;
mod visibility;

pub use artifact::Artifact;
pub use collection::Collection;
pub use feature_set::{Feature, FeatureSet};
pub use field::{Field, FieldInfo, FieldType};
pub use kind::Kind;
pub use link::{Link, LinkKind, OnDelete};
pub use run::Run;
pub use storage::Storage;
pub use transform::Transform;
pub use ulabel::ULabel;
pub use user::User;
pub use value::{Value, ValueType};
pub use visibility::Visibility;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use crate::error::{Error, Result};

/// An internal id: assigned by the backend on insert, positive, valid in one instance only.
pub type Id = i64;

/// The time now, to the microsecond, which is what every database keeps.
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

/// The time now, or just after `previous` where the clock is behind it. Whether a record changed
/// is seen by its time of change, so no two changes may have the same.
pub fn now_after(previous: DateTime<Utc>) -> DateTime<Utc> {
    let later = previous.checked_add_signed(TimeDelta::microseconds(1));
    now().max(later.unwrap_or(previous))
}

/// What all kinds of records have in common as data.
pub trait RecordData: Clone + Send + Sync + Sized + Into<Record> + 'static {
    /// The kind that this struct is.
    const KIND: Kind;

    /// The fields in the order of the struct, `id` and `uid` first.
    const FIELDS: &'static [FieldInfo];

    /// The id, once the record is in a backend.
    fn id(&self) -> Option<Id>;

    /// The universal id: base62, the same in every instance.
    fn uid(&self) -> &str;

    /// When the record was created.
    fn created_at(&self) -> DateTime<Utc>;

    /// When the record was last changed.
    fn updated_at(&self) -> DateTime<Utc>;

    /// The value of a field; `None` if this kind has no such field.
    fn get(&self, field: Field) -> Option<Value>;

    /// Sets a field.
    ///
    /// # Errors
    /// `InvalidInput` if this kind has no such field or the value is of another type.
    fn set(&mut self, field: Field, value: Value) -> Result<()>;

    /// Takes this kind out of a [`Record`].
    ///
    /// # Errors
    /// `InvalidInput` if the record is of another kind.
    fn from_record(record: Record) -> Result<Self>;
}

macro_rules! record_enum {
    ($($kind:ident),*) => {
        /// A record of any kind.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Record {
            $(
                #[doc = concat!("A [`", stringify!($kind), "`].")]
                $kind($kind),
            )*
        }

        impl Record {
            /// A record with nothing in it.
            pub fn empty(kind: Kind) -> Self {
                match kind { $(Kind::$kind => Self::$kind($kind::default()),)* }
            }

            /// The kind of the record.
            pub fn kind(&self) -> Kind {
                match self { $(Self::$kind(_) => Kind::$kind,)* }
            }

            /// The id, once the record is in a backend.
            pub fn id(&self) -> Option<Id> {
                match self { $(Self::$kind(record) => record.id(),)* }
            }

            /// The universal id.
            pub fn uid(&self) -> &str {
                match self { $(Self::$kind(record) => record.uid(),)* }
            }

            /// The value of a field; `None` if the kind has no such field.
            pub fn get(&self, field: Field) -> Option<Value> {
                match self { $(Self::$kind(record) => record.get(field),)* }
            }

            /// Sets a field.
            ///
            /// # Errors
            /// `InvalidInput` if the kind has no such field or the value is of another type.
            pub fn set(&mut self, field: Field, value: Value) -> Result<()> {
                match self { $(Self::$kind(record) => record.set(field, value),)* }
            }
        }

        impl Kind {
            /// The fields of this kind, `id` and `uid` first.
            pub fn fields(self) -> &'static [FieldInfo] {
                match self { $(Self::$kind => $kind::FIELDS,)* }
            }
        }

        $(
            impl From<$kind> for Record {
                fn from(record: $kind) -> Self {
                    Self::$kind(record)
                }
            }
        )*
    };
}

record_enum!(
    User, Storage, Transform, Run, Artifact, Collection, ULabel, FeatureSet
);

/// The error for a record of another kind than the one asked for.
fn wrong_kind(expected: Kind, found: Kind) -> Error {
    let (found, expected) = (found.with_article(), expected.with_article());
    Error::invalid_input(format!("this is {found}, but {expected} was asked for"))
}
