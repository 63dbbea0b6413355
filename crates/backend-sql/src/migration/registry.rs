//! The first schema: one table for each kind of record, one for each kind of link.

use async_trait::async_trait;
use sea_orm::sea_query::{
    ColumnDef, ForeignKey, ForeignKeyAction, Index, Table, TableCreateStatement,
};
use sea_orm::{DbBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(super) struct CreateRegistry;

impl MigrationName for CreateRegistry {
    fn name(&self) -> &str {
        "0001_registry@0.1.0"
    }
}

/// The type of a column.
#[derive(Clone, Copy)]
enum Type {
    Boolean,
    Integer,
    Text,
}

/// Name, type, whether it may be null, whether its values are unique, table it refers to.
struct Column(&'static str, Type, bool, bool, Option<&'static str>);

const fn required(name: &'static str, column_type: Type) -> Column {
    Column(name, column_type, false, false, None)
}

const fn optional(name: &'static str, column_type: Type) -> Column {
    Column(name, column_type, true, false, None)
}

const fn refers(name: &'static str, nullable: bool, table: &'static str) -> Column {
    Column(name, Type::Integer, nullable, false, Some(table))
}

const CREATED_BY: Column = refers("created_by_id", true, "user");
const RUN: Column = refers("run_id", true, "run");
const VERSION: Column = optional("version", Type::Text);
const VISIBILITY: Column = required("visibility", Type::Integer);
const DESCRIPTION: Column = optional("description", Type::Text);
const REFERENCE: Column = optional("reference", Type::Text);
const REFERENCE_TYPE: Column = optional("reference_type", Type::Text);

/// The tables of records with their own columns, referenced ones before those that refer to them.
const RECORDS: &[(&str, &[Column])] = &[
    (
        "user",
        &[
            Column("handle", Type::Text, false, true, None),
            optional("name", Type::Text),
        ],
    ),
    (
        "storage",
        &[
            Column("root", Type::Text, false, true, None),
            required("type", Type::Text),
            optional("region", Type::Text),
            DESCRIPTION,
            CREATED_BY,
        ],
    ),
    (
        "transform",
        &[
            optional("key", Type::Text),
            optional("name", Type::Text),
            DESCRIPTION,
            required("type", Type::Text),
            VERSION,
            optional("source_code", Type::Text),
            optional("hash", Type::Text),
            REFERENCE,
            REFERENCE_TYPE,
            VISIBILITY,
            CREATED_BY,
        ],
    ),
    (
        "run",
        &[
            optional("name", Type::Text),
            refers("transform_id", false, "transform"),
            required("started_at", Type::Integer),
            optional("finished_at", Type::Integer),
            optional("is_consecutive", Type::Boolean),
            REFERENCE,
            REFERENCE_TYPE,
            VISIBILITY,
            CREATED_BY,
        ],
    ),
    (
        "artifact",
        &[
            optional("key", Type::Text),
            required("storage_key", Type::Text),
            DESCRIPTION,
            required("suffix", Type::Text),
            optional("otype", Type::Text),
            optional("size", Type::Integer),
            optional("hash", Type::Text),
            optional("hash_type", Type::Text),
            optional("etag", Type::Text),
            optional("n_objects", Type::Integer),
            optional("n_observations", Type::Integer),
            refers("storage_id", false, "storage"),
            required("storage_completed", Type::Boolean),
            VERSION,
            VISIBILITY,
            RUN,
            CREATED_BY,
        ],
    ),
    (
        "collection",
        &[
            required("name", Type::Text),
            DESCRIPTION,
            VERSION,
            optional("hash", Type::Text),
            REFERENCE,
            REFERENCE_TYPE,
            Column("artifact_id", Type::Integer, true, true, Some("artifact")),
            VISIBILITY,
            RUN,
            CREATED_BY,
        ],
    ),
    (
        "ulabel",
        &[
            required("name", Type::Text),
            required("is_type", Type::Boolean),
            DESCRIPTION,
            REFERENCE,
            REFERENCE_TYPE,
            VISIBILITY,
            RUN,
            CREATED_BY,
        ],
    ),
    (
        "feature_set",
        &[
            optional("name", Type::Text),
            required("n", Type::Integer),
            optional("dtype", Type::Text),
            required("registry", Type::Text),
            Column("hash", Type::Text, false, true, None),
            required("members", Type::Text),
            RUN,
            CREATED_BY,
        ],
    ),
];

/// What people and operations search by. Unique columns have an index anyway; references and the
/// time of creation get one too.
const SEARCHED: &[&str] = &["name", "key", "storage_key", "hash"];

/// What a link carries beside its ends.
#[derive(Clone, Copy, PartialEq)]
enum Carries {
    Nothing,
    Position,
    Slot,
}

/// Table, source, target, what the link carries, whether it protects its target.
type LinkTable = (&'static str, &'static str, &'static str, Carries, bool);

const LINKS: &[LinkTable] = &[
    (
        "collection_artifact",
        "collection",
        "artifact",
        Carries::Position,
        true,
    ),
    (
        "collection_ulabel",
        "collection",
        "ulabel",
        Carries::Nothing,
        true,
    ),
    (
        "artifact_ulabel",
        "artifact",
        "ulabel",
        Carries::Nothing,
        true,
    ),
    (
        "collection_feature_set",
        "collection",
        "feature_set",
        Carries::Slot,
        true,
    ),
    (
        "artifact_feature_set",
        "artifact",
        "feature_set",
        Carries::Slot,
        true,
    ),
    (
        "run_input_artifact",
        "run",
        "artifact",
        Carries::Nothing,
        false,
    ),
    (
        "run_input_collection",
        "run",
        "collection",
        Carries::Nothing,
        false,
    ),
    (
        "collection_previous_run",
        "collection",
        "run",
        Carries::Position,
        true,
    ),
    (
        "artifact_previous_run",
        "artifact",
        "run",
        Carries::Position,
        true,
    ),
    (
        "transform_parent",
        "transform",
        "transform",
        Carries::Nothing,
        false,
    ),
    ("ulabel_parent", "ulabel", "ulabel", Carries::Nothing, false),
];

// The trait elides this lifetime, and with async_trait an implementation must do the same.
#[allow(elided_lifetimes_in_paths)]
#[async_trait]
impl MigrationTrait for CreateRegistry {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, columns) in RECORDS {
            manager
                .create_table(record_table(manager, table, columns))
                .await?;
            let referring = |column: &&Column| column.4.is_some() && !column.3;
            let own = columns.iter();
            let indexed = own
                .filter(|column| referring(column) || (SEARCHED.contains(&column.0) && !column.3))
                .map(|column| column.0)
                .chain(["created_at"]);
            for column in indexed {
                create_index(manager, table, column).await?;
            }
        }
        for link in LINKS {
            manager.create_table(link_table(manager, link)).await?;
            create_index(manager, link.0, "target_id").await?;
        }
        Ok(())
    }
}

