//! Writing an object: small ones by one request, large ones in parts, several at the same time.
//! Either way it is there whole or not at all.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use anndex_core::storage::ReadAt;
use anndex_core::{Error, ErrorKind, Result};
use bytes::Bytes;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt};

use crate::error;

/// The size of a part, unless there would be too many.
const PART_BYTES: u64 = 8 << 20;

/// Services take 10,000 parts at most.
const MOST_PARTS: u64 = 9_000;

/// How many parts are on their way at the same time.
const AT_ONCE: usize = 4;

/// Writes what `source` has. Each request, with all that is tried again, has the limit `total`.
pub(crate) async fn upload(
    client: Arc<dyn ObjectStore>,
    path: Path,
    source: Arc<dyn ReadAt>,
    total: Duration,
) -> Result<()> {
    let size = source.len();
    if size <= PART_BYTES {
        let bytes = read(&source, 0..size).await?;
        limited(total, client.put(&path, bytes.into())).await?;
        return Ok(());
    }
    let mut upload = limited(total, client.put_multipart(&path)).await?;
    let written = parts(upload.as_mut(), &source, total).await;
    if written.is_err()
        && let Err(failed) = limited(total, upload.abort()).await
    {
        tracing::warn!(
            path = path.as_ref(),
            error = %failed,
            "the parts of an upload that failed could not be removed; a rule of the bucket for \
             incomplete uploads does that"
        );
    }
    written
}

async fn parts(
    upload: &mut dyn MultipartUpload,
    source: &Arc<dyn ReadAt>,
    total: Duration,
) -> Result<()> {
    let size = source.len();
    let part = PART_BYTES.max(size.div_ceil(MOST_PARTS));
    let mut on_their_way = FuturesUnordered::new();
    let mut start = 0;
    while start < size {
        if on_their_way.len() >= AT_ONCE
            && let Some(done) = on_their_way.next().await
        {
            done?;
        }
        let end = size.min(start + part);
        let bytes = read(source, start..end).await?;
        on_their_way.push(limited(total, upload.put_part(bytes.into())).boxed());
        start = end;
    }
    while let Some(done) = on_their_way.next().await {
        done?;
    }
    limited(total, upload.complete()).await?;
    Ok(())
}

async fn read(source: &Arc<dyn ReadAt>, range: Range<u64>) -> Result<Bytes> {
    let source = source.clone();
    let read = tokio::task::spawn_blocking(move || {
        let length = usize::try_from(range.end - range.start).map_err(std::io::Error::other)?;
        let mut bytes = vec![0; length];
        source.read_exact_at(range.start, &mut bytes)?;
        Ok(Bytes::from(bytes))
    });
    let read = read.await.map_err(|error| {
        Error::new(ErrorKind::Cancelled, "the upload was stopped").source_error(error)
    })?;
    read.map_err(|e| Error::io("the file that is uploaded", e))
}

/// Does one thing within the limit.
pub(crate) async fn limited<T>(
    total: Duration,
    work: impl Future<Output = object_store::Result<T>>,
) -> Result<T> {
    match tokio::time::timeout(total, work).await {
        Ok(done) => done.map_err(|failed| error::request(&failed)),
        Err(_) => Err(error::too_slow(total)),
    }
}
