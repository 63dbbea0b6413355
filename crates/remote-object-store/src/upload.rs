//! Writing an object: small ones by one request, large ones in parts, several at the same time.
//! Either way it is there whole or not at all.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anndex_remote_requests::parts::{PART_BYTES, permit, read};
use anndex_remote_requests::too_slow;
use anndex_store::storage::{ReadAt, UploadNotes};
use anndex_store::{Error, ErrorKind, Result};
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::error;
use crate::service::Service;

/// Services take 10,000 parts at most.
const MOST_PARTS: u64 = 9_000;

/// How many parts of one object are on their way at the same time.
const AT_ONCE: usize = 4;

/// What writes.
#[derive(Clone)]
pub(crate) struct Writer {
    store: Arc<dyn ObjectStore>,
    parts: Arc<dyn MultipartStore>,
    total: Duration,
}

impl Writer {
    /// For a service that can be written. Each request, with all that is tried again, has the
    /// limit `total`.
    pub(crate) fn new(service: Service, total: Duration) -> Result<Self> {
        let parts = service.parts;
        let parts = parts.ok_or_else(|| Error::unsupported("the storage is for reading only"))?;
        Ok(Self {
            store: service.store,
            parts,
            total,
        })
    }

    /// Writes what `source` has. With notes, what is known of an upload that was interrupted is
    /// used, and an upload that fails is left for the next call.
    pub(crate) async fn write(
        &self,
        path: &Path,
        source: Arc<dyn ReadAt>,
        notes: Option<Arc<dyn UploadNotes>>,
    ) -> Result<()> {
        let size = source.len();
        if size <= PART_BYTES {
            let permit = permit().await?;
            let bytes = read(&source, 0..size).await?;
            limited(self.total, self.store.put(path, bytes.into())).await?;
            drop(permit);
            return Ok(());
        }
        let part_bytes = PART_BYTES.max(size.div_ceil(MOST_PARTS));
        let known = notes.as_ref().and_then(|notes| notes.known());
        if let Some(known) = known.filter(|known| known.part_bytes == part_bytes) {
            let upload = Upload::new(self, path, &known.id, part_bytes, &source, notes.clone());
            match upload.run(known.parts).await {
                Err(refused) if is_refused(&refused) => {
                    // It was completed by who could not note it any more, or is not known any more.
                    let seen = limited(self.total, self.store.head(path)).await;
                    if seen.is_ok_and(|seen| seen.size == size) {
                        return Ok(());
                    }
                    tracing::info!(path = path.as_ref(), %refused, "an upload starts again");
                    if let Err(error) = self.abandon(path, &known.id).await {
                        tracing::debug!(path = path.as_ref(), %error, "it was gone");
                    }
                }
                done => return done,
            }
        }
        let id = limited(self.total, self.parts.create_multipart(path)).await?;
        if let Some(notes) = &notes {
            notes.begun(&id, part_bytes)?;
        }
        let upload = Upload::new(self, path, &id, part_bytes, &source, notes.clone());
        let written = upload.run(BTreeMap::new()).await;
        if written.is_err()
            && notes.is_none()
            && let Err(failed) = self.abandon(path, &id).await
        {
            tracing::warn!(
                path = path.as_ref(),
                error = %failed,
                "the parts of an upload that failed could not be removed; a rule of the bucket \
                 for incomplete uploads does that"
            );
        }
        written
    }

    /// Removes the parts of an upload; none being there is no error.
    pub(crate) async fn abandon(&self, path: &Path, id: &str) -> Result<()> {
        let id = id.to_owned();
        match limited(self.total, self.parts.abort_multipart(path, &id)).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            abandoned => abandoned,
        }
    }
}

/// Whether the server says that it can't go on, and not only that it fails at the moment.
fn is_refused(error: &Error) -> bool {
    let status = error
        .context("status")
        .and_then(|status| status.parse().ok());
    status.is_some_and(|status: u16| (400..500).contains(&status) && status != 429)
}

/// One upload in parts.
struct Upload<'a> {
    writer: &'a Writer,
    path: &'a Path,
    id: String,
    part_bytes: u64,
    source: &'a Arc<dyn ReadAt>,
    notes: Option<Arc<dyn UploadNotes>>,
}

impl<'a> Upload<'a> {
    fn new(
        writer: &'a Writer,
        path: &'a Path,
        id: &str,
        part_bytes: u64,
        source: &'a Arc<dyn ReadAt>,
        notes: Option<Arc<dyn UploadNotes>>,
    ) -> Self {
        Self {
            writer,
            path,
            id: id.to_owned(),
            part_bytes,
            source,
            notes,
        }
    }

    /// Writes the parts that are not there, and makes the object of all.
    async fn run(&self, mut there: BTreeMap<u64, String>) -> Result<()> {
        let count = self.source.len().div_ceil(self.part_bytes);
        there.retain(|number, _| *number < count);
        let missing = (0..count).filter(|number| !there.contains_key(number));
        let writes = missing.map(|number| self.part(number));
        let writes = stream::iter(writes.collect::<Vec<_>>()).buffer_unordered(AT_ONCE);
        let new: Vec<(u64, String)> = writes.try_collect().await?;
        there.extend(new);
        let parts = there.into_values().map(|content_id| PartId { content_id });
        let (store, total) = (&self.writer.parts, self.writer.total);
        let completed = store.complete_multipart(self.path, &self.id, parts.collect());
        limited(total, completed).await?;
        Ok(())
    }

    async fn part(&self, number: u64) -> Result<(u64, String)> {
        let permit = permit().await?;
        let start = number * self.part_bytes;
        let end = self.source.len().min(start + self.part_bytes);
        let bytes = read(self.source, start..end).await?;
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        let (store, total) = (&self.writer.parts, self.writer.total);
        let put = store.put_part(self.path, &self.id, index, bytes.into());
        let tag = limited(total, put).await?.content_id;
        drop(permit);
        if let Some(notes) = &self.notes {
            notes.part(number, &tag)?;
        }
        Ok((number, tag))
    }
}

/// Does one thing within the limit.
pub(crate) async fn limited<T>(
    total: Duration,
    work: impl Future<Output = object_store::Result<T>>,
) -> Result<T> {
    match tokio::time::timeout(total, work).await {
        Ok(done) => done.map_err(|failed| error::request(&failed)),
        Err(_) => Err(too_slow(total)),
    }
}
