//! Tables as migrations write them down: columns, keys and indexes.

use sea_orm::sea_query::{
    ColumnDef, ForeignKey, ForeignKeyAction, Index, IndexOrder, Table, TableCreateStatement,
};
use sea_orm::{DbBackend, DbErr};
use sea_orm_migration::SchemaManager;

/// The type of a column.
#[derive(Clone, Copy)]
pub(super) enum Type {
    Boolean,
    Integer,
    Text,
}

/// A column of a record.
#[derive(Clone, Copy)]
pub(super) struct Column {
    name: &'static str,
    column_type: Type,
    nullable: bool,
    unique: bool,
    references: Option<&'static str>,
}

/// A column that always has a value.
pub(super) const fn required(name: &'static str, column_type: Type) -> Column {
    Column {
        name,
        column_type,
        nullable: false,
        unique: false,
        references: None,
    }
}

/// A reference to a record of another table.
pub(super) const fn reference(name: &'static str, table: &'static str) -> Column {
    Column {
        references: Some(table),
        ..required(name, Type::Integer)
    }
}

impl Column {
    /// The same column, which may be null.
    pub(super) const fn optional(self) -> Self {
        Self {
            nullable: true,
            ..self
        }
    }

    /// The same column, whose values (nulls aside) are unique.
    pub(super) const fn unique(self) -> Self {
        Self {
            unique: true,
            ..self
        }
    }

    fn definition(self, database: DbBackend) -> ColumnDef {
        let mut definition = ColumnDef::new(self.name);
        match self.column_type {
            Type::Boolean => definition.boolean(),
            Type::Integer => definition.big_integer(),
            Type::Text => definition.text(),
        };
        if let (Type::Text, DbBackend::Postgres) = (self.column_type, database) {
            // By bytes, which is by code points, whatever the locale of the server.
            definition.extra("COLLATE \"C\"");
        }
        if !self.nullable {
            definition.not_null();
        }
        if self.unique {
            definition.unique_key();
        }
        definition
    }
}

/// The table of a kind of record.
pub(super) struct RecordTable {
    pub(super) name: &'static str,
    /// Its columns between the uid and the times.
    pub(super) columns: &'static [Column],
}

impl RecordTable {
    /// Creates the table with an index on each reference, on the time of creation, and on those
    /// of its columns that are searched by. Unique columns have an index anyway.
    pub(super) async fn create(
        &self,
        manager: &SchemaManager<'_>,
        searched: &[&str],
    ) -> Result<(), DbErr> {
        manager
            .create_table(self.statement(manager.get_database_backend()))
            .await?;
        let indexed = |column: &&Column| {
            !column.unique && (column.references.is_some() || searched.contains(&column.name))
        };
        for column in self.columns.iter().filter(indexed) {
            create_index(manager, self.name, column.name, IndexOrder::Asc).await?;
        }
        // Serves the newest first, where records of the same time stay in the order of ids.
        create_index(manager, self.name, "created_at", IndexOrder::Desc).await
    }

    fn statement(&self, database: DbBackend) -> TableCreateStatement {
        let mut create = Table::create();
        create.table(self.name).col(
            // Auto increment also promises that ids are never given twice.
            ColumnDef::new("id")
                .big_integer()
                .not_null()
                .primary_key()
                .auto_increment(),
        );
        let uid = [required("uid", Type::Text).unique()];
        let times = ["created_at", "updated_at"].map(|name| required(name, Type::Integer));
        for column in uid.iter().chain(self.columns).chain(&times) {
            create.col(column.definition(database));
            if let Some(table) = column.references {
                // Without an action: a record that is referred to can't be deleted.
                let mut key = ForeignKey::create();
                create.foreign_key(key.from(self.name, column.name).to(table, "id"));
            }
        }
        create
    }
}

/// The table of a kind of link.
pub(super) struct LinkTable {
    pub(super) name: &'static str,
    pub(super) source: &'static str,
    pub(super) target: &'static str,
    /// What links carry beside their ends.
    pub(super) carries: Carries,
    /// Whether a target can't be deleted while the link is there.
    pub(super) protects: bool,
}

/// What a link carries beside its ends.
#[derive(Clone, Copy)]
pub(super) enum Carries {
    Nothing,
    Position,
    Slot,
}

impl LinkTable {
    /// Creates the table, with the means to follow links both ways.
    pub(super) async fn create(&self, manager: &SchemaManager<'_>) -> Result<(), DbErr> {
        manager
            .create_table(self.statement(manager.get_database_backend()))
            .await?;
        create_index(manager, self.name, "target_id", IndexOrder::Asc).await
    }

    fn statement(&self, database: DbBackend) -> TableCreateStatement {
        let mut columns = vec![
            required("source_id", Type::Integer),
            required("target_id", Type::Integer),
        ];
        let mut key = Index::create();
        key.col("source_id").col("target_id");
        match self.carries {
            Carries::Nothing => {}
            Carries::Position => columns.push(required("position", Type::Integer)),
            Carries::Slot => {
                columns.push(required("slot", Type::Text));
                key.col("slot");
            }
        }
        let mut create = Table::create();
        create.table(self.name).primary_key(&mut key);
        for column in columns {
            create.col(column.definition(database));
        }
        let mut source = ForeignKey::create();
        source
            .from(self.name, "source_id")
            .to(self.source, "id")
            .on_delete(ForeignKeyAction::Cascade);
        let mut target = ForeignKey::create();
        target.from(self.name, "target_id").to(self.target, "id");
        if !self.protects {
            target.on_delete(ForeignKeyAction::Cascade);
        }
        create.foreign_key(&mut source).foreign_key(&mut target);
        create
    }
}

async fn create_index(
    manager: &SchemaManager<'_>,
    table: &'static str,
    column: &'static str,
    order: IndexOrder,
) -> Result<(), DbErr> {
    let index = Index::create()
        .name(format!("{table}_{column}_index"))
        .table(table)
        .col((column, order))
        .take();
    manager.create_index(index).await
}
