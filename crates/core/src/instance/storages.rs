//! The storages of an instance: finding their records, and opening those that are at URLs.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::handle::Handle;
use super::retry::{blocking, retry};
use super::{Instance, Settings, ensure, insert, place, select, with_value};
use crate::backend::{Backend, ChangeSet, Filter, Moved, Query};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{Field, Id, Kind, Storage, now};
use crate::registry::uid;
use crate::storage::{ObjectStorage, StorageDrivers, StorageUrl};

/// The storages at URLs that were opened. Each keeps connections to its server.
#[derive(Debug)]
pub(super) struct Storages {
    drivers: StorageDrivers,
    open: Mutex<HashMap<String, Arc<dyn ObjectStorage>>>,
}

impl Storages {
    pub(super) fn new(drivers: StorageDrivers) -> Self {
        Self {
            drivers,
            open: Mutex::default(),
        }
    }

    /// The storage with this root.
    pub(super) fn open(&self, root: &StorageUrl) -> Result<Arc<dyn ObjectStorage>> {
        let name = root.to_string();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(storage) = open.get(&name) {
            return Ok(storage.clone());
        }
        let storage = self.drivers.open(root)?;
        open.insert(name, storage.clone());
        Ok(storage)
    }
}

impl Instance {
    /// Opens a storage; `None` if it is a local directory.
    pub(super) fn object_storage(
        &self,
        storage: &Storage,
    ) -> Result<Option<Arc<dyn ObjectStorage>>> {
        if storage.type_ == place::LOCAL {
            return Ok(None);
        }
        let root = StorageUrl::parse(&storage.root).map_err(|e| {
            Error::unsupported("the storage is at no place that this build can open")
                .with("storage", &storage.uid)
                .source_error(e)
        })?;
        self.0.storages.open(&root).map(Some)
    }

    /// Opens the bucket or host that a URL is in.
    ///
    /// # Errors
    /// `Unsupported` if this build can't.
    pub(super) fn object_storage_of(&self, url: &StorageUrl) -> Result<Arc<dyn ObjectStorage>> {
        self.0.storages.open(&url.root())
    }

    /// Makes a directory, or a URL such as `s3://bucket/cells`, a storage: artifacts in it are
    /// registered in place.
    ///
    /// # Errors
    /// `NotFound` if there is no such directory, `InvalidInput` if its path is not UTF-8 or the URL
    /// can't be understood, `Unsupported` if this build can't open the URL, `Backend` if the
    /// database fails.
    pub async fn add_storage(&self, root: impl Into<PathBuf>) -> Result<Handle<Storage>> {
        let root = root.into();
        if let Some(url) = root.to_str().filter(|root| StorageUrl::is_one(root)) {
            let url = StorageUrl::parse(url).map_err(|e| e.operation("add storage"))?;
            // So that nobody adds what nobody can open.
            let opened = self.0.storages.open(&url);
            opened.map_err(|e| e.operation("add storage"))?;
            let storage = self.ensure_url_storage(&url).await?;
            return Handle::new(self, storage);
        }
        let root = blocking(move || place::canonical_root(&root)).await?;
        let backend = self.0.backend.as_ref();
        let template = new_storage(&root, place::LOCAL, self.0.user.id);
        let storage = ensure_storage(backend, template, false).await?;
        Handle::new(self, storage)
    }

    /// The storage with this root, which is made one if it is not.
    pub(super) async fn ensure_url_storage(&self, root: &StorageUrl) -> Result<Storage> {
        let template = new_storage(&root.to_string(), root.scheme(), self.0.user.id);
        ensure_storage(self.0.backend.as_ref(), template, false).await
    }
}

/// A storage that has neither a record nor a uid yet.
pub(super) fn new_storage(root: &str, type_: &str, user: Option<Id>) -> Storage {
    Storage {
        root: root.to_owned(),
        type_: type_.to_owned(),
        created_by_id: user,
        created_at: now(),
        updated_at: now(),
        ..Storage::default()
    }
}

/// The storage with the root of the template, which is made from it if there is none. `is_first`
/// demands that no other one was there before, also none that somebody makes at the same time.
pub(super) async fn ensure_storage(
    backend: &dyn Backend,
    template: Storage,
    is_first: bool,
) -> Result<Storage> {
    retry!(async {
        let root = &template.root;
        let template = Storage {
            uid: uid::random(Kind::Storage.uid_length()),
            ..template.clone()
        };
        if !is_first {
            return ensure(backend, Field::Root, root, template).await;
        }
        let first = Query::new(Kind::Storage).limit(1);
        match select::<Storage>(backend, &first).await?.pop() {
            Some(first) if first.root == *root => Ok(first),
            Some(first) => Err(Error::invalid_input(
                "the instance was made with another storage meanwhile; leave the storage out",
            )
            .with("storage", &first.root)),
            None => {
                let mut changes = ChangeSet::new();
                changes.require_none(Kind::Storage, Filter::everything());
                insert(backend, changes, template).await
            }
        }
    })
}

/// The default storage of an instance that can only be read, and the database with it where it is
/// now: the directory may be mounted elsewhere than where it was written.
pub(super) async fn storage_to_read(
    backend: Arc<dyn Backend>,
    settings: &Settings,
) -> Result<(Arc<dyn Backend>, Storage)> {
    let root = match settings.drivers.writable(&settings.storage_root)? {
        Some((url, _)) => url.to_string(),
        None => {
            let root = settings.storage_root.clone();
            blocking(move || place::canonical_root(&root)).await?
        }
    };
    let known = match &settings.storage_uid {
        Some(uid) => with_value::<Storage>(backend.as_ref(), Field::Uid, uid).await?,
        None => None,
    };
    let known = match known {
        Some(storage) => Some(storage),
        None => with_value(backend.as_ref(), Field::Root, &root).await?,
    };
    let Some(mut storage) = known else {
        return Err(Error::new(
            ErrorKind::PermissionDenied,
            "the default storage has no record, and the database can only be read here: open the \
             instance once where it can be written",
        )
        .with("storage", root));
    };
    if storage.root == root {
        return Ok((backend, storage));
    }
    storage.root.clone_from(&root);
    let moved = Moved::new(backend, storage.uid.clone(), root);
    Ok((Arc::new(moved), storage))
}

/// Notes where the directory of a storage is now.
pub(super) async fn follow_storage(backend: &dyn Backend, uid: &str, root: &str) -> Result<()> {
    let moved = Filter::eq(Field::Uid, uid).and(Filter::ne(Field::Root, root));
    let query = Query::new(Kind::Storage).filter(moved);
    let Some(storage) = select::<Storage>(backend, &query).await?.pop() else {
        return Ok(());
    };
    tracing::info!(from = storage.root, to = root, "the storage was moved");
    let mut changes = ChangeSet::new();
    let set = vec![(Field::Root, root.into()), (Field::UpdatedAt, now().into())];
    changes.update(Kind::Storage, storage.id.unwrap_or_default(), set);
    let applied = backend.apply(&changes).await;
    applied.map(|_| ()).map_err(|e| {
        e.operation("follow a moved storage")
            .with("from", &storage.root)
            .with("path", root)
    })
}
