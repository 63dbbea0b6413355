//! What is read of tables that were made by hand; real instances are taken over by the tests of
//! the Python package.

#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::{Path, PathBuf};

use anndex_core::ErrorKind;
use anndex_core::instance::{RecordSource, SourcePage};
use anndex_core::record::{LinkKind, Record, Visibility};
use anndex_import_lamindb::open;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, raw_sql};

const SQL: &str = include_str!("lamindb.sql");

async fn connection(path: &Path) -> SqliteConnection {
    let connect = SqliteConnectOptions::new().filename(path);
    connect.create_if_missing(true).connect().await.unwrap()
}

async fn database(directory: &Path, sql: &str) -> PathBuf {
    let path = directory.join("lamin.db");
    let mut connection = connection(&path).await;
    let sql = AssertSqlSafe(sql.to_owned());
    raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    path
}

async fn pages(path: &Path) -> Vec<SourcePage> {
    let mut source = open(path).await.unwrap();
    let mut pages = Vec::new();
    while let Some(page) = source.next_page().await.unwrap() {
        pages.push(page);
    }
    assert!(source.next_page().await.unwrap().is_none());
    pages
}

#[tokio::test]
async fn records_come_with_what_they_hold() {
    let directory = tempfile::tempdir().unwrap();
    let path = database(directory.path(), SQL).await;
    let before = std::fs::read(&path).unwrap();
    let pages = pages(&path).await;
    let mut artifacts = Vec::new();
    let records = || pages.iter().flat_map(|page| &page.records);
    for record in records() {
        if let Record::Artifact(artifact) = record {
            let hidden = artifact.visibility != Visibility::Default;
            artifacts.push((artifact.id, artifact.storage_key.as_str(), hidden));
        }
    }
    let expected = [
        (Some(1), ".lamindb/artifactAAAAAAAA0000.h5ad", false),
        (Some(2), "b.h5ad", false),
        (Some(4), ".lamindb/artifactDDDDDDDD.zarr", true),
    ];
    assert_eq!(artifacts, expected);
    let left_out: Vec<_> = pages.iter().flat_map(|page| &page.left_out).collect();
    assert_eq!(left_out.len(), 1);
    assert_eq!(left_out[0].uid, "artifactCCCCCCCC0000");
    let held = pages.iter().flat_map(|page| &page.links);
    let held: Vec<_> = held
        .map(|link| (link.kind, link.source, link.target, link.position))
        .collect();
    let artifact = LinkKind::CollectionArtifact;
    let expected = [
        (artifact, 1, 2, Some(0)),
        (artifact, 1, 1, Some(1)),
        (artifact, 2, 3, Some(0)),
    ];
    assert_eq!(held, expected);
    let large = records().find_map(|record| match record {
        Record::Artifact(artifact) => artifact.size,
        _ => None,
    });
    assert_eq!(large, Some(5_000_000_000));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let files = std::fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(files, 1, "nothing is left beside it");
}

#[tokio::test]
async fn who_writes_is_not_kept_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let path = database(directory.path(), SQL).await;
    let mut source = open(&path).await.unwrap();
    let mut writer = connection(&path).await;
    let statement = "DELETE FROM lamindb_collectionartifact; DELETE FROM lamindb_artifact;";
    raw_sql(statement).execute(&mut writer).await.unwrap();
    let mut artifacts = 0;
    while let Some(page) = source.next_page().await.unwrap() {
        let is_artifact = |record: &&Record| matches!(record, Record::Artifact(_));
        artifacts += page.records.iter().filter(is_artifact).count();
    }
    assert_eq!(artifacts, 3, "as it was when it was opened");
}

#[tokio::test]
async fn what_can_t_be_read_is_refused() {
    let old = SQL.replace(" branch_id integer", " _branch_code integer");
    let old = old.split("INSERT").next().unwrap();
    let no_text = SQL.replace("'2026-01-02 03:04:05.678'", "'soon'");
    let cases = [
        (old, ErrorKind::Unsupported, "lamin migrate deploy"),
        (
            "CREATE TABLE other (id integer)",
            ErrorKind::InvalidInput,
            "another program",
        ),
        (&no_text, ErrorKind::Corrupt, ""),
    ];
    for (sql, kind, part) in cases {
        let directory = tempfile::tempdir().unwrap();
        let path = database(directory.path(), sql).await;
        let error = match open(&path).await {
            Err(error) => error,
            Ok(mut source) => source.next_page().await.unwrap_err(),
        };
        assert_eq!(error.kind(), kind, "{error:#}");
        assert!(error.to_string().contains(part), "{error:#}");
        assert!(error.context("path").is_some(), "{error:#}");
    }
    let missing = open("/nowhere/lamin.db").await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}
