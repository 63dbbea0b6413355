//! Timeouts, locks and connections that run out.

use std::time::{Duration, Instant};

use anndex_backend_postgres::{PostgresOptions, connect};
use anndex_core::ErrorKind;
use anndex_core::backend::{Backend, Query};
use anndex_core::record::Kind;
use anndex_test_server::Database;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor};

use crate::{create, insert, user};

const SOON: Duration = Duration::from_millis(100);

/// Another session, which holds a lock on the users that lets nobody else read them.
async fn lock(database: &Database) -> PgConnection {
    let mut other = PgConnection::connect(&database.url()).await.unwrap();
    let lock = "BEGIN; LOCK TABLE \"user\" IN ACCESS EXCLUSIVE MODE";
    other.execute(lock).await.unwrap();
    other
}

#[tokio::test]
async fn locks_and_statements_have_their_timeouts() {
    let database = Database::create();
    create(&database.url()).await;
    let locks = PostgresOptions::new().lock_timeout(SOON);
    let statements = PostgresOptions::new().statement_timeout(SOON);
    for (options, word) in [(locks, "lock"), (statements, "longer")] {
        let backend = connect(&database.url(), &options).await.unwrap();
        let mut other = lock(&database).await;
        let start = Instant::now();
        let read = backend.count(&Query::new(Kind::User)).await.unwrap_err();
        let write = backend.apply(&insert(user("ada"))).await.unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(10));
        for error in [read, write] {
            assert_eq!(error.kind(), ErrorKind::Backend, "{error:?}");
            assert!(error.message().contains(word), "{error}");
        }
        other.execute("ROLLBACK").await.unwrap();
        assert_eq!(backend.count(&Query::new(Kind::User)).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_timeout_in_the_url_counts() {
    let database = Database::create();
    create(&database.url()).await;
    let url = format!("{}?options=-c%20lock_timeout%3D100", database.url());
    let backend = connect(&url, &PostgresOptions::new()).await.unwrap();
    let _other = lock(&database).await;
    let error = backend.count(&Query::new(Kind::User)).await.unwrap_err();
    assert!(error.message().contains("lock"), "{error:?}");
}

#[tokio::test]
async fn a_process_that_stops_in_the_middle_lets_go_of_its_locks() {
    let database = Database::create();
    let backend = create(&database.url()).await;
    let url = format!(
        "{}?options=-c%20idle_in_transaction_session_timeout%3D100",
        database.url()
    );
    let mut other = PgConnection::connect(&url).await.unwrap();
    let lock = "BEGIN; LOCK TABLE \"user\" IN ACCESS EXCLUSIVE MODE";
    other.execute(lock).await.unwrap();
    backend.apply(&insert(user("ada"))).await.unwrap();
}

#[tokio::test]
async fn connections_that_run_out_are_waited_for_and_then_reported() {
    let database = Database::create();
    create(&database.url()).await;
    // Long enough for a busy machine to make connections.
    let acquire_timeout = 20 * SOON;
    let options = PostgresOptions::new()
        .connections(2)
        .acquire_timeout(acquire_timeout);
    let backend = connect(&database.url(), &options).await.unwrap();
    let mut other = lock(&database).await;
    let query = Query::new(Kind::User);
    let waiting = async {
        tokio::join!(backend.count(&query), backend.count(&query), async {
            tokio::time::sleep(SOON).await;
            let third = backend.count(&query).await;
            other.execute("ROLLBACK").await.unwrap();
            third
        })
    };
    let (first, second, third) = waiting.await;
    assert_eq!((first.unwrap(), second.unwrap()), (0, 0));
    let error = third.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backend, "{error:?}");
    assert!(error.message().contains("waiting"), "{error}");

    // The server's own limit, which does not hold for superusers.
    let name = database.name();
    let role = format!("{name}_role");
    database.run(&format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'secret'; GRANT pg_read_all_data TO {role}; \
         ALTER DATABASE {name} CONNECTION LIMIT 0"
    ));
    let url = database.url_of(&role, "secret");
    let error = connect(&url, &PostgresOptions::new()).await.unwrap_err();
    database.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
    assert_eq!(error.kind(), ErrorKind::Backend, "{error:?}");
    assert!(error.message().contains("max_connections"), "{error}");
}
