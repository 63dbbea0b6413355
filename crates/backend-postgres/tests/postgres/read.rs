//! Reading the tables of other programs.

use anndex_backend_postgres::read;
use anndex_backend_sql::Rows;
use anndex_core::ErrorKind;
use anndex_core::record::{Value, ValueType};
use anndex_test_server::Database;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, raw_sql};

const TABLE: &str = "\
    CREATE TABLE thing (id serial PRIMARY KEY, small smallint, large bigint, name varchar(20), \
    is_red boolean, made timestamptz, of_id integer); \
    INSERT INTO thing (small, large, name, is_red, made, of_id) VALUES \
    (1, 5000000000, 'a', true, '2026-01-02 03:04:05.678+01', 7), \
    (NULL, NULL, NULL, NULL, NULL, 8), (3, 3, 'c', false, '2026-01-02 03:04:05Z', 7)";

const COLUMNS: [(&str, ValueType); 5] = [
    ("small", ValueType::Integer),
    ("large", ValueType::Integer),
    ("name", ValueType::Text),
    ("is_red", ValueType::Boolean),
    ("made", ValueType::Time),
];

fn all() -> Rows<'static> {
    Rows {
        table: "thing",
        columns: &COLUMNS,
        key: "id",
        after: None,
        among: None,
        limit: None,
    }
}

#[tokio::test]
async fn rows_are_read_as_they_were_when_it_was_opened() {
    let database = Database::create();
    let mut writer = PgConnection::connect(&database.url()).await.unwrap();
    raw_sql(TABLE).execute(&mut writer).await.unwrap();
    let reader = read(&database.url()).await.unwrap();
    let change = "DELETE FROM thing WHERE id > 1; DROP TABLE IF EXISTS other";
    let columns = reader.columns("thing").await.unwrap();
    assert!(columns.contains("is_red") && columns.len() == 7);
    assert!(reader.columns("nothing").await.unwrap().is_empty());
    raw_sql(change).execute(&mut writer).await.unwrap();
    let rows = reader.rows(&all()).await.unwrap();
    let made = chrono::DateTime::parse_from_rfc3339("2026-01-02T03:04:05.678+01:00").unwrap();
    let first = [
        Value::Integer(1),
        Value::Integer(5_000_000_000),
        Value::from("a"),
        Value::Boolean(true),
        Value::from(made.to_utc()),
    ];
    assert_eq!((rows.len(), &rows[0][..]), (3, &first[..]));
    assert_eq!(rows[1], vec![Value::Null; 5]);
    let some = Rows {
        key: "of_id",
        among: Some(&[7, 9]),
        limit: Some(5),
        ..all()
    };
    assert_eq!(reader.rows(&some).await.unwrap().len(), 2);
    let later = Rows {
        after: Some(2),
        ..all()
    };
    assert_eq!(reader.rows(&later).await.unwrap()[0][0], Value::Integer(3));
    reader.close().await.unwrap();
}

#[tokio::test]
async fn what_can_t_be_read_names_the_database_and_no_password() {
    let database = Database::create();
    let reader = read(&database.url()).await.unwrap();
    let error = reader.rows(&all()).await.unwrap_err();
    assert_eq!(error.context("table"), Some("thing"));
    let missing = database.url().replace(database.name(), "no_such_database");
    let error = read(&missing).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:#}");
    let error = read("postgres://me:secret@127.0.0.1:1/x?connect_timeout=1").await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backend, "{error:#}");
    assert!(!format!("{error:#}").contains("secret"));
}