async fn create_index(
    manager: &SchemaManager<'_>,
    table: &'static str,
    column: &'static str,
) -> Result<(), DbErr> {
    let index = Index::create()
        .name(format!("{table}_{column}_index"))
        .table(table)
        .col(column)
        .take();
    manager.create_index(index).await
}

fn record_table(
    manager: &SchemaManager<'_>,
    table: &'static str,
    columns: &[Column],
) -> TableCreateStatement {
    let mut create = Table::create();
    let mut id = ColumnDef::new("id");
    // Auto increment also promises that ids are never given twice.
    create
        .table(table)
        .col(id.big_integer().not_null().primary_key().auto_increment());
    let uid = Column("uid", Type::Text, false, true, None);
    let times = [
        required("created_at", Type::Integer),
        required("updated_at", Type::Integer),
    ];
    for column in [&uid].into_iter().chain(columns).chain(&times) {
        create.col(&mut definition(manager, column));
        if let Some(referred) = column.4 {
            // Without an action: a record that is referred to can't be deleted.
            create.foreign_key(
                ForeignKey::create()
                    .from(table, column.0)
                    .to(referred, "id"),
            );
        }
    }
    create
}

fn link_table(manager: &SchemaManager<'_>, link: &LinkTable) -> TableCreateStatement {
    let (table, source, target, carries, protects) = *link;
    let mut create = Table::create();
    create.table(table);
    let mut key = Index::create();
    for column in ["source_id", "target_id"] {
        create.col(&mut definition(manager, &required(column, Type::Integer)));
        key.col(column);
    }
    match carries {
        Carries::Nothing => {}
        Carries::Position => {
            create.col(&mut definition(
                manager,
                &required("position", Type::Integer),
            ));
        }
        Carries::Slot => {
            create.col(&mut definition(manager, &required("slot", Type::Text)));
            key.col("slot");
        }
    }
    let mut to_source = ForeignKey::create();
    to_source
        .from(table, "source_id")
        .to(source, "id")
        .on_delete(ForeignKeyAction::Cascade);
    let mut to_target = ForeignKey::create();
    to_target.from(table, "target_id").to(target, "id");
    if !protects {
        to_target.on_delete(ForeignKeyAction::Cascade);
    }
    create
        .primary_key(&mut key)
        .foreign_key(&mut to_source)
        .foreign_key(&mut to_target);
    create
}

fn definition(manager: &SchemaManager<'_>, column: &Column) -> ColumnDef {
    let Column(name, column_type, nullable, unique, _) = *column;
    let mut definition = ColumnDef::new(name);
    match column_type {
        Type::Boolean => definition.boolean(),
        Type::Integer => definition.big_integer(),
        Type::Text => definition.text(),
    };
    if let (Type::Text, DbBackend::Postgres) = (column_type, manager.get_database_backend()) {
        // By bytes, which is by code points, whatever the locale of the server.
        definition.extra("COLLATE \"C\"");
    }
    if !nullable {
        definition.not_null();
    }
    if unique {
        definition.unique_key();
    }
    definition
}
