//! The tables, as PostgreSQL describes them.

use anndex_conformance::tables::{
    Column, ColumnType, Reference, check_link_table, check_record_table, tables,
};
use anndex_core::backend::Backend;
use anndex_core::record::{Kind, LinkKind};
use anndex_test_server::Database;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, query_as, query_scalar};

use crate::create;

const COLUMNS: &str = "\
    SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, \
        (SELECT collname::text FROM pg_collation WHERE oid = a.attcollation), \
        EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = a.attrelid AND i.indisunique \
            AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum), \
        (SELECT relname::text FROM pg_class WHERE oid = k.confrelid), k.confdeltype::text \
    FROM pg_attribute AS a LEFT JOIN pg_constraint AS k \
        ON k.conrelid = a.attrelid AND k.contype = 'f' AND k.conkey = ARRAY[a.attnum] \
    WHERE a.attrelid = quote_ident($1)::regclass AND a.attnum > 0";

#[tokio::test]
async fn the_tables_are_what_core_declares() {
    let database = Database::create();
    create(&database.url()).await.close().await.unwrap();
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    for kind in Kind::ALL {
        check_record_table(kind, &columns(&mut connection, kind.as_str()).await);
    }
    for link in LinkKind::ALL {
        check_link_table(link, &columns(&mut connection, link.as_str()).await);
    }
    let found: i64 = query_scalar("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(usize::try_from(found).unwrap(), tables().len() + 1);
}

async fn columns(connection: &mut PgConnection, table: &str) -> Vec<Column> {
    type Row = (
        String,
        String,
        bool,
        Option<String>,
        bool,
        Option<String>,
        Option<String>,
    );
    let rows: Vec<Row> = query_as(COLUMNS)
        .bind(table)
        .fetch_all(connection)
        .await
        .unwrap();
    let column =
        |(name, type_name, nullable, collation, unique, references, on_delete): Row| Column {
            column_type: match (type_name.as_str(), collation.as_deref()) {
                ("boolean", None) => ColumnType::Boolean,
                ("bigint", None) => ColumnType::Integer,
                ("text", Some("C")) => ColumnType::Text,
                other => panic!("{table}.{name} is {other:?}"),
            },
            nullable,
            unique,
            references: references.map(|table| Reference {
                table,
                cascades: on_delete.as_deref() == Some("c"),
            }),
            name,
        };
    rows.into_iter().map(column).collect()
}
