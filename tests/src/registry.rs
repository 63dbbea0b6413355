//! Instances on each database, and processes that work in them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anndex_backend_postgres::PostgresOptions;
use anndex_backend_sqlite::SqliteOptions;
use anndex_core::backend::Backend;
use anndex_core::backend::memory::MemoryBackend;
use anndex_core::instance::{Instance, Settings};
use anndex_test_server::Database;
use tempfile::TempDir;

use crate::formats;

/// A database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseKind {
    /// In memory: the model that the others are held against.
    Memory,
    /// A SQLite file.
    Sqlite,
    /// A database on the PostgreSQL server of the tests.
    Postgres,
}

/// Where an instance is, which ends with it.
#[derive(Debug)]
pub struct Place {
    directory: TempDir,
    kind: DatabaseKind,
    database: Option<Database>,
}

impl Place {
    /// A place with nothing in it.
    ///
    /// # Panics
    /// If there is no room, or no server.
    pub fn new(kind: DatabaseKind) -> Self {
        Self {
            directory: tempfile::tempdir().expect("a temporary directory"),
            kind,
            database: (kind == DatabaseKind::Postgres).then(Database::create),
        }
    }

    /// The directory of the storage, which is there.
    ///
    /// # Panics
    /// If it can't be made.
    pub fn storage(&self) -> PathBuf {
        let root = self.directory.path().join("storage");
        std::fs::create_dir_all(&root).expect("the storage can be made");
        root.canonicalize().expect("the storage is there")
    }

    /// What [`open`] and other processes open; empty for what is in memory.
    pub fn location(&self) -> String {
        match (self.kind, &self.database) {
            (DatabaseKind::Memory, _) => String::new(),
            (_, Some(database)) => database.url(),
            (_, None) => {
                let file = self.directory.path().join("registry.sqlite");
                file.display().to_string()
            }
        }
    }

    /// Opens the instance.
    ///
    /// # Panics
    /// If that fails.
    pub async fn instance(&self) -> Instance {
        instance(&self.location(), &self.storage()).await
    }
}

/// Opens the database at a location, and makes what is missing there.
///
/// # Panics
/// If that fails.
pub async fn open(location: &str) -> Arc<dyn Backend> {
    if location.is_empty() {
        return Arc::new(MemoryBackend::new());
    }
    if location.starts_with("postgres://") {
        let options = PostgresOptions::new().create(true);
        let opened = anndex_backend_postgres::connect(location, &options).await;
        return Arc::new(opened.unwrap_or_else(|e| panic!("{e:#}")));
    }
    let options = SqliteOptions::new().create(true);
    let opened = anndex_backend_sqlite::connect(location, &options).await;
    Arc::new(opened.unwrap_or_else(|e| panic!("{e:#}")))
}

/// Opens the instance of a location with this storage.
///
/// # Panics
/// If that fails.
pub async fn instance(location: &str, storage: &Path) -> Instance {
    let settings = Settings {
        storage_root: storage.to_owned(),
        storage_uid: None,
        cache_dir: storage.join(".anndex/cache"),
        user_handle: "ada".to_owned(),
        user_name: None,
        formats: formats(),
    };
    let opened = Instance::new(open(location).await, settings).await;
    opened.unwrap_or_else(|e| panic!("{e:#}"))
}

/// Tell a test that it is the child of another process, and where to work.
const LOCATION: &str = "ANNDEX_TEST_LOCATION";
const STORAGE: &str = "ANNDEX_TEST_STORAGE";

/// The location and the storage that this process is to work in, if it is one of [`processes`].
pub fn given_place() -> Option<(String, PathBuf)> {
    let location = std::env::var(LOCATION).ok()?;
    Some((location, std::env::var_os(STORAGE)?.into()))
}

/// Runs one test of this test binary in several processes at once, which find the place by
/// [`given_place`]; what each of them printed.
///
/// # Panics
/// If one of them fails.
pub fn processes(test: &str, count: usize, place: &Place) -> Vec<String> {
    let start = |_| {
        Command::new(std::env::current_exe().expect("this program has a path"))
            .args(["--exact", test, "--nocapture"])
            .env(LOCATION, place.location())
            .env(STORAGE, place.storage())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{test}: {e}"))
    };
    let children: Vec<_> = (0..count).map(start).collect();
    // Each is listened to, as one that nobody listens to stops when its pipe is full.
    let listeners = children.into_iter().map(|child| {
        std::thread::spawn(|| child.wait_with_output().unwrap_or_else(|e| panic!("{e}")))
    });
    let listeners: Vec<_> = listeners.collect();
    let outputs = listeners.into_iter().map(|listener| {
        let output = listener.join().expect("its thread does not panic");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{test}: {text}");
        text
    });
    outputs.collect()
}

/// The words that follow a word in what a process printed.
pub fn words_after<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    let words: Vec<_> = text.split_whitespace().collect();
    let pairs = words.windows(2).filter(|pair| pair[0] == word);
    pairs.map(|pair| pair[1]).collect()
}
