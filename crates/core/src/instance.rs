//! The operations of an instance: a database, a default storage, a user, and maybe a run that is
//! going on.
//!
//! Every operation reads what it needs, works out one change set with the preconditions that it
//! relied on, and applies it. If another writer was faster it starts over, so that the rules hold
//! on every database without locks held across calls.
//!
//! ```
//! # use std::sync::Arc;
//! use anndex_core::backend::memory::MemoryBackend;
//! use anndex_core::instance::{Instance, Settings};
//! use anndex_core::storage::StorageDrivers;
//! use anndex_core::store::StoreFormats;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> anndex_core::Result<()> {
//! # let directory = tempfile::tempdir().expect("a temporary directory");
//! # let path = directory.path().join("donors.csv");
//! # std::fs::write(&path, "donor,age\n1,42\n").expect("a file");
//! let settings = Settings {
//!     storage_root: directory.path().join("cells"),
//!     storage_uid: None,
//!     former_registry_ids: Vec::new(),
//!     cache_dir: directory.path().join("cache"),
//!     user_handle: "ada".to_owned(),
//!     user_name: None,
//!     formats: StoreFormats::new(),
//!     drivers: StorageDrivers::new(),
//! };
//! let db = Instance::new(Arc::new(MemoryBackend::new()), settings).await?;
//! let a = db.artifact(&path).description("donors").save().await?;
//! let c = db.collection([a]).name("My collection").version("1").save().await?;
//! assert_eq!(db.collections().get_by_name("My collection").await?.uid, c.uid);
//! assert_eq!(c.artifacts().await?.len(), 1);
//! # Ok(())
//! # }
//! ```

mod artifact;
mod cache;
mod check;
mod collection;
mod creation;
mod data;
mod delete;
mod describe;
mod features;
mod handle;
mod identity;
mod known;
mod lineage;
mod load;
mod mapped;
mod namesake;
mod place;
mod prepare;
mod query_set;
mod relations;
mod release;
mod retry;
mod storages;
mod texts;
mod transfer;
mod unique;
mod versioned;
mod view_lineage;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

pub use artifact::ArtifactBuilder;
pub use cache::{CacheBuilder, CacheProgress};
pub use check::{CheckBuilder, CheckReport, Finding, Problem};
pub use collection::CollectionBuilder;
pub use creation::{RunBuilder, TransformBuilder, ULabelBuilder};
pub use handle::Handle;
pub use lineage::RunChoice;
pub use load::LoadBuilder;
pub use mapped::{LocatedCollection, MappedBuilder};
pub use prepare::{PrepareBuilder, PreparedCollection};
pub use query_set::{IdLike, QuerySet, RecordStream};
pub use transfer::{ImportBuilder, ImportReport, LeftOut, RecordSource, SourcePage};
pub use view_lineage::LineageBuilder;

use self::identity::{announce, identify};
use self::place::registries::Identity;
use self::retry::{blocking, retry};
use self::storages::{Storages, ensure_storage, follow_storage, new_storage, storage_to_read};
use self::texts::{check_name, check_texts};
use self::unique::{ensure, insert, with_value};
use crate::backend::{Backend, LinkQuery, Query};
use crate::error::{Error, Result};
use crate::record::{
    Artifact, Collection, FeatureSet, Field, Id, LinkKind, RecordData, Run, Storage, Transform,
    ULabel, User, now,
};
use crate::registry::{Registry, uid};
use crate::storage::{Cache, StorageDrivers};
use crate::store::StoreFormats;

/// What an instance needs besides its database.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The directory of the default storage, which is made if it does not exist, or its URL, such
    /// as `s3://bucket/cells`.
    pub storage_root: PathBuf,
    /// The uid of the default storage as it was when the instance was opened before, where that is
    /// known: then its directory may have been moved meanwhile, and its record follows. `None`
    /// means the storage whose record has this very directory.
    pub storage_uid: Option<String>,
    /// The ids that the registry had before (see [`Instance::registry_id`]), if its default storage
    /// is in the directory that it is in itself, and so is only ever moved and copied with it: then
    /// the copies that it made under these ids are its own, too. Else nothing.
    pub former_registry_ids: Vec<String>,
    /// The directory of the local cache; it is made when something is cached.
    pub cache_dir: PathBuf,
    /// The handle of the user who works with the instance, such as a login name.
    pub user_handle: String,
    /// The user's full name, kept when the user is new to the instance.
    pub user_name: Option<String>,
    /// The formats that AnnData files are opened with.
    pub formats: StoreFormats,
    /// The drivers that storages at URLs are opened with.
    pub drivers: StorageDrivers,
}

