//! Putting the contents of a batch into storage, several at the same time.

use std::sync::Arc;

use futures_util::{FutureExt, StreamExt, stream};
use rayon::prelude::*;

use super::{Ready, Way};
use crate::error::Result;
use crate::instance::Instance;
use crate::instance::artifact::copied::Copied;
use crate::instance::place::registries;
use crate::operation::carried;
use crate::record::Artifact;
use crate::registry::{Registry, uid};

/// How many artifacts are put into storages at URLs at the same time.
const UPLOADS_AT_ONCE: usize = 4;

/// Copies what is new and not in place into the default storage, if that is local, in parallel.
pub(super) fn copy_all(
    db: &Instance,
    items: Vec<Result<Ready>>,
    ways: &[Option<Way>],
) -> Vec<Result<Ready>> {
    let needs_copy =
        |item: &Ready, way: &Option<Way>| item.needs_copy(way) && item.location.is_local();
    let mut pairs = items.iter().zip(ways);
    let storage = pairs.find_map(|(item, way)| {
        let item = item.as_ref().ok().filter(|item| needs_copy(item, way))?;
        Some(item.location.storage.clone())
    });
    let Some(storage) = storage else {
        return items;
    };
    let copies = db.copies(&storage);
    let writing = match registries::begin(&storage, db.identity()) {
        Ok(writing) => Arc::new(writing),
        Err(error) => {
            return items
                .into_iter()
                .map(|i| i.and(Err(error.again())))
                .collect();
        }
    };
    let copy = |(item, way): (Result<Ready>, &Option<Way>)| {
        let mut item = item?;
        if needs_copy(&item, way) {
            let name = uid::random(Artifact::UID_LENGTH);
            item.copied = Some(Copied::make(&name, &item.content, &copies, &writing)?);
        }
        Ok(item)
    };
    items.into_par_iter().zip(ways).map(carried(copy)).collect()
}

/// Puts what is new and belongs into storages at URLs there, several at the same time.
pub(super) async fn upload_all(
    db: &Instance,
    items: Vec<Result<Ready>>,
    ways: &[Option<Way>],
) -> Vec<Result<Ready>> {
    let upload = |(item, way): (Result<Ready>, &Option<Way>)| {
        let needs_copy = item.as_ref().is_ok_and(|item| item.needs_copy(way));
        async move {
            let mut item = item?;
            if needs_copy && let Some(objects) = db.object_storage(&item.location.storage)? {
                let name = uid::random(Artifact::UID_LENGTH);
                let (content, storage) = (&item.content, &item.location.storage);
                let uploaded = Copied::upload(db, &name, content, storage, objects.as_ref());
                item.copied = Some(uploaded.await?);
            }
            Ok(item)
        }
        .boxed()
    };
    let uploads = items.into_iter().zip(ways).map(upload);
    let uploads = stream::iter(uploads.collect::<Vec<_>>()).buffered(UPLOADS_AT_ONCE);
    uploads.collect().await
}
