//! Bad input for the operations of an instance, on each database: one clear error, and nothing
//! changed, neither in the database nor in storage. Hostile text is only text.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

/// Tests that run `check` of a module on each database.
macro_rules! on_each_database {
    () => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn in_memory() {
            check(DatabaseKind::Memory).await;
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn on_sqlite() {
            check(DatabaseKind::Sqlite).await;
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn on_postgres() {
            check(DatabaseKind::Postgres).await;
        }
    };
}

mod full_disk;
mod held;
mod hostile;
mod refused;

use std::fmt::Debug;
use std::path::PathBuf;

use anndex_core::instance::Instance;
use anndex_core::{Error, ErrorKind, Result};
use anndex_tests::registry::{DatabaseKind, Place, everything};

/// What would end a statement, were it part of one.
const SQL: [&str; 4] = [
    "'; DROP TABLE artifact; --",
    "\"; DELETE FROM collection; --",
    "') OR 1 = 1 --",
    "%_\\",
];

/// An instance, and a directory outside of its storage.
struct World {
    db: Instance,
    files: PathBuf,
    /// Ends last.
    place: Place,
}

impl World {
    async fn new(kind: DatabaseKind) -> Self {
        let place = Place::new(kind);
        let db = place.instance().await;
        let files = place.storage().with_file_name("files");
        std::fs::create_dir(&files).unwrap();
        Self { db, files, place }
    }

    /// A file outside of the storage.
    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.files.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Tries what can't be done. Afterwards all is as it was, and consistent.
    async fn refuses<T: Debug>(
        &self,
        kind: ErrorKind,
        what: &str,
        attempt: impl Future<Output = Result<T>>,
    ) -> Error {
        let before = everything(&self.db).await;
        let error = attempt.await.expect_err(what);
        assert_eq!(error.kind(), kind, "{what}: {error:?}");
        let text = format!("{error:?}");
        assert!(!text.contains('\0'), "{what}: {text:?}");
        assert_eq!(everything(&self.db).await, before, "{what}");
        let report = self.db.check().deep(true).run().await.unwrap();
        assert_eq!(report.findings, [], "{what}");
        error
    }
}
