//! Registering files and directories as artifacts, and where artifacts are.

mod content;
mod copied;
mod known_as;
mod read_many;
mod save;
mod save_many;
mod unowned;
pub(super) mod upload;

use std::path::PathBuf;
use std::sync::Arc;

use self::content::Progress;

use super::handle::Handle;
use super::lineage::RunChoice;
use super::place::copies;
use super::retry::blocking;
use super::{Instance, place};
use crate::backend::Relation;
use crate::error::{Error, ErrorKind, Result};
use crate::record::{Artifact, Collection, LinkKind, Storage, ULabel};
use crate::storage::{Seen, StorageUrl};

/// A file or directory that is about to become an artifact.
#[derive(Debug, Clone)]
#[must_use = "nothing is registered before save is called"]
pub struct ArtifactBuilder {
    db: Instance,
    path: PathBuf,
    key: Option<String>,
    description: Option<String>,
    version: Option<String>,
    is_new_version_of: Option<Handle<Artifact>>,
    storage: Option<Handle<Storage>>,
    ulabels: Option<Vec<Handle<ULabel>>>,
    run: RunChoice,
    skip_hash_lookup: bool,
    is_quiet: bool,
    progress: Progress,
}

impl Instance {
    /// Starts to register a file or directory as an artifact.
    ///
    /// What is inside the root of a storage is registered in place, with its relative path as key;
    /// any other file is copied into the default storage. A URL such as `s3://bucket/a.h5ad` is
    /// registered in place, too: if no storage has it, its bucket becomes one. Everything below
    /// `s3://bucket/images/` is one artifact, as a directory is.
    pub fn artifact(&self, path: impl Into<PathBuf>) -> ArtifactBuilder {
        ArtifactBuilder {
            db: self.clone(),
            path: path.into(),
            key: None,
            description: None,
            version: None,
            is_new_version_of: None,
            storage: None,
            ulabels: None,
            run: RunChoice::Current,
            skip_hash_lookup: false,
            is_quiet: false,
            progress: Progress::default(),
        }
    }
}

impl ArtifactBuilder {
    /// A path-like name, such as `"scrna/donor1.h5ad"`. Without key and description it is the
    /// name of the file. What is registered in place has its own path as key.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// A description.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// The version, at most 30 characters.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Makes it a new version of another artifact, from which it takes key, description and labels
    /// where none are given. The other one may be any version of its family.
    pub fn is_new_version_of(mut self, old: &Handle<Artifact>) -> Self {
        self.is_new_version_of = Some(old.clone());
        self
    }

    /// The storage that a copy is put into, unless the content is in it already; without this the
    /// default one. It may be at a URL. What is at a URL itself is not copied.
    pub fn storage(mut self, storage: &Handle<Storage>) -> Self {
        self.storage = Some(storage.clone());
        self
    }

