//! The first schema: one table for each kind of record, one for each kind of link.

use async_trait::async_trait;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use super::table::Carries::{Nothing, Position, Slot};
use super::table::Type::{Boolean, Integer, Text};
use super::table::{Carries, Column, LinkTable, RecordTable, reference, required};

pub(super) struct CreateRegistry;

impl MigrationName for CreateRegistry {
    fn name(&self) -> &str {
        "0001_registry@0.1.0"
    }
}

// The trait elides this lifetime, and with async_trait an implementation must do the same.
#[allow(elided_lifetimes_in_paths)]
#[async_trait]
impl MigrationTrait for CreateRegistry {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in RECORDS {
            table.create(manager, SEARCHED).await?;
        }
        for table in LINKS {
            table.create(manager).await?;
        }
        Ok(())
    }
}

/// What people and operations search by.
const SEARCHED: &[&str] = &["name", "key", "storage_key", "hash"];

const CREATED_BY: Column = reference("created_by_id", "user").optional();
const RUN: Column = reference("run_id", "run").optional();
const VERSION: Column = required("version", Text).optional();
const VISIBILITY: Column = required("visibility", Integer);
const DESCRIPTION: Column = required("description", Text).optional();
const REFERENCE: Column = required("reference", Text).optional();
const REFERENCE_TYPE: Column = required("reference_type", Text).optional();

/// Referenced tables come before those that refer to them.
const RECORDS: &[RecordTable] = &[
    RecordTable {
        name: "user",
        columns: &[
            required("handle", Text).unique(),
            required("name", Text).optional(),
        ],
    },
    RecordTable {
        name: "storage",
        columns: &[
            required("root", Text).unique(),
            required("type", Text),
            required("region", Text).optional(),
            DESCRIPTION,
            CREATED_BY,
        ],
    },
    RecordTable {
        name: "transform",
        columns: &[
            required("key", Text).optional(),
            required("name", Text).optional(),
            DESCRIPTION,
            required("type", Text),
            VERSION,
            required("source_code", Text).optional(),
            required("hash", Text).optional(),
            REFERENCE,
            REFERENCE_TYPE,
            VISIBILITY,
            CREATED_BY,
        ],
    },
    RecordTable {
        name: "run",
        columns: &[
            required("name", Text).optional(),
            reference("transform_id", "transform"),
            required("started_at", Integer),
            required("finished_at", Integer).optional(),
            required("is_consecutive", Boolean).optional(),
            REFERENCE,
            REFERENCE_TYPE,
            VISIBILITY,
            CREATED_BY,
        ],
    },
    RecordTable {
        name: "artifact",
        columns: &[
            required("key", Text).optional(),
            required("storage_key", Text),
            DESCRIPTION,
            required("suffix", Text),
            required("otype", Text).optional(),
            required("size", Integer).optional(),
            required("hash", Text).optional(),
            required("hash_type", Text).optional(),
            required("etag", Text).optional(),
            required("n_objects", Integer).optional(),
            required("n_observations", Integer).optional(),
            reference("storage_id", "storage"),
            required("storage_completed", Boolean),
            VERSION,
            VISIBILITY,
            RUN,
            CREATED_BY,
        ],
    },
    RecordTable {
        name: "collection",
        columns: &[
            required("name", Text),
            DESCRIPTION,
            VERSION,
            required("hash", Text).optional(),
            REFERENCE,
            REFERENCE_TYPE,
            reference("artifact_id", "artifact").optional().unique(),
            VISIBILITY,
            RUN,
            CREATED_BY,
        ],
    },
    RecordTable {
        name: "ulabel",
        columns: &[
            required("name", Text),
            required("is_type", Boolean),
            DESCRIPTION,
            REFERENCE,
            REFERENCE_TYPE,
            VISIBILITY,
            RUN,
            CREATED_BY,
        ],
    },
    RecordTable {
        name: "feature_set",
        columns: &[
            required("name", Text).optional(),
            required("n", Integer),
            required("dtype", Text).optional(),
            required("registry", Text),
            required("hash", Text).unique(),
            required("members", Text),
            RUN,
            CREATED_BY,
        ],
    },
];

const LINKS: &[LinkTable] = &[
    protecting("collection_artifact", ["collection", "artifact"], Position),
    protecting("collection_ulabel", ["collection", "ulabel"], Nothing),
    protecting("artifact_ulabel", ["artifact", "ulabel"], Nothing),
    protecting(
        "collection_feature_set",
        ["collection", "feature_set"],
        Slot,
    ),
    protecting("artifact_feature_set", ["artifact", "feature_set"], Slot),
    passing("run_input_artifact", ["run", "artifact"]),
    passing("run_input_collection", ["run", "collection"]),
    protecting("collection_previous_run", ["collection", "run"], Position),
    protecting("artifact_previous_run", ["artifact", "run"], Position),
    passing("transform_parent", ["transform", "transform"]),
    passing("ulabel_parent", ["ulabel", "ulabel"]),
];

/// Links that keep their target from being deleted.
const fn protecting(name: &'static str, ends: [&'static str; 2], carries: Carries) -> LinkTable {
    let [source, target] = ends;
    LinkTable {
        name,
        source,
        target,
        carries,
        protects: true,
    }
}

/// Links that go with their target, and carry nothing.
const fn passing(name: &'static str, ends: [&'static str; 2]) -> LinkTable {
    LinkTable {
        protects: false,
        ..protecting(name, ends, Nothing)
    }
}
