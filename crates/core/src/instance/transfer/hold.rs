//! Telling the instance that made a copy that another one has a record of it now, so that it does
//! not remove the bytes when its own record goes.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::merge::Merge;
use crate::backend::{Filter, Query, Target};
use crate::error::Result;
use crate::instance::Instance;
use crate::instance::place::{self, copies, held};
use crate::instance::retry::blocking;
use crate::record::{Artifact, Field, Id, Kind, Record, Storage};

/// Holds the copies in local storages that artifacts lead to which are about to be added. Before
/// they are, so that there is never a record without.
pub(super) async fn hold_copies(
    db: &Instance,
    records: &BTreeMap<Kind, BTreeMap<Id, Record>>,
    merge: &Merge<'_>,
) -> Result<()> {
    let mut in_buckets = BTreeSet::new();
    let mut storages = BTreeMap::new();
    for (id, record) in records.get(&Kind::Artifact).into_iter().flatten() {
        let Record::Artifact(artifact) = record else {
            continue;
        };
        if !matches!(merge.target(Kind::Artifact, *id), Some(Target::New(_))) {
            continue;
        }
        let storage = match storages.entry(artifact.storage_id) {
            Entry::Occupied(storage) => storage.into_mut(),
            Entry::Vacant(entry) => entry.insert(storage_of(db, artifact, records, merge).await?),
        };
        match storage {
            Some(storage) if storage.type_ == place::LOCAL => hold(db, storage, artifact).await,
            Some(storage) => {
                let maker = copies::maker(&artifact.storage_key);
                if maker.is_some_and(|maker| maker != db.registry_id()) {
                    in_buckets.insert(storage.root.clone());
                }
            }
            None => {}
        }
    }
    for storage in in_buckets {
        tracing::warn!(
            storage,
            "the instance that made copies there is not told that they are needed here: deleting \
             their artifacts permanently there removes them"
        );
    }
    Ok(())
}

/// The storage of an artifact: one that comes along, or one that is here already.
async fn storage_of(
    db: &Instance,
    artifact: &Artifact,
    records: &BTreeMap<Kind, BTreeMap<Id, Record>>,
    merge: &Merge<'_>,
) -> Result<Option<Storage>> {
    let id = artifact.storage_id;
    let coming = records
        .get(&Kind::Storage)
        .and_then(|storages| storages.get(&id));
    if let Some(Record::Storage(storage)) = coming {
        return Ok(Some(storage.clone()));
    }
    let Some(Target::Existing(here)) = merge.target(Kind::Storage, id) else {
        return Ok(None);
    };
    let here = Query::new(Kind::Storage).filter(Filter::eq(Field::Id, here));
    Ok(db.select::<Storage>(&here).await?.pop())
}

async fn hold(db: &Instance, storage: &Storage, artifact: &Artifact) {
    let (storage, own) = (storage.clone(), artifact.clone());
    let registry = db.registry_id().to_owned();
    if let Err(error) = blocking(move || held::hold(&storage, &own, &registry)).await {
        tracing::warn!(
            artifact = artifact.uid,
            %error,
            "the instance that made this copy can't be told that it is needed here: deleting the \
             artifact permanently there removes it"
        );
    }
}
