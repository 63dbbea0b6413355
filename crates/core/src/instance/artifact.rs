//! Registering files and directories as artifacts.

use std::path::{Path, PathBuf};

use super::handle::Handle;
use super::known::{self, Given};
use super::lineage::RunChoice;
use super::retry::{blocking, retry};
use super::{Instance, place, versioned};
use crate::anndata::BackedAnnData;
use crate::backend::{ChangeSet, Filter, Query, Relation};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{
    Artifact, Collection, Field, Id, LinkKind, RecordData, Run, Storage, ULabel, Value, Visibility,
    now,
};
use crate::registry::hash::{self, ContentHash};
use crate::registry::{Registry, key, uid};
use crate::store::StoreFormats;

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
    ulabels: Option<Vec<Handle<ULabel>>>,
    run: RunChoice,
    skip_hash_lookup: bool,
}

/// What is known of the file or directory before the database is asked.
struct Content {
    path: PathBuf,
    file_name: String,
    hash: ContentHash,
    size: i64,
}

/// Where the content is or will be.
struct Location {
    storage: Storage,
    /// The key, if it is registered in place.
    in_place: Option<String>,
}

impl Instance {
    /// Starts to register a file or directory as an artifact.
    ///
    /// What is inside the root of a storage is registered in place, with its relative path as key;
    /// anything else is copied into the default storage.
    pub fn artifact(&self, path: impl Into<PathBuf>) -> ArtifactBuilder {
        ArtifactBuilder {
            db: self.clone(),
            path: path.into(),
            key: None,
            description: None,
            version: None,
            is_new_version_of: None,
            ulabels: None,
            run: RunChoice::Current,
            skip_hash_lookup: false,
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

    /// Hashes the content, puts it in storage and registers it. If the same content is registered
    /// already and not in the trash, the existing artifact is given back, with the description,
    /// labels and run given here.
    ///
    /// # Errors
    /// - `NotFound`, `PermissionDenied` or `Storage` if the content can't be read or copied;
    /// - `Corrupt` or other errors of the format if an AnnData file can't be opened;
    /// - `InvalidInput` if the key is unfit or not that of a file in place, if a version must be
    ///   given, or if something given is of another instance;
    /// - `AlreadyExists` if the version is taken, or another artifact was registered at this place
    ///   with other content;
    /// - `Backend` if the database fails.
    pub async fn save(self) -> Result<Handle<Artifact>> {
        let path = self.path.display().to_string();
        let saved = self.save_content().await;
        saved.map_err(|e| e.operation("save artifact").with("path", path))
    }

    async fn save_content(self) -> Result<Handle<Artifact>> {
        if let Some(key) = &self.key {
            key::check(key)?;
        }
        same_instance(&self.db, self.is_new_version_of.iter())?;
        same_instance(&self.db, self.ulabels.iter().flatten())?;
        let run = self.run.resolve(&self.db)?;
        let path = self.path.clone();
        let content = blocking(move || Content::read(&path)).await?;
        let location = self.locate(&content).await?;
        let mut copied = None;
        let saved = retry!(async {
            self.attempt(&content, &location, run.as_ref(), &mut copied)
                .await
        });
        // A copy that no record came to own: the save failed, or found the content known.
        if let Some(storage_key) = copied
            && !saved
                .as_ref()
                .is_ok_and(|artifact| artifact.storage_key == storage_key)
        {
            blocking(move || {
                place::discard_copy(&location.storage, &storage_key);
                Ok(())
            })
            .await?;
        }
        saved
    }

    async fn locate(&self, content: &Content) -> Result<Location> {
        let storages = self
            .db
            .select::<Storage>(&Query::new(Storage::KIND))
            .await?;
        let Some((storage, key)) = place::locate(&content.path, &storages)? else {
            return Ok(Location {
                storage: self.db.storage().clone(),
                in_place: None,
            });
        };
        match &self.key {
            Some(given) if *given != key => Err(Error::invalid_input(format!(
                "the file is in a storage, where its key is {key:?}; leave the key out or move \
                 the file"
            ))
            .with("key", given)),
            _ => Ok(Location {
                storage: storage.clone(),
                in_place: Some(key),
            }),
        }
    }

    async fn attempt(
        &self,
        content: &Content,
        location: &Location,
        run: Option<&Run>,
        copied: &mut Option<String>,
    ) -> Result<Handle<Artifact>> {
        let mut changes = ChangeSet::new();
        if !self.skip_hash_lookup {
            let known = known::with_hash::<Artifact>(&self.db, &content.hash.hash).await?;
            if let Some(known) = known.into_iter().find(|known| content.is_that_of(known)) {
                return self.update(known, content, location, run, copied).await;
            }
            changes.require_none(Artifact::KIND, content.not_in_trash());
        }
        let base = self.is_new_version_of.as_ref().map(Handle::id);
        let place =
            versioned::place::<Artifact>(&self.db, base, self.version.as_deref(), &mut changes)
                .await?;
        let (otype, n_observations) = self.inspect(content).await?;
        let mut artifact = Artifact {
            uid: place.uid.clone(),
            key: self.key.clone().or_else(|| location.in_place.clone()),
            description: self.description.clone(),
            suffix: key::suffix(&content.file_name).to_owned(),
            otype: otype.map(str::to_owned),
            size: Some(content.size),
            hash: Some(content.hash.hash.clone()),
            hash_type: Some(content.hash.hash_type.as_str().to_owned()),
            n_objects: content.hash.n_objects.and_then(|n| i64::try_from(n).ok()),
            n_observations,
            storage_completed: true,
            version: place.version.clone(),
            run_id: run.and_then(|run| run.id),
            created_by_id: self.db.user().id,
            created_at: now(),
            updated_at: now(),
            ..Artifact::default()
        };
        place.inherit(&mut artifact)?;
        if artifact.key.is_none() && artifact.description.is_none() {
            artifact.key = Some(content.file_name.clone());
        }
        let name = match place.base {
            None => artifact.uid.clone(),
            // The next uid of a family may be taken by another writer at any moment.
            Some(_) => uid::random(Artifact::UID_LENGTH),
        };
        let (storage_id, storage_key) = self
            .put(&name, content, location, copied, &mut changes)
            .await?;
        artifact.storage_id = storage_id;
        artifact.storage_key = storage_key;
        let new = changes.insert(artifact.clone());
        for ulabel in self.labels(place.base.and_then(|base| base.id)).await? {
            changes.link(LinkKind::ArtifactULabel, new, ulabel);
        }
        artifact.id = Some(self.db.backend().apply(&changes).await?.id(new)?);
        Handle::new(&self.db, artifact)
    }

    /// Brings the record of known content up to date, and puts the content in storage again if it
    /// is not there.
    async fn update(
        &self,
        known: Artifact,
        content: &Content,
        location: &Location,
        run: Option<&Run>,
        copied: &mut Option<String>,
    ) -> Result<Handle<Artifact>> {
        tracing::info!(
            uid = known.uid,
            "the content is known; its artifact is given back"
        );
        let mut changes = ChangeSet::new();
        let mut fields = vec![(
            Field::Description,
            self.description.clone().map(Value::from),
        )];
        let known = Handle::new(&self.db, known)?;
        if !known.storage_completed || known.is_missing().await? {
            let name = uid::random(Artifact::UID_LENGTH);
            let (storage, storage_key) = self
                .put(&name, content, location, copied, &mut changes)
                .await?;
            fields.push((Field::Storage, Some(storage.into())));
            fields.push((Field::StorageKey, Some(storage_key.into())));
            fields.push((Field::StorageCompleted, Some(true.into())));
            fields.push((Field::Key, location.in_place.clone().map(Value::from)));
        } else if let Some(key) = self
            .key
            .as_ref()
            .filter(|key| known.key.as_ref() != Some(key))
        {
            tracing::warn!(
                uid = known.uid,
                key,
                "the content is known under another key, which stays"
            );
        }
        let given = Given {
            fields,
            ulabels: &self.given_labels(),
            run,
        };
        known::update(&self.db, known.record(), given, &mut changes).await?;
        if !changes.changes.is_empty() {
            self.db.backend().apply(&changes).await?;
        }
        Handle::new(&self.db, known.fresh().await?)
    }

    /// Puts the content where it belongs, unless an earlier attempt did. Gives the storage and the
    /// place in it.
    async fn put(
        &self,
        name: &str,
        content: &Content,
        location: &Location,
        copied: &mut Option<String>,
        changes: &mut ChangeSet,
    ) -> Result<(Id, String)> {
        let storage = location.storage.clone();
        let storage_id = storage.id.unwrap_or_default();
        if let Some(key) = &location.in_place {
            let here = Filter::eq(Field::Storage, storage_id)
                .and(Filter::eq(Field::StorageKey, key.as_str()));
            let query = Query::new(Artifact::KIND).filter(here.clone());
            if let Some(other) = self.db.select::<Artifact>(&query).await?.first() {
                return Err(Error::new(
                    ErrorKind::AlreadyExists,
                    format!(
                        "the {} was registered at this place with other content; put the new \
                         content elsewhere, or delete the artifact permanently first",
                        other.label()
                    ),
                ));
            }
            changes.require_none(Artifact::KIND, here);
            return Ok((storage_id, key.clone()));
        }
        if let Some(storage_key) = copied {
            return Ok((storage_id, storage_key.clone()));
        }
        let storage_key = place::managed_key(name, key::suffix(&content.file_name));
        let (from, to, size) = (content.path.clone(), storage_key.clone(), content.hash.size);
        blocking(move || place::copy(&from, &storage, &to, size)).await?;
        *copied = Some(storage_key.clone());
        Ok((storage_id, storage_key))
    }

    async fn inspect(&self, content: &Content) -> Result<(Option<&'static str>, Option<i64>)> {
        let (formats, path) = (self.db.formats().clone(), content.path.clone());
        let suffix = key::suffix(&content.file_name).to_lowercase();
        blocking(move || inspect(&formats, &path, &suffix)).await
    }

    fn given_labels(&self) -> Vec<Id> {
        self.ulabels.iter().flatten().map(Handle::id).collect()
    }

    /// The labels given, or those of the old version.
    async fn labels(&self, base: Option<Id>) -> Result<Vec<Id>> {
        match (&self.ulabels, base) {
            (None, Some(base)) => self.db.linked(LinkKind::ArtifactULabel, base).await,
            _ => Ok(self.given_labels()),
        }
    }
}

/// Refuses records of other instances.
pub(super) fn same_instance<'a, R: Registry>(
    db: &Instance,
    handles: impl IntoIterator<Item = &'a Handle<R>>,
) -> Result<()> {
    let other = handles
        .into_iter()
        .find(|handle| !handle.instance().same_as(db));
    other.map_or(Ok(()), |other| {
        Err(
            Error::invalid_input(format!("the {} is of another instance", R::KIND))
                .with("uid", other.uid()),
        )
    })
}

impl Content {
    fn read(path: &Path) -> Result<Self> {
        let path = path
            .canonicalize()
            .map_err(|e| Error::io(path.display(), e))?;
        let name = path.file_name().and_then(|name| name.to_str());
        let file_name = name.map(str::to_owned).ok_or_else(|| {
            Error::invalid_input("the name is no UTF-8; rename it").with("path", path.display())
        })?;
        let hash = hash::hash_path(&path)?;
        let size = i64::try_from(hash.size)
            .map_err(|_| Error::invalid_input("this is larger than a database can note"))?;
        Ok(Self {
            path,
            file_name,
            hash,
            size,
        })
    }

