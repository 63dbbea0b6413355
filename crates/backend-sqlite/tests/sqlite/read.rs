//! Reading the tables of other programs.

use anndex_backend_sql::Rows;
use anndex_backend_sqlite::read;
use anndex_core::ErrorKind;
use anndex_core::record::{Value, ValueType};
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sea_orm::sqlx::{ConnectOptions, Executor};

const TABLE: &str = "\
    CREATE TABLE thing (id integer PRIMARY KEY, small smallint, large bigint, name varchar(20), \
    is_red bool, made datetime, of_id integer); \
    INSERT INTO thing (small, large, name, is_red, made, of_id) VALUES \
    (1, 5000000000, 'a', 1, '2026-01-02 03:04:05.678', 7), \
    (NULL, NULL, NULL, NULL, NULL, 8), (3, 3, 'c', 0, '2026-01-02 03:04:05', 7)";

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

async fn writer(path: &std::path::Path) -> SqliteConnection {
    let connect = SqliteConnectOptions::new().filename(path);
    connect.create_if_missing(true).connect().await.unwrap()
}

#[tokio::test]
async fn rows_are_read_as_they_were_when_it_was_opened() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("things.db");
    let mut writer = writer(&path).await;
    writer.execute(TABLE).await.unwrap();
    let reader = read(&path).await.unwrap();
    writer
        .execute("DELETE FROM thing WHERE id > 1")
        .await
        .unwrap();
    let columns = reader.columns("thing").await.unwrap();
    assert!(columns.contains("is_red") && columns.len() == 7);
    assert!(reader.columns("nothing").await.unwrap().is_empty());
    let rows = reader.rows(&all()).await.unwrap();
    let made = chrono::DateTime::parse_from_rfc3339("2026-01-02T03:04:05.678Z").unwrap();
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
async fn what_can_t_be_read_names_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("text.db");
    std::fs::write(
        &path,
        "no database, and long enough to be looked at ".repeat(50),
    )
    .unwrap();
    for (path, kind) in [
        (path.as_path(), ErrorKind::Corrupt),
        (directory.path(), ErrorKind::InvalidInput),
        (&directory.path().join("missing.db"), ErrorKind::NotFound),
    ] {
        let error = read(path).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:#}");
        assert!(error.context("path").is_some(), "{error:#}");
    }
    let path = directory.path().join("things.db");
    let mut writer = writer(&path).await;
    writer.execute(TABLE).await.unwrap();
    writer
        .execute("UPDATE thing SET made = 'soon'")
        .await
        .unwrap();
    let reader = read(&path).await.unwrap();
    let error = reader.rows(&all()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:#}");
    assert_eq!(error.context("table"), Some("thing"));
}