    /// Labels.
    pub fn ulabels<'a>(mut self, ulabels: impl IntoIterator<Item = &'a Handle<ULabel>>) -> Self {
        self.ulabels = Some(ulabels.into_iter().cloned().collect());
        self
    }

    /// The run that creates it; without this it is the current one, with `false` none.
    pub fn run(mut self, run: impl Into<RunChoice>) -> Self {
        self.run = run.into();
        self
    }

    /// Makes a new record even if the content is known.
    pub fn skip_hash_lookup(mut self, skip: bool) -> Self {
        self.skip_hash_lookup = skip;
        self
    }

    /// Says nothing of content that is known under another name, because the caller does.
    pub(super) fn quiet(mut self) -> Self {
        self.is_quiet = true;
        self
    }

    /// Is told after each file how many bytes of it were hashed; all calls together give the size.
    /// They come from many threads.
    pub fn progress(mut self, progress: impl Fn(u64) + Send + Sync + 'static) -> Self {
        self.progress = Progress(Arc::new(progress));
        self
    }

    /// Hashes the content, puts it in storage and registers it. If the same content is registered
    /// already and not in the trash, the existing artifact is given back, with the description,
    /// labels and run given here. It keeps its key, of which a warning tells if it is another one
    /// than that of the content here; [`Handle::is_new`] tells whether a record was made.
    ///
    /// # Errors
    /// - `NotFound`, `PermissionDenied` or `Storage` if the content can't be read or copied;
    /// - `Unsupported` if it is at a URL that this build can't open (the error names the feature);
    /// - `Corrupt` or other errors of the format if an AnnData file can't be opened;
    /// - `InvalidInput` if the key is unfit or not that of a file in place, if a version must be
    ///   given, or if something given is of another instance;
    /// - `AlreadyExists` if the version is taken, if another artifact was registered at this place
    ///   with other content, or if known content has another version than the one given;
    /// - `Backend` if the database fails.
    pub async fn save(self) -> Result<Handle<Artifact>> {
        let path = self.path.display().to_string();
        let saved = self.save_content().await;
        saved.map_err(|e| e.operation("save artifact").with("path", path))
    }
}

impl Handle<Artifact> {
    /// The storage that holds it.
    ///
    /// # Errors
    /// `Backend` if the database fails.
    pub async fn storage(&self) -> Result<Handle<Storage>> {
        let storage = self.referenced(Some(self.storage_id)).await?;
        storage.ok_or_else(|| Error::not_found("the storage of the artifact is gone"))
    }

    /// The local path, which is inside its storage and where something is.
    ///
    /// # Errors
    /// `NotFound` if nothing is there any more; `InvalidInput` if the path would leave the
    /// storage; `Unsupported` if it is at a URL; `Backend` if the database fails.
    pub async fn path(&self) -> Result<PathBuf> {
        let storage = self.storage().await?.record().clone();
        let storage_key = self.storage_key.clone();
        blocking(move || place::resolve(&storage, &storage_key))
            .await
            .map_err(|e| e.with("uid", &self.uid))
    }

    /// The URL; `None` if it is in a local storage.
    ///
    /// # Errors
    /// `InvalidInput` if its storage has a URL that can't be understood; `Backend` if the database
    /// fails.
    pub async fn url(&self) -> Result<Option<StorageUrl>> {
        let storage = self.storage().await?;
        if storage.type_ == place::LOCAL {
            return Ok(None);
        }
        let root = StorageUrl::parse(&storage.root)?;
        Ok(Some(root.join(&self.storage_key)))
    }

    /// Whether what is in storage is a copy, which goes with the record when that is deleted
    /// permanently, if this very instance made it and nobody else needs it. What was registered in
    /// place stays.
    pub fn has_copy(&self) -> bool {
        let own = self.db.identity();
        copies::maker(&self.storage_key)
            .is_some_and(|maker| maker == own.id || own.former.iter().any(|one| one == maker))
    }

    /// The collections that hold the artifact, whatever their visibility.
    ///
    /// # Errors
    /// `Backend` if the database fails.
    pub async fn collections(&self) -> Result<Vec<Handle<Collection>>> {
        self.related(Relation::Sources(LinkKind::CollectionArtifact))
            .await
    }

    async fn is_missing(&self) -> Result<bool> {
        let storage = self.storage().await?;
        let looked = match self.db.object_storage(storage.record()) {
            Ok(None) => self.path().await.map(|_| ()),
            Ok(Some(storage)) => {
                let was_directory = self.n_objects.is_some();
                let seen = Seen::look_again(storage.as_ref(), &self.storage_key, was_directory);
                seen.await.map(|_| ())
            }
            Err(error) => Err(error),
        };
        match looked {
            Ok(()) => Ok(false),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
            // Storages that this build can't look into are taken at their record's word.
            Err(error) if error.kind() == ErrorKind::Unsupported => Ok(false),
            Err(error) => Err(error),
        }
    }
}