    fn is_that_of(&self, artifact: &Artifact) -> bool {
        artifact.hash_type.as_deref() == Some(self.hash.hash_type.as_str())
            && artifact.size == Some(self.size)
    }

    fn not_in_trash(&self) -> Filter {
        Filter::eq(Field::Hash, self.hash.hash.as_str())
            .and(Filter::eq(Field::HashType, self.hash.hash_type.as_str()))
            .and(Filter::eq(Field::Size, self.size))
            .and(Filter::ne(Field::Visibility, Visibility::Trash))
    }
}

/// The type of object, by suffix, and the number of observations of an AnnData.
fn inspect(
    formats: &StoreFormats,
    path: &Path,
    suffix: &str,
) -> Result<(Option<&'static str>, Option<i64>)> {
    const TABLES: [&str; 7] = [
        ".parquet", ".csv", ".tsv", ".csv.gz", ".tsv.gz", ".ipc", ".feather",
    ];
    const ANNDATA: &str = "AnnData";
    if TABLES.contains(&suffix) {
        return Ok((Some("DataFrame"), None));
    }
    let by_suffix = (suffix == ".h5ad").then_some(ANNDATA);
    let Ok(format) = formats.for_path(path) else {
        return Ok((by_suffix, None));
    };
    match BackedAnnData::open(format.open(path)?) {
        Ok(adata) => Ok((Some(ANNDATA), i64::try_from(adata.n_obs()).ok())),
        // Other data in the same format, or encodings that only other readers know.
        Err(error) if [ErrorKind::InvalidInput, ErrorKind::Unsupported].contains(&error.kind()) => {
            tracing::warn!(path = %path.display(), %error, "the number of observations is unknown");
            Ok((by_suffix, None))
        }
        Err(error) => Err(error),
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
    /// storage; `Unsupported` if the storage is not local; `Backend` if the database fails.
    pub async fn path(&self) -> Result<PathBuf> {
        let storage = self.storage().await?.record().clone();
        let storage_key = self.storage_key.clone();
        blocking(move || place::resolve(&storage, &storage_key))
            .await
            .map_err(|e| e.with("uid", self.uid()))
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
        match self.path().await {
            Ok(_) => Ok(false),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }
}
