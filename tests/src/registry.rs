//! Instances on each database, and processes that work in them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anndex_backend_postgres::PostgresOptions;
use anndex_backend_sqlite::SqliteOptions;
use anndex_core::Result;
use anndex_core::backend::memory::MemoryBackend;
use anndex_core::backend::{Backend, LinkQuery, Query};
use anndex_core::instance::{Instance, Settings};
use anndex_core::record::{Kind, LinkKind};
use anndex_core::registry::hash::files_of;
use anndex_core::storage::StorageDrivers;
use anndex_test_server::Database;
use tempfile::TempDir;

use crate::formats;
use crate::servers::drivers;

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
    let opened = instance_on(open(location).await, storage).await;
    opened.unwrap_or_else(|e| panic!("{e:#}"))
}

/// Opens an instance on a database with this storage.
///
/// # Errors
/// As [`Instance::new`].
pub async fn instance_on(backend: Arc<dyn Backend>, storage: &Path) -> Result<Instance> {
    instance_with(backend, storage, drivers()).await
}

/// As [`instance_on`], with drivers of one's own.
///
/// # Errors
/// As [`Instance::new`].
pub async fn instance_with(
    backend: Arc<dyn Backend>,
    storage: &Path,
    drivers: StorageDrivers,
) -> Result<Instance> {
    let settings = Settings {
        storage_root: storage.to_owned(),
        storage_uid: None,
        former_registry_ids: Vec::new(),
        cache_dir: storage.join(".anndex/cache"),
        user_handle: "ada".to_owned(),
        user_name: None,
        formats: formats(),
        drivers,
    };
    Instance::new(backend, settings).await
}

/// All that an instance has: every record and every link, and the files in its default storage
/// with their sizes. What only says that something is being written is left out.
///
/// # Panics
/// If it can't be read.
pub async fn everything(db: &Instance) -> Vec<String> {
    let mut lines = Vec::new();
    for kind in Kind::ALL {
        let records = db.backend().select(&Query::new(kind)).await;
        let records = records.unwrap_or_else(|e| panic!("{e:#}"));
        lines.extend(records.iter().map(|record| format!("{record:?}")));
    }
    for kind in LinkKind::ALL {
        let all = LinkQuery {
            kind,
            sources: None,
            targets: None,
        };
        let links = db.backend().links(&all).await;
        let links = links.unwrap_or_else(|e| panic!("{e:#}"));
        lines.extend(links.iter().map(|link| format!("{kind:?} {link:?}")));
    }
    let files = files_of(db.storage_root());
    let files = files.unwrap_or_else(|e| panic!("{e:#}"));
    for file in files {
        let size = file.metadata().map(|metadata| metadata.len());
        if !file.components().any(|part| part.as_os_str() == "writers") {
            lines.push(format!("{} {size:?}", file.display()));
        }
    }
    lines
}

/// Tell a test that it is the child of another process, and where to work.
const LOCATION: &str = "ANNDEX_TEST_LOCATION";
const STORAGE: &str = "ANNDEX_TEST_STORAGE";

/// The location and the storage that this process is to work in, if it is one of [`processes`].
pub fn given_place() -> Option<(String, PathBuf)> {
    let location = std::env::var(LOCATION).ok()?;
    Some((location, std::env::var_os(STORAGE)?.into()))
}

/// Makes a command work in a place, which it finds by [`given_place`].
pub fn tell_place<'a>(command: &'a mut Command, place: &Place) -> &'a mut Command {
    command
        .env(LOCATION, place.location())
        .env(STORAGE, place.storage())
}

/// Runs one test of this test binary in several processes at once, which find the place by
/// [`given_place`]; what each of them printed.
///
/// # Panics
/// If one of them fails.
pub fn processes(test: &str, count: usize, place: &Place) -> Vec<String> {
    let start = |_| {
        let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
        command.args(["--exact", test, "--nocapture"]);
        tell_place(&mut command, place)
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
