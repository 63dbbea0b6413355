//! Who a registry is to the storages that it copies into.

use super::place::copies::REGISTRY_LENGTH;
use super::place::registries::{self, Identity};
use super::retry::blocking;
use super::{Settings, place, select};
use crate::backend::{Backend, Filter, Query};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{Field, Kind, Storage};
use crate::registry::uid;

/// Finds who the registry is. Its first storage, which it has from the beginning, is what it has in
/// common with copies of it.
pub(super) async fn identify(backend: &dyn Backend, settings: &Settings) -> Result<Identity> {
    let first = Query::new(Kind::Storage).limit(1);
    let first = select::<Storage>(backend, &first).await?.pop();
    let first = first.ok_or_else(|| {
        Error::new(
            ErrorKind::Backend,
            "the database has no storage any more; open it again",
        )
    })?;
    let id = uid::of(&backend.identity().await?, REGISTRY_LENGTH);
    let mut former = settings.former_registry_ids.clone();
    former.retain(|former| *former != id);
    Ok(Identity {
        id,
        origin: first.uid,
        former,
        location: format!(
            "an instance of {} with its cache in {}",
            settings.user_handle.trim(),
            settings.cache_dir.display()
        ),
    })
}

/// Makes the registry known in its default storage, and in others where a registry is known that it
/// is a copy of.
pub(super) async fn announce(
    backend: &dyn Backend,
    default: &Storage,
    identity: &Identity,
) -> Result<()> {
    let local = Query::new(Kind::Storage).filter(Filter::eq(Field::Type, place::LOCAL));
    let storages = select::<Storage>(backend, &local).await?;
    let (default, identity) = (default.id, identity.clone());
    blocking(move || {
        for storage in storages {
            match storage.id == default {
                true => registries::announce(&storage, &identity)?,
                // A disk that is not there, or that nobody may read, keeps nobody from working.
                false => {
                    if let Err(error) = registries::announce_beside(&storage, &identity) {
                        tracing::debug!(%error, storage = storage.root, "not made known there");
                    }
                }
            }
        }
        Ok(())
    })
    .await
}
