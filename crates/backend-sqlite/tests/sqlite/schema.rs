//! The tables, as SQLite describes them.

use anndex_conformance::tables::{
    Column, ColumnType, Reference, check_link_table, check_record_table, tables,
};
use anndex_core::backend::Backend;
use anndex_core::record::{Kind, LinkKind};
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sea_orm::sqlx::{ConnectOptions, query_as, query_scalar};

use crate::create;

const COLUMNS: &str = "\
    SELECT info.name, info.type, NOT info.\"notnull\", keys.\"table\", keys.on_delete \
    FROM pragma_table_info(?1) AS info \
    LEFT JOIN pragma_foreign_key_list(?1) AS keys ON keys.\"from\" = info.name";

#[tokio::test]
async fn the_tables_are_what_core_declares() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sqlite");
    create(&path).await.close().await.unwrap();
    let connect = SqliteConnectOptions::new().filename(&path);
    let mut connection = connect.connect().await.unwrap();
    for kind in Kind::ALL {
        check_record_table(kind, &columns(&mut connection, kind.as_str()).await);
    }
    for link in LinkKind::ALL {
        check_link_table(link, &columns(&mut connection, link.as_str()).await);
    }
    let found: i64 = query_scalar(
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(usize::try_from(found).unwrap(), tables().len() + 1);
}

async fn columns(connection: &mut SqliteConnection, table: &str) -> Vec<Column> {
    type Row = (String, String, bool, Option<String>, Option<String>);
    let unique = unique_columns(connection, table).await;
    let rows: Vec<Row> = query_as(COLUMNS)
        .bind(table)
        .fetch_all(connection)
        .await
        .unwrap();
    let column = |(name, type_name, nullable, references, on_delete): Row| Column {
        column_type: match type_name.to_lowercase().as_str() {
            "boolean" => ColumnType::Boolean,
            "integer" => ColumnType::Integer,
            "text" => ColumnType::Text,
            other => panic!("{table}.{name} is {other}"),
        },
        nullable,
        // The primary key of a record has no index of its own.
        unique: name == "id" || unique.contains(&name),
        references: references.map(|table| Reference {
            table,
            cascades: on_delete.as_deref() == Some("CASCADE"),
        }),
        name,
    };
    rows.into_iter().map(column).collect()
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
