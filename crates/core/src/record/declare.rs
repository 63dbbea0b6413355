//! The macro that declares a kind of record once: its struct, its field table and access by name.

/// Declares a record. The fields `id`, `uid`, `created_at` and `updated_at` are added to each;
/// the others read `name: type = FieldVariant`, then `unique` and `-> Kind` where they apply.
macro_rules! declare_record {
    (
        $(#[$doc:meta])*
        $name:ident {
            $(
                $(#[$field_doc:meta])*
                $field:ident : $type:ty = $variant:ident $($unique:ident)? $(-> $target:ident)?
            ),* $(,)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
        pub struct $name {
            /// Internal id, valid in one instance; `None` until the backend assigns it.
            pub id: Option<$crate::record::Id>,
            /// Universal id, valid across instances.
            pub uid: String,
            $($(#[$field_doc])* pub $field: $type,)*
            /// Time of creation.
            pub created_at: chrono::DateTime<chrono::Utc>,
            /// Time of the last change.
            pub updated_at: chrono::DateTime<chrono::Utc>,
        }

        impl $crate::record::RecordData for $name {
            const KIND: $crate::record::Kind = $crate::record::Kind::$name;

            const FIELDS: &'static [$crate::record::FieldInfo] = &[
                declare_record!(@info Option<$crate::record::Id>, Id, unique),
                declare_record!(@info String, Uid, unique),
                $(declare_record!(@info $type, $variant, $($unique)? $(-> $target)?),)*
                declare_record!(@info chrono::DateTime<chrono::Utc>, CreatedAt,),
                declare_record!(@info chrono::DateTime<chrono::Utc>, UpdatedAt,),
            ];

            fn id(&self) -> Option<$crate::record::Id> {
                self.id
            }

            fn uid(&self) -> &str {
                &self.uid
            }

            fn created_at(&self) -> chrono::DateTime<chrono::Utc> {
                self.created_at
            }

            fn updated_at(&self) -> chrono::DateTime<chrono::Utc> {
                self.updated_at
            }

            fn get(&self, field: $crate::record::Field) -> Option<$crate::record::Value> {
                use $crate::record::{Field, FieldType};
                Some(match field {
                    Field::Id => self.id.to_value(),
                    Field::Uid => self.uid.to_value(),
                    $(Field::$variant => self.$field.to_value(),)*
                    Field::CreatedAt => self.created_at.to_value(),
                    Field::UpdatedAt => self.updated_at.to_value(),
                    #[allow(unreachable_patterns)]
                    _ => return None,
                })
            }

            fn set(
                &mut self,
                field: $crate::record::Field,
                value: $crate::record::Value,
            ) -> $crate::error::Result<()> {
                use $crate::record::{Field, FieldType, Kind};
                let result = match field {
                    Field::Id => FieldType::from_value(value).map(|v| self.id = v),
                    Field::Uid => FieldType::from_value(value).map(|v| self.uid = v),
                    $(Field::$variant => FieldType::from_value(value).map(|v| self.$field = v),)*
                    Field::CreatedAt => FieldType::from_value(value).map(|v| self.created_at = v),
                    Field::UpdatedAt => FieldType::from_value(value).map(|v| self.updated_at = v),
                    #[allow(unreachable_patterns)]
                    _ => Err($crate::error::Error::invalid_input(format!(
                        "{} has no field {field}",
                        Kind::$name.with_article()
                    ))),
                };
                result.map_err(|error| error.with("field", field))
            }

            fn from_record(record: $crate::record::Record) -> $crate::error::Result<Self> {
                match record {
                    $crate::record::Record::$name(record) => Ok(record),
                    other => Err($crate::record::wrong_kind(Self::KIND, other.kind())),
                }
            }
        }
    };

    (@info $type:ty, $variant:ident, $($unique:ident)? $(-> $target:ident)?) => {
        $crate::record::FieldInfo {
            field: $crate::record::Field::$variant,
            value_type: <$type as $crate::record::FieldType>::TYPE,
            nullable: <$type as $crate::record::FieldType>::NULLABLE,
            unique: declare_record!(@unique $($unique)?),
            references: declare_record!(@references $($target)?),
        }
    };
    (@unique) => { false };
    (@unique unique) => { true };
    (@references) => { None };
    (@references $target:ident) => { Some($crate::record::Kind::$target) };
}

pub(super) use declare_record;
