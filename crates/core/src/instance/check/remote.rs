//! One artifact at a URL: whether its content is there as it was registered.

use super::content::{
    Checked, incomplete, judge, known_hash_type, other_extent, other_hash, other_kind,
};
use crate::error::Result;
use crate::record::{Artifact, Storage};
use crate::registry::hash::HashType;
use crate::storage::pieces::read_in_order;
use crate::storage::{ObjectStorage, Seen};

/// Compares kind, size, number of objects and tag; the hash in a deep check, and where the tag is
/// another one, because the same bytes may have been written again.
pub(super) async fn check(
    storage: &Storage,
    objects: &dyn ObjectStorage,
    artifact: &Artifact,
    deep: bool,
) -> Checked {
    if let Some(incomplete) = incomplete(storage, artifact) {
        return incomplete;
    }
    let difference = difference(objects, artifact, deep).await;
    judge(storage, artifact, deep, difference)
}

async fn difference(
    objects: &dyn ObjectStorage,
    artifact: &Artifact,
    deep: bool,
) -> Result<Option<String>> {
    let was_directory = artifact.n_objects.is_some();
    let seen = Seen::look_again(objects, &artifact.storage_key, was_directory).await?;
    if seen.is_directory != was_directory {
        return Ok(Some(other_kind(seen.is_directory)));
    }
    let n_objects = seen.is_directory.then_some(seen.objects.len() as u64);
    if let Some(difference) = other_extent(artifact, seen.size(), n_objects) {
        return Ok(Some(difference));
    }
    let etag = seen.etag();
    let other_etag = artifact.etag.is_some() && etag.is_some() && artifact.etag != etag;
    let hash_type = known_hash_type(artifact);
    if other_etag && !deep && hash_type != Some(HashType::Md5) {
        return Ok(Some(
            "it was written anew since it was registered; registering it again compares hashes"
                .to_owned(),
        ));
    }
    if hash_type.is_none() || !deep && !other_etag {
        return Ok(None);
    }
    let found = seen.hash(objects, &|_| {}).await?;
    if deep {
        for object in &seen.objects {
            // What the hash passes over may have become unreadable.
            read_in_order(objects, object, seen.unhashed(object), |_| Ok(())).await?;
        }
    }
    Ok(other_hash(artifact, &found))
}