/// An open instance. Clones are cheap and share everything, the current run too.
#[derive(Debug, Clone)]
pub struct Instance(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    backend: Arc<dyn Backend>,
    formats: StoreFormats,
    storages: Storages,
    storage: Storage,
    identity: Identity,
    cache_dir: PathBuf,
    cache: Cache,
    user: User,
    run: RwLock<Option<Run>>,
}

impl Instance {
    /// Opens an instance on a backend, and makes the records of its user and its default storage
    /// if they are not there. On one that can only be read nothing is made: then the user need not
    /// have a record.
    ///
    /// # Errors
    /// `PermissionDenied` or `Storage` if the storage directory can't be made; `InvalidInput` if
    /// its path is not UTF-8, its URL can't be understood or is for reading only, or the user has
    /// no handle; `Unsupported` if this build can't open the URL; `Backend` if the database fails.
    pub async fn new(backend: Arc<dyn Backend>, settings: Settings) -> Result<Self> {
        Self::open(backend, settings, false).await
    }

    /// As [`Instance::new`], for an instance that is made: its default storage is the first of all
    /// its storages, also if others make it at the same time.
    ///
    /// # Errors
    /// `InvalidInput` if another storage is the first one; else as [`Instance::new`].
    pub async fn make(backend: Arc<dyn Backend>, settings: Settings) -> Result<Self> {
        Self::open(backend, settings, true).await
    }

    async fn open(backend: Arc<dyn Backend>, settings: Settings, is_first: bool) -> Result<Self> {
        let handle = settings.user_handle.trim().to_owned();
        if handle.is_empty() {
            return Err(Error::invalid_input("the user has no handle; give one"));
        }
        let new_user = || User {
            uid: uid::random(User::UID_LENGTH),
            handle: handle.clone(),
            name: settings.user_name.clone(),
            created_at: now(),
            updated_at: now(),
            ..User::default()
        };
        if backend.capabilities().read_only {
            let known = with_value(backend.as_ref(), Field::Handle, &handle).await?;
            let user = known.unwrap_or_else(new_user);
            let (backend, storage) = storage_to_read(backend, &settings).await?;
            // Nothing can be removed, so nobody has to know of it.
            let identity = identify(backend.as_ref(), &settings).await?;
            return Ok(Self::opened(backend, identity, settings, user, storage));
        }
        let user =
            retry!(async { ensure(backend.as_ref(), Field::Handle, &handle, new_user()).await })?;
        let storage = match settings.drivers.writable(&settings.storage_root)? {
            Some((url, _)) => {
                let template = new_storage(&url.to_string(), url.scheme(), user.id);
                ensure_storage(backend.as_ref(), template, is_first).await?
            }
            None => {
                let root = settings.storage_root.clone();
                let root = blocking(move || {
                    std::fs::create_dir_all(&root).map_err(|e| Error::io(root.display(), e))?;
                    place::canonical_root(&root)
                })
                .await?;
                if let Some(uid) = &settings.storage_uid {
                    follow_storage(backend.as_ref(), uid, &root).await?;
                }
                let template = new_storage(&root, place::LOCAL, user.id);
                ensure_storage(backend.as_ref(), template, is_first).await?
            }
        };
        let identity = identify(backend.as_ref(), &settings).await?;
        announce(backend.as_ref(), &storage, &identity).await?;
        Ok(Self::opened(backend, identity, settings, user, storage))
    }

    fn opened(
        backend: Arc<dyn Backend>,
        identity: Identity,
        settings: Settings,
        user: User,
        storage: Storage,
    ) -> Self {
        Self(Arc::new(Inner {
            backend,
            identity,
            formats: settings.formats,
            storages: Storages::new(settings.drivers),
            storage,
            cache: Cache::new(settings.cache_dir.join("artifacts")),
            cache_dir: settings.cache_dir,
            user,
            run: RwLock::new(None),
        }))
    }

