//! Preparing a collection: files in an order and a layout that are fast to read, registered as a
//! collection of their own, with the run that made them.
//!
//! Files are written first, then registered where they are: a directory inside a storage belongs
//! to it, any other becomes a storage itself. Copying it, as is done with other files, would double
//! what is largest.

use std::path::{Path, PathBuf};

use super::handle::Handle;
use super::lineage::RunChoice;
use super::retry::blocking;
use super::{Instance, place};
use crate::backend::{Filter, Query};
use crate::error::{Error, Result};
use crate::mapped::{Preparation, PrepareOptions, PrepareProgress, Prepared};
use crate::record::{Artifact, Collection, Field, RecordData, Run, Storage, Visibility};
use crate::registry::{Registry, hash};

/// The transform of runs that prepare a collection, unless another run is going on.
const TRANSFORM: &str = "anndex prepare";

/// A collection that is about to be prepared.
#[derive(Debug, Clone)]
#[must_use = "nothing is written before save is called"]
pub struct PrepareBuilder {
    collection: Handle<Collection>,
    directory: PathBuf,
    options: PrepareOptions,
    name: Option<String>,
    description: Option<String>,
    run: RunChoice,
}

/// A collection that was prepared, and how.
#[derive(Debug, Clone)]
pub struct PreparedCollection {
    /// The new collection, one artifact per file.
    pub collection: Handle<Collection>,
    /// The files, their observations and variables.
    pub prepared: Prepared,
    /// What had to be left out or converted, in sentences for the user.
    pub notices: Vec<String>,
}

impl Handle<Collection> {
    /// Starts to prepare the collection in a directory, which is made if it does not exist. The
    /// order is that of `options.shuffle`, the files are Zarr.
    pub fn prepare(&self, directory: impl Into<PathBuf>) -> PrepareBuilder {
        PrepareBuilder {
            collection: self.clone(),
            directory: directory.into(),
            options: PrepareOptions::default(),
            name: None,
            description: None,
            run: RunChoice::Current,
        }
    }
}

impl PrepareBuilder {
    /// How it is prepared.
    pub fn options(mut self, options: PrepareOptions) -> Self {
        self.options = options;
        self
    }

    /// The name of the new collection. Without this it is that of the old one and "(prepared)".
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The description of the new collection.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// The run that creates it, whose input the old collection becomes. Without this it is the
    /// current one, or, if there is none, a new one of a transform called "anndex prepare"; with
    /// `false` none.
    pub fn run(mut self, run: impl Into<RunChoice>) -> Self {
        self.run = run.into();
        self
    }

    /// Writes the files that are not there yet, and registers all of them as a collection. If that
    /// was done before with the same collection, directory and options, nothing is written, and
    /// the known collection is given back.
    ///
    /// # Errors
    /// - As [`Preparation::open`] and [`Preparation::write`]; after the latter, calling this again
    ///   continues;
    /// - `InvalidInput` if the directory is in the instance's own one, if an artifact is not an
    ///   AnnData that this build can open, or if a run is asked for but none is going on;
    /// - `NotFound` if an artifact is not in its storage any more;
    /// - `Backend` if the database fails.
    pub async fn save(self) -> Result<PreparedCollection> {
        self.save_with(|_| Ok(())).await
    }

    /// The same, with a function that is told how far it is, and that stops it by an error.
    ///
    /// # Errors
    /// As [`PrepareBuilder::save`], and what `progress` fails with.
    pub async fn save_with(
        self,
        progress: impl FnMut(PrepareProgress) -> Result<()> + Send + 'static,
    ) -> Result<PreparedCollection> {
        let uid = self.collection.uid.clone();
        let saved = self.save_checked(progress).await;
        saved.map_err(|e| e.operation("prepare collection").with("collection", uid))
    }

    async fn save_checked(
        self,
        mut progress: impl FnMut(PrepareProgress) -> Result<()> + Send + 'static,
    ) -> Result<PreparedCollection> {
        let db = self.collection.instance().clone();
        self.options.check()?;
        // Asked before files are opened, which takes longer.
        let run = self.run.resolve(&db)?;
        let storages = db.select::<Storage>(&Query::new(Storage::KIND)).await?;
        let place = self.directory.clone();
        let in_storage = blocking(move || is_in_storage(&place, &storages)).await?;
        let inputs = digest(&self.collection.artifacts().await?);
        let paths = self.collection.anndata_paths().await?;
        let (formats, options) = (db.formats().clone(), self.options.clone());
        let (cache, directory) = (db.cache_dir().to_owned(), self.directory.clone());
        let (prepared, notices) = blocking(move || {
            let preparation = Preparation::open(&formats, &paths, &options, Some(&cache))?;
            let prepared = preparation.write(&directory, &inputs, &mut progress)?;
            Ok((prepared, preparation.notices().to_vec()))
        })
        .await?;
        if !in_storage {
            db.add_storage(&self.directory).await?;
        }
        self.register(&db, prepared, notices, run).await
    }

