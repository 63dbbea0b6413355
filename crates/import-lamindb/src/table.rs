//! Which column of which table is which field. Names that changed between versions of lamindb 2
//! stand side by side, the newest first.

use anndex_backend_sql::{Reader, Rows};
use anndex_core::record::{Field, Id, Kind, Record, Value, ValueType};
use anndex_core::{Error, Result};

/// A kind of record in lamindb.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) kind: Kind,
    pub(crate) name: &'static str,
    fields: &'static [(Field, &'static [&'static str])],
    /// What is needed beyond fields.
    more: &'static [(&'static str, ValueType)],
    /// How many are read at a time.
    pub(crate) page: u64,
}

/// A row: the record, and what is needed beyond its fields.
pub(crate) struct Row {
    pub(crate) record: Record,
    pub(crate) more: Vec<Value>,
}

const PAGE: u64 = 1000;
const CREATED_BY: (Field, &[&str]) = (Field::CreatedBy, &["created_by_id"]);
const DESCRIPTION: (Field, &[&str]) = (Field::Description, &["description"]);
const HASH: (Field, &[&str]) = (Field::Hash, &["hash"]);
const NAME: (Field, &[&str]) = (Field::Name, &["name"]);
const REFERENCE: (Field, &[&str]) = (Field::Reference, &["reference"]);
const REFERENCE_TYPE: (Field, &[&str]) = (Field::ReferenceType, &["reference_type"]);
const RUN: (Field, &[&str]) = (Field::Run, &["run_id"]);
const VERSION: (Field, &[&str]) = (Field::Version, &["version_tag", "version"]);
const VISIBILITY: (Field, &[&str]) = (Field::Visibility, &["branch_id"]);

pub(crate) const USERS: Table = Table {
    kind: Kind::User,
    name: "lamindb_user",
    fields: &[(Field::Handle, &["handle"]), NAME],
    more: &[],
    page: PAGE,
};

pub(crate) const STORAGES: Table = Table {
    kind: Kind::Storage,
    name: "lamindb_storage",
    fields: &[
        (Field::Root, &["root"]),
        (Field::Type, &["type"]),
        (Field::Region, &["region"]),
        DESCRIPTION,
        CREATED_BY,
    ],
    more: &[],
    page: PAGE,
};

pub(crate) const TRANSFORMS: Table = Table {
    kind: Kind::Transform,
    name: "lamindb_transform",
    fields: &[
        (Field::Key, &["key"]),
        DESCRIPTION,
        (Field::Type, &["kind", "type"]),
        VERSION,
        (Field::SourceCode, &["source_code"]),
        HASH,
        REFERENCE,
        REFERENCE_TYPE,
        VISIBILITY,
        CREATED_BY,
    ],
    more: &[],
    page: PAGE,
};

pub(crate) const RUNS: Table = Table {
    kind: Kind::Run,
    name: "lamindb_run",
    fields: &[
        NAME,
        (Field::Transform, &["transform_id"]),
        (Field::StartedAt, &["started_at"]),
        (Field::FinishedAt, &["finished_at"]),
        (Field::IsConsecutive, &["_is_consecutive"]),
        REFERENCE,
        REFERENCE_TYPE,
        VISIBILITY,
        CREATED_BY,
    ],
    more: &[],
    page: PAGE,
};

pub(crate) const ULABELS: Table = Table {
    kind: Kind::ULabel,
    name: "lamindb_ulabel",
    fields: &[
        NAME,
        (Field::IsType, &["is_type"]),
        DESCRIPTION,
        REFERENCE,
        REFERENCE_TYPE,
        VISIBILITY,
        RUN,
        CREATED_BY,
    ],
    more: &[],
    page: PAGE,
};

