//! Who a registry is to the storages that it copies into.

use super::place::copies::{self, REGISTRY_LENGTH};
use super::place::held;
use super::place::registries::{self, Identity};
use super::retry::blocking;
use super::{Settings, place, select};
use crate::backend::{Backend, Filter, Pages, Query};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{Field, Kind, Record, Storage};
use crate::registry::uid;

/// How many artifacts are looked at together.
const PAGE: u64 = 10_000;

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
    let (default_id, own) = (default.id, identity.clone());
    let known = storages.clone();
    let is_new = blocking(move || {
        let mut is_new = false;
        for storage in known {
            if storage.id == default_id {
                is_new = registries::announce(&storage, &own)?;
            } else if let Err(error) = registries::announce_beside(&storage, &own.elsewhere()) {
                // A disk that is not there, or that nobody may read, keeps nobody from working.
                tracing::debug!(%error, storage = storage.root, "not made known there");
            }
        }
        Ok(is_new)
    })
    .await?;
    match is_new {
        true => hold_all(backend, default, storages, identity).await,
        false => Ok(()),
    }
}

/// Holds all copies of other registries that records lead to: a registry that was copied has those
/// of the one that it is a copy of, and needs them as much.
async fn hold_all(
    backend: &dyn Backend,
    default: &Storage,
    storages: Vec<Storage>,
    identity: &Identity,
) -> Result<()> {
    let mut pages = Pages::new(Query::new(Kind::Artifact), PAGE)?;
    while let Some(page) = pages.next(backend).await? {
        let (storages, default, identity) = (storages.clone(), default.id, identity.clone());
        blocking(move || {
            for record in page {
                let Record::Artifact(artifact) = record else {
                    continue;
                };
                let storage = storages
                    .iter()
                    .find(|one| one.id == Some(artifact.storage_id));
                let is_former = |maker: &str| identity.former.iter().any(|former| former == maker);
                let maker = copies::maker(&artifact.storage_key);
                let Some(storage) = storage else { continue };
                if storage.id == default && maker.is_some_and(is_former) {
                    continue;
                }
                if let Err(error) = held::hold(storage, &artifact, &identity.id) {
                    tracing::debug!(%error, artifact = artifact.uid, "its copy can't be held");
                }
            }
            Ok(())
        })
        .await?;
    }
    Ok(())
}
