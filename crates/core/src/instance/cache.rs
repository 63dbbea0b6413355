//! Local copies of artifacts: what is at URLs is brought into the cache, what is here stays where
//! it is.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};

use super::handle::Handle;
use super::lineage::RunChoice;
use super::retry::blocking;
use super::{Instance, place};
use crate::backend::Query;
use crate::error::{Error, ErrorKind, Result};
use crate::record::{Artifact, Collection, Id, Kind, Storage};
use crate::registry::Data;
use crate::registry::hash::HashType;
use crate::storage::{
    CacheRequest, ObjectReader, ObjectStorage, RemoteContent, Seen, StreamOptions,
};

/// How many artifacts are moved at the same time.
const AT_ONCE: usize = 4;

/// How many artifacts are looked at at the same time.
const LOOKS_AT_ONCE: usize = 32;

/// How far it is with bringing artifacts here.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct CacheProgress<'a> {
    /// The artifact that is being moved.
    pub artifact: &'a Artifact,
    /// How many of its bytes are here.
    pub bytes: u64,
    /// How many bytes it has.
    pub size: u64,
    /// How many bytes are here of all artifacts that have to be moved.
    pub total_bytes: u64,
    /// How many bytes these have.
    pub total_size: u64,
}

type Progress = Arc<dyn Fn(&CacheProgress<'_>) + Send + Sync>;

/// An artifact, or all artifacts of a collection, about to be brought here.
#[derive(Clone)]
#[must_use = "nothing is moved before path or paths is called"]
pub struct CacheBuilder<R: Data> {
    data: Handle<R>,
    is_run_input: RunChoice,
    progress: Progress,
}

impl<R: Data> fmt::Debug for CacheBuilder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBuilder")
            .field("uid", &self.data.uid())
            .field("is_run_input", &self.is_run_input)
            .finish_non_exhaustive()
    }
}

impl<R: Data> Handle<R> {
    /// Starts to bring the content here. What is at a URL is copied into the cache, unless the
    /// copy is there already and of the same content as far as the storage tells; an interrupted
    /// copy goes on where it stopped. What is in a local storage stays where it is.
    pub fn cache(&self) -> CacheBuilder<R> {
        CacheBuilder {
            data: self.clone(),
            is_run_input: RunChoice::Current,
            progress: Arc::new(|_| {}),
        }
    }

    /// The same as [`Handle::cache`].
    pub fn stage(&self) -> CacheBuilder<R> {
        self.cache()
    }
}

impl<R: Data> CacheBuilder<R> {
    /// Whether it becomes an input of a run: of the current one if there is one, of none for
    /// `false`, of the current one or an error for `true`, or of the run given.
    pub fn is_run_input(mut self, is_run_input: impl Into<RunChoice>) -> Self {
        self.is_run_input = is_run_input.into();
        self
    }

