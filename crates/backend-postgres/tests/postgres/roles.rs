//! Roles that may not do everything, and passwords, which are never shown.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use anndex_backend_postgres::{PostgresBackend, PostgresOptions, connect};
use anndex_core::backend::{Backend, Query};
use anndex_core::record::Kind;
use anndex_core::{ErrorKind, Result};
use anndex_test_server::Database;
use tracing_subscriber::filter::LevelFilter;

use crate::{create, insert, user};

const PASSWORD: &str = "s3cr3t-w0rd";

/// A database with a role that has nothing but a password. Roles belong to the whole server.
struct Role {
    database: Database,
    name: String,
}

impl Role {
    fn create() -> Self {
        let database = Database::create();
        let name = format!("{}_role", database.name());
        database.run(&format!("CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'"));
        Self { database, name }
    }

    fn url(&self) -> String {
        self.database.url_of(&self.name, PASSWORD)
    }

    async fn connect(&self) -> Result<PostgresBackend> {
        connect(&self.url(), &PostgresOptions::new().create(true)).await
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let name = &self.name;
        self.database
            .run(&format!("DROP OWNED BY {name} CASCADE; DROP ROLE {name}"));
    }
}

#[tokio::test]
async fn a_role_that_may_only_read_reads() {
    let role = Role::create();
    // Nothing at all: not even making tables.
    let error = role.connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
    let backend = create(&role.database.url()).await;
    backend.apply(&insert(user("ada"))).await.unwrap();
    let error = role.connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
    assert!(error.message().contains("GRANT"), "{error}");

    let grant = format!(
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}",
        role.name
    );
    role.database.run(&grant);
    let backend = role.connect().await.unwrap();
    assert_eq!(backend.count(&Query::new(Kind::User)).await.unwrap(), 1);
    let error = backend.apply(&insert(user("bob"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
    assert_eq!(backend.count(&Query::new(Kind::User)).await.unwrap(), 1);

    let read_only = format!(
        "{}?options=-cdefault_transaction_read_only%3Don",
        role.database.url()
    );
    let backend = connect(&read_only, &PostgresOptions::new()).await.unwrap();
    let error = backend.apply(&insert(user("bob"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
    assert!(error.message().contains("standby"), "{error}");
}

#[tokio::test]
async fn a_role_may_make_and_own_a_registry() {
    let role = Role::create();
    let (name, schema) = (&role.name, "cells");
    role.database
        .run(&format!("CREATE SCHEMA {schema} AUTHORIZATION {name}"));
    let url = format!("{}?options=-csearch_path%3D{schema}", role.url());
    let backend = create(&url).await;
    backend.apply(&insert(user("ada"))).await.unwrap();
    assert_eq!(backend.count(&Query::new(Kind::User)).await.unwrap(), 1);
    backend.close().await.unwrap();
}

/// What is logged, at any level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_password_is_never_shown() {
    let log = Log::default();
    let writer = log.clone();
    // For this process, as sea-orm and sqlx log from other threads, too.
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .init();
    let role = Role::create();
    let mut shown = String::new();
    let wrong = role.database.url_of(&role.name, "wr0ng-w0rd");
    for url in [&wrong, &format!("{wrong}?sslmode=require"), &role.url()] {
        let error = connect(url, &PostgresOptions::new()).await.unwrap_err();
        shown += &format!("{error} {error:#} {error:?} {error:#?}\n");
        if *url == wrong {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
            assert!(error.message().contains("password"), "{error}");
            assert_eq!(
                error.context("database").unwrap(),
                wrong.replace(&format!("{}:wr0ng-w0rd@", role.name), "")
            );
        }
    }
    role.database
        .run(&format!("GRANT ALL ON SCHEMA public TO {}", role.name));
    let backend = role.connect().await.unwrap();
    let error = backend.apply(&insert(user(&"x".repeat(300)))).await;
    shown += &format!("{:?}\n", error.unwrap_err());
    let twice = insert(user("ada"));
    backend.apply(&twice).await.unwrap();
    let error = backend.apply(&twice).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    shown += &format!("{error:?} {backend:?} {backend:#?}\n");
    shown += &format!("{:?} {}\n", backend.driver(), backend.driver().url());
    shown += &format!("{:#?} {:#?}\n", backend.driver(), backend.driver().url());
    assert!(shown.contains(role.database.name()), "{shown}");
    backend.close().await.unwrap();
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(!log.is_empty(), "nothing was logged");
    for word in [PASSWORD, "wr0ng-w0rd"] {
        assert!(!shown.contains(word), "{shown}");
        assert!(!log.contains(word), "{log}");
    }
}
