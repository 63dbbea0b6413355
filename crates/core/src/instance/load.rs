//! Loading artifacts and collections into memory, and looking into an artifact without doing so.

use std::path::{Path, PathBuf};

use super::cache::local_paths;
use super::handle::Handle;
use super::lineage::RunChoice;
use super::retry::blocking;
use crate::anndata::{AnnData, BackedAnnData, ConcatOptions, Join, concat};
use crate::error::{Error, Result};
use crate::record::{Artifact, Collection};
use crate::store::StoreFormats;

/// An artifact or collection that is about to be loaded.
#[derive(Debug, Clone)]
#[must_use = "nothing is loaded before read is called"]
pub struct LoadBuilder<D> {
    data: Handle<D>,
    join: Join,
    is_run_input: RunChoice,
}

impl<D> LoadBuilder<D> {
    fn new(data: Handle<D>) -> Self {
        Self {
            data,
            join: Join::Outer,
            is_run_input: RunChoice::Current,
        }
    }

    /// Whether the dataset becomes an input of a run: of the current one if there is one, of none
    /// for `false`, of the current one or an error for `true`, or of the run given.
    pub fn is_run_input(mut self, is_run_input: impl Into<RunChoice>) -> Self {
        self.is_run_input = is_run_input.into();
        self
    }
}

impl LoadBuilder<Collection> {
    /// Which variables, columns and keys the result has: all (outer, unless told otherwise), or
    /// those that all artifacts have.
    pub fn join(mut self, join: Join) -> Self {
        self.join = join;
        self
    }

    /// Concatenates the artifacts, in their order, as [`concat()`] does, with their uids in the
    /// column `artifact_uid` of `obs`.
    ///
    /// # Errors
    /// - `InvalidInput` if an artifact is not an AnnData that this build can open (the error lists
    ///   them), if they can't be concatenated, or if the collection must be an input but no run is
    ///   going on;
    /// - `NotFound` if an artifact is not in its storage any more;
    /// - as [`concat()`]; `Backend` if the database fails.
    pub async fn read(self) -> Result<AnnData> {
        let uid = self.data.uid.clone();
        let loaded = self.read_checked().await;
        loaded.map_err(|e| e.operation("load collection").with("collection", uid))
    }

    async fn read_checked(self) -> Result<AnnData> {
        let db = self.data.instance().clone();
        // Asked before files are read, which takes longer.
        self.is_run_input.resolve(&db)?;
        let artifacts = self.data.artifacts().await?;
        check_anndata(db.formats(), &artifacts)?;
        let options = ConcatOptions::new(self.join)
            .label("artifact_uid")
            .keys(artifacts.iter().map(|artifact| artifact.uid.as_str()));
        let paths = local_paths(&db, &artifacts, &|_| {}).await?;
        let formats = db.formats().clone();
        let loaded = blocking(move || concat(&open_all(&formats, &paths)?, &options)).await?;
        self.data.track_input(self.is_run_input).await?;
        Ok(loaded)
    }
}

impl LoadBuilder<Artifact> {
    /// Reads the whole artifact.
    ///
    /// # Errors
    /// - `InvalidInput` if it is no AnnData that this build can open, or if it must be an input but
    ///   no run is going on;
    /// - `NotFound` if it is not in its storage any more;
    /// - as [`BackedAnnData::read`]; `Backend` if the database fails.
    pub async fn read(self) -> Result<AnnData> {
        let uid = self.data.uid.clone();
        let loaded = async {
            let backed = self.data.backed(&self.is_run_input).await?;
            let loaded = blocking(move || backed.read()).await?;
            self.data.track_input(self.is_run_input).await?;
            Ok(loaded)
        };
        let loaded = loaded.await;
        loaded.map_err(|e: Error| e.operation("load artifact").with("artifact", uid))
    }
}

impl Handle<Collection> {
    /// Starts to load the collection's artifacts, all of which must be AnnData, into memory.
    pub fn load(&self) -> LoadBuilder<Collection> {
        LoadBuilder::new(self.clone())
    }
}

impl Handle<Artifact> {
    /// Starts to load the artifact, which must be AnnData, into memory.
    pub fn load(&self) -> LoadBuilder<Artifact> {
        LoadBuilder::new(self.clone())
    }

    /// Opens the artifact, which must be AnnData, to be read piece by piece. Whether it becomes an
    /// input of a run is said as in [`LoadBuilder::is_run_input`].
    ///
    /// # Errors
    /// As [`LoadBuilder::read`], but for what reading gives.
    pub async fn open(&self, is_run_input: impl Into<RunChoice>) -> Result<BackedAnnData> {
        let is_run_input = is_run_input.into();
        let opened = async {
            let backed = self.backed(&is_run_input).await?;
            self.track_input(is_run_input).await?;
            Ok(backed)
        };
        let opened = opened.await;
        opened.map_err(|e: Error| e.operation("open artifact").with("artifact", &self.uid))
    }

    async fn backed(&self, is_run_input: &RunChoice) -> Result<BackedAnnData> {
        // Asked before files are opened, which takes longer.
        is_run_input.resolve(&self.db)?;
        check_anndata(self.db.formats(), std::slice::from_ref(self))?;
        let paths = local_paths(&self.db, std::slice::from_ref(self), &|_| {}).await?;
        let formats = self.db.formats().clone();
        let open = move |path: &PathBuf| BackedAnnData::open(formats.open(path)?);
        blocking(move || {
            paths
                .first()
                .map_or_else(|| Err(Error::not_found("it has no path")), open)
        })
        .await
    }
}

fn open_all(formats: &StoreFormats, paths: &[PathBuf]) -> Result<Vec<BackedAnnData>> {
    let opened = paths
        .iter()
        .map(|path| BackedAnnData::open(formats.open(path)?));
    opened.collect()
}

/// Refuses artifacts of which some are not AnnData, listing the suffixes that there are.
fn check_anndata(formats: &StoreFormats, artifacts: &[Handle<Artifact>]) -> Result<()> {
    let open = |artifact: &Handle<Artifact>| {
        let format = formats.for_path(Path::new(&artifact.storage_key));
        format.map(|_| ())
    };
    let Some(reason) = artifacts.iter().find_map(|artifact| open(artifact).err()) else {
        return Ok(());
    };
    let mut suffixes: Vec<&str> = Vec::new();
    for artifact in artifacts {
        let suffix = match artifact.suffix.as_str() {
            "" => "no suffix",
            suffix => suffix,
        };
        if !suffixes.contains(&suffix) {
            suffixes.push(suffix);
        }
    }
    Err(Error::invalid_input(format!(
        "only AnnData files can be loaded as one AnnData, but the collection has files with the \
         suffixes {}; read the files that cache() gives, or make a collection of AnnData alone",
        suffixes.join(", ")
    ))
    .source_error(reason))
}
