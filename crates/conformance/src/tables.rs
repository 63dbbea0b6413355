//! What the tables of a SQL database must look like. Migrations write them down once more, beside
//! the field tables of [`anndex_core::record`], and the two must not drift apart.

use anndex_core::record::{Field, Kind, LinkKind, OnDelete, ValueType};

/// A column, as a database describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The type of its values.
    pub column_type: ColumnType,
    /// Whether it may be null.
    pub nullable: bool,
    /// Whether it is alone in a unique index.
    pub unique: bool,
    /// Where it leads.
    pub references: Option<Reference>,
}

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// True or false.
    Boolean,
    /// A signed integer of 64 bits.
    Integer,
    /// Text of any length that is compared by bytes.
    Text,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The table that it leads to.
    pub table: String,
    /// Whether the row goes with the one that it refers to.
    pub cascades: bool,
}

/// Checks the table of a kind of record.
///
/// # Panics
/// If its columns are not the fields of the kind.
pub fn check_record_table(kind: Kind, columns: &[Column]) {
    let expected = kind.fields().iter().map(|info| Column {
        name: info.field.name().to_owned(),
        column_type: match info.value_type {
            ValueType::Boolean => ColumnType::Boolean,
            ValueType::Integer | ValueType::Time => ColumnType::Integer,
            ValueType::Text | ValueType::Json => ColumnType::Text,
        },
        nullable: info.nullable && info.field != Field::Id,
        unique: info.unique,
        references: info.references.map(|kind| Reference {
            table: kind.as_str().to_owned(),
            cascades: false,
        }),
    });
    check(kind.as_str(), columns, expected.collect());
}

/// Checks the table of a kind of link.
///
/// # Panics
/// If its columns are not what such links carry, or don't lead where they must.
pub fn check_link_table(link: LinkKind, columns: &[Column]) {
    let column = |name: &str, column_type, references| Column {
        name: name.to_owned(),
        column_type,
        nullable: false,
        unique: false,
        references,
    };
    let end = |name, kind: Kind, cascades| {
        let table = kind.as_str().to_owned();
        column(
            name,
            ColumnType::Integer,
            Some(Reference { table, cascades }),
        )
    };
    let cascades = link.on_delete_target() == OnDelete::Cascade;
    let mut expected = vec![
        end("source_id", link.source(), true),
        end("target_id", link.target(), cascades),
    ];
    if link.is_ordered() {
        expected.push(column("position", ColumnType::Integer, None));
    }
    if link.has_slot() {
        expected.push(column("slot", ColumnType::Text, None));
    }
    check(link.as_str(), columns, expected);
}

/// The names of all tables that records and links have.
pub fn tables() -> Vec<&'static str> {
    let kinds = Kind::ALL.into_iter().map(Kind::as_str);
    kinds
        .chain(LinkKind::ALL.into_iter().map(LinkKind::as_str))
        .collect()
}

/// In any order, since a column that is added later comes last in some databases.
fn check(table: &str, found: &[Column], mut expected: Vec<Column>) {
    let mut found = found.to_vec();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    expected.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(found, expected, "the columns of {table}");
}