    /// Is told how far it is, from several threads.
    pub fn progress(
        mut self,
        progress: impl Fn(&CacheProgress<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.progress = Arc::new(progress);
        self
    }

    async fn get(self, artifacts: Vec<Handle<Artifact>>) -> Result<Vec<PathBuf>> {
        let db = self.data.instance().clone();
        // Asked before anything is moved, which takes longer.
        self.is_run_input.resolve(&db)?;
        let paths = local_paths(&db, &artifacts, &*self.progress).await?;
        self.data.track_input(self.is_run_input).await?;
        Ok(paths)
    }
}

impl CacheBuilder<Artifact> {
    /// The local path.
    ///
    /// # Errors
    /// - `NotFound` if the artifact is not in its storage any more;
    /// - `Storage` if its content is not what was registered, if the storage fails or does not
    ///   answer in time, or if the disk is full;
    /// - `PermissionDenied` if the storage or the cache refuses;
    /// - `InvalidInput` if the limit of the cache leaves no room, or if it must be an input but no
    ///   run is going on;
    /// - `Unsupported` if this build can't open its storage; `Backend` if the database fails.
    pub async fn path(self) -> Result<PathBuf> {
        let artifacts = vec![self.data.clone()];
        let paths = self.get(artifacts).await;
        let path = paths.map(|mut paths| paths.pop());
        let path = path.map_err(|e| e.operation("cache artifact"))?;
        path.ok_or_else(|| Error::not_found("the artifact has no path"))
    }
}

impl CacheBuilder<Collection> {
    /// The local paths of the artifacts, in their order.
    ///
    /// # Errors
    /// As for one artifact, for the first one that fails.
    pub async fn paths(self) -> Result<Vec<PathBuf>> {
        let uid = self.data.uid.clone();
        let paths = async {
            let artifacts = self.data.artifacts().await?;
            self.get(artifacts).await
        };
        let paths = paths.await;
        paths.map_err(|e| e.operation("cache collection").with("collection", uid))
    }
}

/// An artifact and what to do with it.
enum Plan {
    Here(PathBuf),
    Move(Arc<dyn ObjectStorage>, CacheRequest),
}

/// Where an artifact is read.
#[derive(Debug)]
pub(super) enum Place {
    Local(PathBuf),
    Remote(RemoteContent),
}

/// Where each artifact is read if nothing is moved: on this machine if it is here, by a server if
/// not.
pub(super) async fn places(
    db: &Instance,
    artifacts: &[Handle<Artifact>],
    options: StreamOptions,
) -> Result<Vec<Place>> {
    let mut readers: HashMap<Id, Arc<ObjectReader>> = HashMap::new();
    let plans = plans(db, artifacts).await?;
    let places = artifacts
        .iter()
        .zip(plans)
        .map(|(artifact, plan)| match plan {
            Plan::Here(path) => Place::Local(path),
            Plan::Move(storage, request) => {
                // One for all of a storage, so that its limit is for all of them together.
                let reader = readers
                    .entry(artifact.storage_id)
                    .or_insert_with(|| Arc::new(ObjectReader::new(storage, options)))
                    .clone();
                let is_directory = request.directory.is_some();
                let key = &artifact.storage_key;
                Place::Remote(RemoteContent::new(
                    reader,
                    key,
                    request.objects,
                    is_directory,
                ))
            }
        });
    Ok(places.collect())
}

/// The local path of each artifact; what is at URLs is brought here first.
pub(super) async fn local_paths(
    db: &Instance,
    artifacts: &[Handle<Artifact>],
    progress: &(dyn Fn(&CacheProgress<'_>) + Send + Sync),
) -> Result<Vec<PathBuf>> {
    let plans = plans(db, artifacts).await?;
    let sizes = plans.iter().map(|plan| match plan {
        Plan::Here(_) => 0,
        Plan::Move(_, request) => request.size(),
    });
    let (total_size, total_bytes) = (sizes.sum(), AtomicI64::new(0));
    let total_bytes = &total_bytes;
    let moves = artifacts.iter().zip(plans).map(|(artifact, plan)| {
        let total = (total_bytes, total_size);
        async move {
            let moved = match plan {
                Plan::Here(path) => return Ok(path),
                Plan::Move(storage, request) => {
                    fetch(db, artifact, storage.as_ref(), &request, total, progress).await
                }
            };
            moved.map_err(|e| e.with("uid", &artifact.uid))
        }
        .boxed()
    });
    let moves = stream::iter(moves.collect::<Vec<_>>()).buffered(AT_ONCE);
    moves.try_collect().await
}

/// Looks where all artifacts are, and whether they are what was registered.
async fn plans(db: &Instance, artifacts: &[Handle<Artifact>]) -> Result<Vec<Plan>> {
    let storages = db.select::<Storage>(&Query::new(Kind::Storage)).await?;
    let storages: HashMap<_, _> = storages.into_iter().map(|s| (s.id, s)).collect();
    let local = local_ones(artifacts, &storages).await?;
    let plans = artifacts.iter().zip(local).map(|(artifact, local)| {
        let storage = storages.get(&Some(artifact.storage_id));
        async move {
            let plan = match local {
                Some(path) => Ok(Plan::Here(path)),
                None => plan(db, artifact, storage).await,
            };
            plan.map_err(|e| e.with("uid", &artifact.uid))
        }
        .boxed()
    });
    let plans = stream::iter(plans.collect::<Vec<_>>()).buffered(LOOKS_AT_ONCE);
    plans.try_collect().await
}

/// Brings one artifact here. `total` is how many bytes are here of all, and how many all have.
async fn fetch(
    db: &Instance,
    artifact: &Artifact,
    storage: &dyn ObjectStorage,
    request: &CacheRequest,
    (total_bytes, total_size): (&AtomicI64, u64),
    progress: &(dyn Fn(&CacheProgress<'_>) + Send + Sync),
) -> Result<PathBuf> {
    let bytes = AtomicI64::new(0);
    let add = |number: &AtomicI64, more: i64| {
        u64::try_from(number.fetch_add(more, Ordering::Relaxed) + more).unwrap_or(0)
    };
    let tell = |more: i64| {
        progress(&CacheProgress {
            artifact,
            bytes: add(&bytes, more),
            size: request.size(),
            total_bytes: add(total_bytes, more),
            total_size,
        });
    };
    db.cache().fetch(storage, request, &tell).await
}

/// The paths of those that are in local storages.
async fn local_ones(
    artifacts: &[Handle<Artifact>],
    storages: &HashMap<Option<Id>, Storage>,
) -> Result<Vec<Option<PathBuf>>> {
    let mut places = Vec::with_capacity(artifacts.len());
    for artifact in artifacts {
        let storage = storages.get(&Some(artifact.storage_id));
        let storage = storage.ok_or_else(|| {
            Error::not_found("the storage of the artifact is gone").with("uid", &artifact.uid)
        })?;
        let is_local = storage.type_ == place::LOCAL;
        let storage_key = artifact.storage_key.clone();
        places.push(is_local.then(|| (storage.clone(), storage_key, artifact.uid.clone())));
    }
    blocking(move || {
        let resolve = |place: Option<(Storage, String, String)>| {
            let Some((storage, storage_key, uid)) = place else {
                return Ok(None);
            };
            let path = place::resolve(&storage, &storage_key);
            path.map(Some).map_err(|e| e.with("uid", uid))
        };
        places.into_iter().map(resolve).collect()
    })
    .await
}

/// Looks whether the copy in the cache is of what is in the storage now.
async fn plan(db: &Instance, artifact: &Artifact, storage: Option<&Storage>) -> Result<Plan> {
    let gone = || Error::not_found("the storage of the artifact is gone");
    let objects = db
        .object_storage(storage.ok_or_else(gone)?)?
        .ok_or_else(gone)?;
    let was_directory = artifact.n_objects.is_some();
    let seen = Seen::look_again(objects.as_ref(), &artifact.storage_key, was_directory).await;
    let seen = match seen {
        Ok(seen) => seen,
        Err(error) if error.kind() == ErrorKind::Storage => {
            // A copy with the hash that was registered is right, whatever the storage does.
            let hash = artifact.hash.as_deref().unwrap_or_default();
            let copy = db.cache().get_by_hash(&artifact.uid, hash).await?;
            let Some(path) = copy else {
                return Err(error);
            };
            tracing::warn!(uid = artifact.uid, %error, "the storage fails; the copy here is used");
            return Ok(Plan::Here(path));
        }
        Err(error) => return Err(error),
    };
    let registered = artifact.size.and_then(|size| u64::try_from(size).ok());
    if seen.is_directory != was_directory || registered.is_some_and(|size| size != seen.size()) {
        return Err(Error::new(
            ErrorKind::Storage,
            "the content is not the one that was registered; put that one back, or register the \
             new content elsewhere",
        )
        .with("storage", objects.location())
        .with("object", &artifact.storage_key));
    }
    let file_name = artifact.storage_key.rsplit('/').next().unwrap_or_default();
    let hash_type = artifact.hash_type.as_deref().and_then(HashType::parse);
    let request = CacheRequest {
        name: artifact.uid.clone(),
        file_name: file_name.to_owned(),
        directory: seen.is_directory.then(|| artifact.storage_key.clone()),
        objects: seen.objects,
        hash: artifact.hash.clone().zip(hash_type),
    };
    match db.cache().get(&request).await? {
        Some(path) => Ok(Plan::Here(path)),
        None => Ok(Plan::Move(objects, request)),
    }
}
