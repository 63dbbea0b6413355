//! Removing the copy of a record that is gone: only if this very registry made it, and nobody else
//! needs it.
//!
//! What may not be removed stays, and why is said once. The rules are:
//!
//! - The copy is in the directory of this registry (see `place::copies`), so this one made it. What
//!   records from other instances lead to, or those of a registry that was copied, is not.
//! - No other record of this registry leads to it.
//! - No registry of the same origin is known in the storage (see `place::registries`): that is a
//!   copy of this one, which has the records that this one has.
//! - No record leads to it that `place::held` knows: one of another registry, or one that reaches it
//!   through a link. Else it stays marked, and a repair removes it once that is over.

use super::Instance;
use super::artifact::upload;
use super::place::copies::{self, Copies};
use super::place::registries::{self, Writing};
use super::place::{self, held};
use super::retry::blocking;
use crate::backend::{Filter, Query};
use crate::error::{ErrorKind, Result};
use crate::record::{Artifact, Field, Kind, Storage};
use crate::registry::Registry;

/// Why a copy stays.
const MADE_BY_ANOTHER: &str = "this registry did not make it: the record came from another \
     instance, or the registry is a copy of one that did";
const OF_EARLIER_VERSION: &str = "nothing says which registry made it";

impl Instance {
    /// The copies of this registry in a storage.
    pub(super) fn copies(&self, storage: &Storage) -> Copies {
        Copies::new(storage, &self.identity().id)
    }

    /// The copies at a place, if they are this registry's own.
    pub(super) fn own_copies(&self, storage: &Storage, storage_key: &str) -> Option<Copies> {
        let maker = copies::maker(storage_key)?;
        let identity = self.identity();
        // What a former id says is true of the directory that was moved or copied with the registry.
        let is_former =
            storage.id == self.storage().id && identity.former.iter().any(|former| former == maker);
        (maker == identity.id || is_former).then(|| Copies::new(storage, maker))
    }

    /// Says that the copy of an artifact is about to be removed, if this registry may remove it.
    /// Nobody cleans up as long as what is given back lives.
    ///
    /// # Errors
    /// `PermissionDenied` or `Storage` if the storage can't be written.
    pub(super) async fn begin_removal(
        &self,
        storage: &Storage,
        storage_key: &str,
    ) -> Result<Option<Writing>> {
        let Some(own) = self.own_copies(storage, storage_key) else {
            return Ok(None);
        };
        if storage.type_ != place::LOCAL {
            return Ok(None);
        }
        let (storage, identity) = (storage.clone(), self.identity().clone());
        let storage_key = storage_key.to_owned();
        blocking(move || {
            let writing = match registries::begin(&storage, &identity) {
                // The disk is not there. What was on it stays.
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                writing => writing?,
            };
            if let Some(name) = own.name(&storage_key) {
                own.begin_removal(name)?;
            }
            Ok(Some(writing))
        })
        .await
    }

    /// Takes back what [`Instance::begin_removal`] said, as the record stays.
    pub(super) async fn keep(&self, storage: &Storage, storage_key: &str) {
        let Some(own) = self.own_copies(storage, storage_key) else {
            return;
        };
        let storage_key = storage_key.to_owned();
        let settled = blocking(move || own.name(&storage_key).map_or(Ok(()), |n| own.settle(n)));
        if let Err(error) = settled.await {
            tracing::warn!(%error, "what was noted of a copy could not be removed");
        }
    }

    /// Removes the copy at a place that a record had which is gone. Gives back why it stays, if it
    /// does.
    ///
    /// # Errors
    /// `Backend` if the database fails; `PermissionDenied` or `Storage` if the copy can't be
    /// removed.
    pub(super) async fn release(
        &self,
        storage: &Storage,
        storage_key: &str,
        is_directory: bool,
    ) -> Result<Option<String>> {
        if copies::maker(storage_key).is_none() {
            return Ok(copies::is_copy(storage_key).then(|| OF_EARLIER_VERSION.to_owned()));
        }
        // Its name is random, so another place that ends with it, or goes on after it, is the same
        // copy reached from another root.
        let name = storage_key
            .rsplit_once('/')
            .map_or(storage_key, |(_, name)| name);
        let others = Query::new(Kind::Artifact)
            .filter(Filter::contains(Field::StorageKey, name))
            .limit(1);
        let other = self.select::<Artifact>(&others).await?.pop();
        let Some(own) = self.own_copies(storage, storage_key) else {
            return Ok(Some(MADE_BY_ANOTHER.to_owned()));
        };
        if let Some(other) = other {
            self.keep(storage, storage_key).await;
            return Ok(Some(format!(
                "the {} has its content here, too",
                other.label()
            )));
        }
        if let Some(objects) = self.object_storage(storage)? {
            upload::remove(objects.as_ref(), storage_key, is_directory).await?;
            return Ok(None);
        }
        let identity = match storage.id == self.storage().id {
            true => self.identity().clone(),
            false => self.identity().elsewhere(),
        };
        let (storage, storage_key) = (storage.clone(), storage_key.to_owned());
        blocking(move || {
            let Some(name) = own.name(&storage_key) else {
                return Ok(None);
            };
            if let Some(copied) = registries::others(&storage, &identity)?.first() {
                own.settle(name)?;
                return Ok(Some(format!(
                    "a copy of this registry knows the storage, and may need it: {}; remove that \
                     file if there is no such copy any more",
                    copied.display()
                )));
            }
            let root = std::path::Path::new(&storage.root);
            if let Some(holder) = held::holders(root, name)?.first() {
                return Ok(Some(format!(
                    "another record needs it, as this file says: {}",
                    holder.display()
                )));
            }
            own.remove(name).map(|()| None)
        })
        .await
    }

    /// Says no longer that an artifact that is gone needs copies of other registries. Gives back why
    /// one stays.
    pub(super) async fn let_go(&self, storage: &Storage, artifact: &Artifact) -> Option<String> {
        if storage.type_ != place::LOCAL {
            return None;
        }
        let (storage, artifact) = (storage.clone(), artifact.clone());
        let registry = self.identity().id.clone();
        match blocking(move || held::let_go(&storage, &artifact, &registry)).await {
            Err(error) => {
                tracing::warn!(%error, "the other instance is not told that its copy is free");
                None
            }
            Ok(is_of_another) => is_of_another.then(|| MADE_BY_ANOTHER.to_owned()),
        }
    }
}
