//! Loading tables: artifacts and collections of Parquet, CSV, TSV and Arrow files, as Arrow data.

use std::path::{Path, PathBuf};

use anndex_core::instance::{Handle, Instance, RunChoice};
use anndex_core::operation::Operation;
use anndex_core::record::{Artifact, Collection};
use anndex_core::{Error, ErrorKind, Result};
pub use anndex_tables::*;

use crate::Join;

/// What can be loaded as a table: artifacts, and collections of them.
pub trait LoadTable {
    /// Starts to load the tables into memory.
    fn load_table(&self) -> TableBuilder;
}

impl LoadTable for Handle<Artifact> {
    fn load_table(&self) -> TableBuilder {
        TableBuilder::new(Source::Artifact(Box::new(self.clone())))
    }
}

impl LoadTable for Handle<Collection> {
    fn load_table(&self) -> TableBuilder {
        TableBuilder::new(Source::Collection(Box::new(self.clone())))
    }
}

#[derive(Debug, Clone)]
enum Source {
    Artifact(Box<Handle<Artifact>>),
    Collection(Box<Handle<Collection>>),
}

impl Source {
    fn instance(&self) -> &Instance {
        match self {
            Self::Artifact(artifact) => artifact.instance(),
            Self::Collection(collection) => collection.instance(),
        }
    }

    fn uid(&self) -> &str {
        match self {
            Self::Artifact(artifact) => &artifact.uid,
            Self::Collection(collection) => &collection.uid,
        }
    }

    /// The artifacts, in their order.
    async fn artifacts(&self) -> Result<Vec<Handle<Artifact>>> {
        match self {
            Self::Artifact(artifact) => Ok(vec![Handle::clone(artifact)]),
            Self::Collection(collection) => collection.artifacts().await,
        }
    }

    /// The local path of each; what is at URLs is brought here.
    async fn paths(&self) -> Result<Vec<PathBuf>> {
        match self {
            Self::Artifact(artifact) => {
                Ok(vec![artifact.cache().is_run_input(false).path().await?])
            }
            Self::Collection(collection) => collection.cache().is_run_input(false).paths().await,
        }
    }

    async fn track_input(&self, is_run_input: RunChoice) -> Result<()> {
        match self {
            Self::Artifact(artifact) => artifact.track_input(is_run_input).await,
            Self::Collection(collection) => collection.track_input(is_run_input).await,
        }
    }
}

/// An artifact or collection of tables that is about to be loaded.
#[derive(Debug, Clone)]
#[must_use = "nothing is loaded before read is called"]
pub struct TableBuilder {
    source: Source,
    join: Join,
    is_run_input: RunChoice,
}

impl TableBuilder {
    fn new(source: Source) -> Self {
        Self {
            source,
            join: Join::Outer,
            is_run_input: RunChoice::Current,
        }
    }

    /// Which columns the result has: all (outer, unless told otherwise), or those that all tables
    /// have.
    pub fn join(mut self, join: Join) -> Self {
        self.join = join;
        self
    }

    /// Whether the dataset becomes an input of a run: of the current one if there is one, of none
    /// for `false`, of the current one or an error for `true`, or of the run given.
    pub fn is_run_input(mut self, is_run_input: impl Into<RunChoice>) -> Self {
        self.is_run_input = is_run_input.into();
        self
    }

    /// Reads the tables and puts them one below the other, in their order, as [`concat()`] does.
    ///
    /// # Errors
    /// - `InvalidInput` if an artifact is not a table (the error lists the suffixes), if the tables
    ///   can't be concatenated, or if the dataset must be an input but no run is going on;
    /// - `NotFound` if an artifact is not in its storage any more;
    /// - as [`read`]; `Backend` if the database fails.
    pub async fn read(self) -> Result<Table> {
        let uid = self.source.uid().to_owned();
        let loaded = self.read_checked().await;
        loaded.map_err(|e| e.operation("load table").with("uid", uid))
    }

    async fn read_checked(self) -> Result<Table> {
        // Asked before files are read, which takes longer.
        self.is_run_input.resolve(self.source.instance())?;
        check_suffixes(&self.source.artifacts().await?)?;
        let paths = self.source.paths().await?;
        let join = self.join;
        let operation = Operation::current().unwrap_or_default();
        let work =
            tokio::task::spawn_blocking(move || operation.within(|| read_and_concat(&paths, join)));
        let loaded = work.await.map_err(|error| match error.try_into_panic() {
            // As if it had run here: that is a bug, and no failure of a storage.
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Error::new(ErrorKind::Cancelled, "reading the tables was stopped")
                .source_error(error),
        })??;
        self.source.track_input(self.is_run_input).await?;
        Ok(loaded)
    }
}

fn read_and_concat(paths: &[PathBuf], join: Join) -> Result<Table> {
    let names = paths.iter().map(|path| path.display().to_string());
    let tables: Vec<(String, Table)> = names.zip(read_all(paths)?).collect();
    concat(&tables, join)
}

/// Refuses artifacts of which some are not tables, listing the suffixes that there are.
fn check_suffixes(artifacts: &[Handle<Artifact>]) -> Result<()> {
    if artifacts
        .iter()
        .all(|artifact| is_table(Path::new(&artifact.storage_key)))
    {
        return Ok(());
    }
    let mut suffixes: Vec<&str> = artifacts.iter().map(|one| one.suffix.as_str()).collect();
    suffixes.sort_unstable();
    suffixes.dedup();
    Err(Error::invalid_input(format!(
        "only tables ({}) can be loaded as one table, but the collection has files with the \
         suffixes {}; read the files that cache() gives, or make a collection of tables alone",
        SUFFIXES.join(", "),
        suffixes.join(", ")
    )))
}
