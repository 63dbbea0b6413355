//! The tables, which migrations write down once more, beside the field tables of core.

use anndex_core::backend::Backend;
use anndex_core::record::{Field, Kind, LinkKind, OnDelete, ValueType};
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sea_orm::sqlx::{ConnectOptions, query_as, query_scalar};

use crate::create;

#[tokio::test]
async fn the_tables_are_what_core_declares() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sqlite");
    create(&path).await.close().await.unwrap();
    let connect = SqliteConnectOptions::new().filename(&path);
    let mut connection = connect.connect().await.unwrap();
    for kind in Kind::ALL {
        check_record_table(&mut connection, kind).await;
    }
    for link in LinkKind::ALL {
        check_link_table(&mut connection, link).await;
    }
    let tables: i64 = query_scalar(
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    let declared = Kind::ALL.len() + LinkKind::ALL.len();
    assert_eq!(usize::try_from(tables).unwrap(), declared + 1);
}

async fn check_record_table(connection: &mut SqliteConnection, kind: Kind) {
    let columns: Vec<(String, String, bool)> =
        query_as("SELECT name, type, \"notnull\" FROM pragma_table_info(?)")
            .bind(kind.as_str())
            .fetch_all(&mut *connection)
            .await
            .unwrap();
    let keys: Vec<(String, String)> =
        query_as("SELECT \"from\", \"table\" FROM pragma_foreign_key_list(?)")
            .bind(kind.as_str())
            .fetch_all(&mut *connection)
            .await
            .unwrap();
    let unique = unique_columns(connection, kind.as_str()).await;
    for info in kind.fields() {
        let name = info.field.name();
        let column = columns.iter().find(|column| column.0 == name);
        let (_, column_type, not_null) =
            column.unwrap_or_else(|| panic!("{kind} has no column {name}"));
        let expected = match info.value_type {
            ValueType::Boolean => "boolean",
            ValueType::Integer | ValueType::Time => "integer",
            ValueType::Text | ValueType::Json => "text",
        };
        assert_eq!(column_type.to_lowercase(), expected, "{kind}.{name}");
        let id = info.field == Field::Id;
        assert_eq!(*not_null, id || !info.nullable, "{kind}.{name}");
        assert_eq!(
            id || unique.contains(&name.to_owned()),
            info.unique,
            "{kind}.{name}"
        );
        let key = keys
            .iter()
            .find(|key| key.0 == name)
            .map(|key| key.1.as_str());
        assert_eq!(key, info.references.map(Kind::as_str), "{kind}.{name}");
    }
    assert_eq!(columns.len(), kind.fields().len(), "{kind}: {columns:?}");
}

async fn check_link_table(connection: &mut SqliteConnection, link: LinkKind) {
    let columns: Vec<String> = query_scalar("SELECT name FROM pragma_table_info(?)")
        .bind(link.as_str())
        .fetch_all(&mut *connection)
        .await
        .unwrap();
    let mut expected = vec!["source_id", "target_id"];
    expected.extend(link.is_ordered().then_some("position"));
    expected.extend(link.has_slot().then_some("slot"));
    assert_eq!(columns, expected, "{link:?}");
    let keys: Vec<(String, String, String)> = query_as(
        "SELECT \"from\", \"table\", on_delete FROM pragma_foreign_key_list(?) ORDER BY \"from\"",
    )
    .bind(link.as_str())
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    let on_delete = match link.on_delete_target() {
        OnDelete::Cascade => "CASCADE",
        OnDelete::Protect => "NO ACTION",
    };
    let key = |column: &str, kind: Kind, action: &str| {
        (
            column.to_owned(),
            kind.as_str().to_owned(),
            action.to_owned(),
        )
    };
    let expected = [
        key("source_id", link.source(), "CASCADE"),
        key("target_id", link.target(), on_delete),
    ];
    assert_eq!(keys, expected, "{link:?}");
}

/// The columns that are alone in a unique index.
async fn unique_columns(connection: &mut SqliteConnection, table: &str) -> Vec<String> {
    query_scalar(
        "SELECT max(info.name) FROM pragma_index_list(?) AS list, pragma_index_info(list.name) AS \
         info WHERE list.\"unique\" GROUP BY list.name HAVING count(*) = 1",
    )
    .bind(table)
    .fetch_all(connection)
    .await
    .unwrap()
}