    async fn register(
        self,
        db: &Instance,
        prepared: Prepared,
        mut notices: Vec<String>,
        run: Option<Run>,
    ) -> Result<PreparedCollection> {
        let made = |collection, notices| PreparedCollection {
            collection,
            prepared: prepared.clone(),
            notices,
        };
        let own_run = matches!(self.run, RunChoice::Current) && run.is_none();
        if own_run && let Some(artifacts) = registered(db, &prepared.files).await? {
            let mut known = db.collection(artifacts).run(false).is_run_input(false);
            if let Some(name) = &self.name {
                known = known.name(name);
            }
            if let Some(description) = &self.description {
                known = known.description(description);
            }
            return Ok(made(known.save().await?, notices));
        }
        let run = match run {
            Some(run) => Some(Handle::new(db, run)?),
            None if own_run => {
                let transform = db.transform(TRANSFORM).type_("function").save().await?;
                Some(db.run_of(&transform).save().await?)
            }
            None => None,
        };
        let choice = run.as_ref().map_or(RunChoice::No, RunChoice::from);
        self.collection.track_input(choice.clone()).await?;
        let mut artifacts = Vec::with_capacity(prepared.files.len());
        for file in &prepared.files {
            artifacts.push(db.artifact(file).run(choice.clone()).quiet().save().await?);
        }
        if let Some(elsewhere) = elsewhere(&artifacts, &prepared.files).await? {
            notices.push(format!(
                "the same content was registered before, at {elsewhere}; the collection has it there"
            ));
        }
        let name = self.name.clone();
        let name = name.unwrap_or_else(|| format!("{} (prepared)", self.collection.name));
        let description = self.description.clone();
        let description =
            description.unwrap_or_else(|| format!("prepared from {}", self.collection.label()));
        let collection = db
            .collection(artifacts)
            .name(name)
            .description(description)
            .run(choice)
            .is_run_input(false)
            .save()
            .await?;
        if let (true, Some(run)) = (own_run, &run) {
            db.finish_run(run).await?;
        }
        Ok(made(collection, notices))
    }
}

/// What stands for the content of artifacts, in their order.
fn digest(artifacts: &[Handle<Artifact>]) -> String {
    let content = |artifact: &Handle<Artifact>| {
        let hash = artifact.hash.as_ref().unwrap_or(&artifact.uid);
        format!("{hash} {}\n", artifact.size.unwrap_or_default())
    };
    let all: String = artifacts.iter().map(content).collect();
    hash::hash_bytes(all.as_bytes())
}

/// Whether a directory, which need not exist, is inside a storage.
fn is_in_storage(directory: &Path, storages: &[Storage]) -> Result<bool> {
    let at = |path: &Path, e| Error::io(path.display(), e);
    let absolute = std::path::absolute(directory).map_err(|e| at(directory, e))?;
    let existing = absolute.ancestors().find(|path| path.exists());
    let existing = existing.unwrap_or(&absolute);
    let rest = absolute.strip_prefix(existing).unwrap_or(Path::new(""));
    let real = existing
        .canonicalize()
        .map_err(|e| at(existing, e))?
        .join(rest);
    if real.to_str().is_none() {
        let error = Error::invalid_input("the path is not UTF-8; choose another directory");
        return Err(error.with("path", directory.display()));
    }
    // The key of any file in it tells.
    Ok(place::locate(&real.join("file"), storages)?.is_some())
}

/// The artifacts registered at the places of `files`, if all are and make up a collection.
async fn registered(db: &Instance, files: &[PathBuf]) -> Result<Option<Vec<Handle<Artifact>>>> {
    let storages = db.select::<Storage>(&Query::new(Storage::KIND)).await?;
    let mut artifacts = Vec::with_capacity(files.len());
    for file in files {
        let real = file
            .canonicalize()
            .map_err(|e| Error::io(file.display(), e))?;
        let Some((storage, key)) = place::locate(&real, &storages)? else {
            return Ok(None);
        };
        let here = Filter::eq(Field::Storage, storage.id.unwrap_or_default())
            .and(Filter::eq(Field::StorageKey, key))
            .and(Filter::ne(Field::Visibility, Visibility::Trash));
        match db.artifacts().with_trash().filter(here).all().await?.pop() {
            Some(artifact) => artifacts.push(artifact),
            None => return Ok(None),
        }
    }
    let Some(first) = artifacts.first() else {
        return Ok(None);
    };
    for collection in first.collections().await? {
        let held = collection.artifacts().await?;
        let same = held
            .iter()
            .map(Handle::id)
            .eq(artifacts.iter().map(Handle::id));
        if same && collection.visibility != Visibility::Trash {
            return Ok(Some(artifacts));
        }
    }
    Ok(None)
}

/// Where content is that was known before, if that is not at its place in `files`.
async fn elsewhere(artifacts: &[Handle<Artifact>], files: &[PathBuf]) -> Result<Option<String>> {
    for (artifact, file) in artifacts.iter().zip(files) {
        if let Some(url) = artifact.url().await? {
            return Ok(Some(url.to_string()));
        }
        let place = artifact.path().await?;
        let real = file
            .canonicalize()
            .map_err(|e| Error::io(file.display(), e))?;
        if place
            .canonicalize()
            .map_err(|e| Error::io(place.display(), e))?
            != real
        {
            return Ok(Some(place.display().to_string()));
        }
    }
    Ok(None)
}
