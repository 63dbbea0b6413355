//! Opening databases: new ones, old ones, and those that can't be opened.

use anndex_backend_postgres::{PostgresBackend, PostgresOptions, connect};
use anndex_core::backend::{Backend, Query};
use anndex_core::record::Kind;
use anndex_core::{Error, ErrorKind};
use anndex_test_server::Database;

use crate::{create, insert, user};

/// Everything that is in the schema, as one text.
const EVERYTHING: &str = "\
    SELECT table_to_xml(format('%I.%I', schemaname, tablename)::regclass, true, false, '') \
    FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename";

async fn refused(url: &str, create: bool) -> Error {
    let options = PostgresOptions::new().create(create);
    let error = connect(url, &options).await.unwrap_err();
    assert!(error.context("database").is_some(), "{error:?}");
    assert_eq!(error.operation_name(), Some("open the database"));
    error
}

async fn users(backend: &PostgresBackend) -> u64 {
    backend.count(&Query::new(Kind::User)).await.unwrap()
}

#[tokio::test]
async fn a_new_database_has_the_schema_and_keeps_what_is_saved() {
    let database = Database::create();
    let error = refused(&database.url(), false).await;
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    assert_eq!(database.run(EVERYTHING), "", "connecting makes nothing");

    let backend = create(&database.url()).await;
    assert!(backend.capabilities().persistent && backend.capabilities().shared);
    backend.apply(&insert(user("ada"))).await.unwrap();
    backend.close().await.unwrap();
    let before = database.run(EVERYTHING);

    let options = PostgresOptions::new();
    let backend = connect(&database.url(), &options).await.unwrap();
    assert_eq!(users(&backend).await, 1);
    backend.close().await.unwrap();
    let after = database.run(EVERYTHING);
    assert_eq!(after, before, "opening a current database changes nothing");
}

#[tokio::test]
async fn after_closing_every_call_fails() {
    let database = Database::create();
    let backend = create(&database.url()).await;
    backend.close().await.unwrap();
    let error = backend.select(&Query::new(Kind::User)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backend, "{error:?}");
    let error = backend.apply(&insert(user("ada"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backend, "{error:?}");
    assert!(error.message().contains("connect again"), "{error}");
}

#[tokio::test]
async fn places_without_a_database_are_refused() {
    let database = Database::create();
    let url = database.url();
    let unknown = refused(&format!("{url}_unknown"), true).await;
    assert_eq!(unknown.kind(), ErrorKind::NotFound, "{unknown:?}");
    assert!(unknown.message().contains("createdb"), "{unknown}");
    let (server, name) = url.rsplit_once('/').unwrap();
    let (server, _) = server.rsplit_once(':').unwrap();
    let closed = refused(&format!("{server}:1/{name}"), true).await;
    assert_eq!(closed.kind(), ErrorKind::Backend, "{closed:?}");
    assert!(closed.message().contains("reached"), "{closed}");
    let nowhere = refused("postgres://ada:secret@nowhere.invalid/cells", true).await;
    assert_eq!(nowhere.kind(), ErrorKind::Backend, "{nowhere:?}");
    let socket = refused("postgres:///cells?user=ada&host=/nowhere", true).await;
    assert_eq!(socket.kind(), ErrorKind::Backend, "{socket:?}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up() {
    // Takes connections, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let options = PostgresOptions::new().connect_timeout(std::time::Duration::from_millis(100));
    let url = format!("postgres://ada:secret@127.0.0.1:{port}/cells");
    let error = connect(&url, &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backend, "{error:?}");
    let start = std::time::Instant::now();
    let url = format!("{url}?connect_timeout=1");
    let error = connect(&url, &PostgresOptions::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backend, "{error:?}");
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_database_of_another_program_is_left_alone() {
    let database = Database::create();
    database.run("CREATE TABLE \"user\" (name TEXT)");
    let before = database.run(EVERYTHING);
    let error = refused(&database.url(), true).await;
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    assert!(error.message().contains("another program"), "{error}");
    assert_eq!(database.run(EVERYTHING), before);

    // Beside those of extensions, and in a schema of its own, there is room.
    database.run("ALTER EXTENSION plpgsql ADD TABLE \"user\"; CREATE SCHEMA cells");
    database.run("CREATE TABLE cells.other (name TEXT)");
    let url = format!("{}?options=-csearch_path%3Dcells", database.url());
    assert_eq!(refused(&url, true).await.kind(), ErrorKind::InvalidInput);
    database.run("DROP TABLE cells.other");
    let backend = create(&url).await;
    backend.apply(&insert(user("ada"))).await.unwrap();
    assert_eq!(database.run("SELECT handle FROM cells.user").trim(), "ada");
    assert_eq!(database.run(EVERYTHING), before);
    let nowhere = format!("{}?options=-csearch_path%3Dnowhere", database.url());
    let error = refused(&nowhere, true).await;
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    assert!(error.message().contains("search path"), "{error}");
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_not_changed() {
    let database = Database::create();
    create(&database.url()).await.close().await.unwrap();
    database.run("INSERT INTO anndex_migration VALUES ('0099_later@7.3.1', 0)");
    let before = database.run(EVERYTHING);
    let error = refused(&database.url(), true).await;
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
    assert!(error.message().contains("7.3.1"), "{error}");
    assert_eq!(database.run(EVERYTHING), before);
}

#[tokio::test]
async fn an_encoding_that_can_not_hold_all_text_is_refused() {
    let server = std::env::var(anndex_test_server::URL_VARIABLE).unwrap();
    let latin = "TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'";
    let database = Database::create_on(&server, latin);
    let error = refused(&database.url(), true).await;
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    assert!(error.message().contains("LATIN1"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_may_make_the_schema_at_once() {
    for _ in 0..5 {
        let database = Database::create();
        let open = |number: usize| {
            let url = database.url();
            tokio::spawn(async move {
                let backend = create(&url).await;
                let ada = user(&format!("{number}"));
                backend.apply(&insert(ada)).await.unwrap();
            })
        };
        let opened: Vec<_> = (0..6).map(open).collect();
        for one in opened {
            one.await.unwrap();
        }
        assert_eq!(users(&create(&database.url()).await).await, 6);
    }
}

#[tokio::test]
async fn a_damaged_schema_is_an_error() {
    let database = Database::create();
    let backend = create(&database.url()).await;
    database.run("DROP TABLE collection_ulabel; ALTER TABLE feature_set DROP COLUMN members");
    let error = backend.select(&Query::new(Kind::FeatureSet)).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Corrupt);
    database.run("ALTER TABLE feature_set ADD COLUMN members bytea");
    database.run(
        "INSERT INTO feature_set (uid, n, registry, hash, members, created_at, updated_at) \
         VALUES ('a', 1, 'r', 'h', '\\x00', 0, 0)",
    );
    let error = backend.select(&Query::new(Kind::FeatureSet)).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Corrupt);
}
