//! `anndex import`.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, raw_sql};

use crate::support::Workplace;

/// A lamindb instance in a directory.
#[tokio::main(flavor = "current_thread")]
async fn lamindb(storage: &Path) {
    let own = storage.join(".lamindb");
    std::fs::create_dir_all(&own).unwrap();
    let connect = SqliteConnectOptions::new().filename(own.join("lamin.db"));
    let mut connection = connect.create_if_missing(true).connect().await.unwrap();
    let sql = raw_sql(include_str!("../../../import-lamindb/tests/lamindb.sql"));
    sql.execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[test]
fn a_lamindb_instance_is_taken_over_and_what_is_left_out_is_said() {
    let workplace = Workplace::new();
    lamindb(&workplace.path("lamindb"));
    let output = workplace.call(&["import", "lamindb", "lamindb", "--json"]);
    assert_eq!(output.status.code(), Some(6));
    assert!(output.stderr.is_empty());
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["created"]["artifact"], 3);
    assert_eq!(report["created"]["collection"], 1);
    let left_out = report["left_out"].as_array().unwrap();
    let uids: Vec<_> = left_out.iter().map(|one| &one["uid"]).collect();
    assert_eq!(uids, ["artifactCCCCCCCC0000", "collectionBBBBBB0000"]);
    assert_eq!(left_out[0]["title"], "c.h5ad");

    let output = workplace.call(&["import", "lamindb", "lamindb/.lamindb/lamin.db"]);
    assert_eq!(output.status.code(), Some(6));
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "artifact      0      3",
        "2 records left out",
        "its upload has not ended",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let listed = workplace.json(&["collection", "list"]);
    assert_eq!(listed[0]["name"], "cells");
    assert_eq!(
        workplace
            .json(&["artifact", "list"])
            .as_array()
            .map(Vec::len),
        Some(2)
    );
}

#[test]
fn what_is_no_lamindb_instance_is_refused() {
    let workplace = Workplace::new();
    let (code, error) = workplace.fails(&["import", "lamindb", "nowhere.db"]);
    assert_eq!((code, &error["kind"]), (3, &"not found".into()), "{error}");
    let own = ".anndex/registry.sqlite";
    let (code, error) = workplace.fails(&["import", "lamindb", own]);
    assert_eq!(code, 2, "{error}");
    let (code, error) = workplace.fails(&["import", "lamindb", "mysql://me:secret@host/db"]);
    assert_eq!(code, 5, "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
}