pub(crate) const ARTIFACTS: Table = Table {
    kind: Kind::Artifact,
    name: "lamindb_artifact",
    fields: &[
        (Field::Key, &["key"]),
        DESCRIPTION,
        (Field::Suffix, &["suffix"]),
        (Field::Otype, &["otype"]),
        (Field::Size, &["size"]),
        HASH,
        (Field::HashType, &["_hash_type"]),
        (Field::NObjects, &["n_files"]),
        (Field::NObservations, &["n_observations"]),
        (Field::Storage, &["storage_id"]),
        VERSION,
        VISIBILITY,
        RUN,
        CREATED_BY,
    ],
    more: &crate::artifact::COLUMNS,
    page: PAGE,
};

pub(crate) const COLLECTIONS: Table = Table {
    kind: Kind::Collection,
    name: "lamindb_collection",
    fields: &[
        (Field::Name, &["key"]),
        DESCRIPTION,
        VERSION,
        HASH,
        REFERENCE,
        REFERENCE_TYPE,
        (Field::Artifact, &["meta_artifact_id"]),
        VISIBILITY,
        RUN,
        CREATED_BY,
    ],
    more: &[],
    // Each may have very many artifacts.
    page: 10,
};

/// A table whose columns were found.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) table: &'static Table,
    fields: Vec<Field>,
    columns: Vec<(&'static str, ValueType)>,
}

impl Columns {
    /// # Errors
    /// `InvalidInput` if there is no such table; `Unsupported` if it is of an older version.
    pub(crate) async fn find(reader: &Reader, table: &'static Table) -> Result<Self> {
        let present = reader.columns(table.name).await?;
        if present.is_empty() {
            return Err(Error::invalid_input(format!(
                "this is a database of another program: it has no table {}",
                table.name
            )));
        }
        let missing = |column: &str| {
            Error::unsupported(format!(
                "the lamindb instance is older than lamindb 2: its table {} has no column \
                 {column}; bring it up to date with `lamin migrate deploy`",
                table.name
            ))
        };
        const OWN: [(Field, &[&str]); 4] = [
            (Field::Id, &["id"]),
            (Field::Uid, &["uid"]),
            (Field::CreatedAt, &["created_at"]),
            (Field::UpdatedAt, &["updated_at"]),
        ];
        let mut found = Self {
            table,
            fields: Vec::new(),
            columns: Vec::new(),
        };
        for (field, names) in OWN.iter().chain(table.fields) {
            let info = table.kind.field(*field).ok_or_else(|| {
                Error::invalid_input(format!(
                    "{} has no field {field}",
                    table.kind.with_article()
                ))
            })?;
            match names.iter().find(|name| present.contains(**name)) {
                Some(name) => {
                    found.fields.push(*field);
                    found.columns.push((name, info.value_type));
                }
                None if info.nullable => {}
                None => return Err(missing(names.first().unwrap_or(&""))),
            }
        }
        for (column, value_type) in table.more {
            if !present.contains(*column) {
                return Err(missing(column));
            }
            found.columns.push((column, *value_type));
        }
        Ok(found)
    }

    /// The rows after one.
    pub(crate) async fn read(&self, reader: &Reader, after: Option<Id>) -> Result<Vec<Row>> {
        let rows = Rows {
            table: self.table.name,
            columns: &self.columns,
            key: "id",
            after,
            among: None,
            limit: Some(self.table.page),
        };
        let found = reader.rows(&rows).await?.into_iter();
        found.map(|values| self.row(values)).collect()
    }

    fn row(&self, mut values: Vec<Value>) -> Result<Row> {
        let more = values.split_off(self.fields.len());
        let mut record = Record::empty(self.table.kind);
        for (field, value) in self.fields.iter().zip(values) {
            let value = match field {
                Field::Visibility => visibility(&value),
                _ => value,
            };
            let set = record.set(*field, value);
            set.map_err(|error| error.with("table", self.table.name))?;
        }
        Ok(Row { record, more })
    }
}

/// lamindb's branches: -1 is the trash, 0 the archive, and others show what is on them.
fn visibility(branch: &Value) -> Value {
    Value::Integer(match branch {
        Value::Integer(-1) => 2,
        Value::Integer(0) => 1,
        _ => 0,
    })
}