    /// The database.
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.0.backend
    }

    /// The formats that AnnData files are opened with.
    pub fn formats(&self) -> &StoreFormats {
        &self.0.formats
    }

    /// The user who works with this instance, as of when it was opened.
    pub fn user(&self) -> &User {
        &self.0.user
    }

    /// The default storage.
    pub fn storage(&self) -> &Storage {
        &self.0.storage
    }

    /// The directory of the default storage, or its URL.
    pub fn storage_root(&self) -> &Path {
        Path::new(&self.0.storage.root)
    }

    /// The id of the registry: 12 letters and digits, the same as long as its database stays where
    /// it is. A copy of the database, a backup that was put back, and one that was moved to another
    /// disk have another one. It names the directory of the copies that this registry makes in a
    /// storage, and nothing that another one made there is ever removed.
    pub fn registry_id(&self) -> &str {
        &self.0.identity.id
    }

    fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// The directory of the local cache, which may not exist yet.
    pub fn cache_dir(&self) -> &Path {
        &self.0.cache_dir
    }

    /// Where the journals of uploads are.
    fn uploads(&self) -> PathBuf {
        self.0.cache_dir.join("uploads")
    }

    /// A record that was read from this instance before, maybe while it was open another time.
    ///
    /// # Errors
    /// `InvalidInput` if the record was never saved.
    pub fn attach<R: Registry>(&self, record: R) -> Result<Handle<R>> {
        match record.id() {
            Some(_) => Handle::new(self, record),
            None => Err(Error::invalid_input(format!(
                "the {} is not saved",
                R::KIND
            ))),
        }
    }

    /// All records of a kind.
    pub fn records<R: Registry>(&self) -> QuerySet<R> {
        QuerySet::new(self)
    }

    /// All users.
    pub fn users(&self) -> QuerySet<User> {
        self.records()
    }

    /// All storages.
    pub fn storages(&self) -> QuerySet<Storage> {
        self.records()
    }

    /// All transforms.
    pub fn transforms(&self) -> QuerySet<Transform> {
        self.records()
    }

    /// All runs.
    pub fn runs(&self) -> QuerySet<Run> {
        self.records()
    }

    /// All artifacts.
    pub fn artifacts(&self) -> QuerySet<Artifact> {
        self.records()
    }

    /// All collections.
    pub fn collections(&self) -> QuerySet<Collection> {
        self.records()
    }

    /// All labels.
    pub fn ulabels(&self) -> QuerySet<ULabel> {
        self.records()
    }

    /// All feature sets.
    pub fn feature_sets(&self) -> QuerySet<FeatureSet> {
        self.records()
    }

    /// The local copies of artifacts at URLs. They are in the directory of the cache, where what
    /// else is kept there does not count.
    pub fn cache(&self) -> &Cache {
        &self.0.cache
    }

    /// Closes the database. Other clones of the instance can't use it any more either.
    ///
    /// # Errors
    /// `Backend` if closing fails.
    pub async fn close(&self) -> Result<()> {
        self.0.backend.close().await
    }

    fn same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn current(&self) -> Option<Run> {
        let run = self.0.run.read().unwrap_or_else(PoisonError::into_inner);
        run.clone()
    }

    fn set_current(&self, run: Option<Run>) {
        *self.0.run.write().unwrap_or_else(PoisonError::into_inner) = run;
    }

    /// The ids of the targets of a record's links.
    async fn linked(&self, link: LinkKind, source: Id) -> Result<Vec<Id>> {
        let links = self
            .backend()
            .links(&LinkQuery::of_source(link, source))
            .await?;
        Ok(links.into_iter().map(|link| link.target).collect())
    }

    async fn select<R: RecordData>(&self, query: &Query) -> Result<Vec<R>> {
        select(self.0.backend.as_ref(), query).await
    }
}

async fn select<R: RecordData>(backend: &dyn Backend, query: &Query) -> Result<Vec<R>> {
    let records = backend.select(query).await?;
    records.into_iter().map(R::from_record).collect()
}

#[cfg(test)]
mod tests;
