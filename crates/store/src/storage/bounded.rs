//! A storage whose requests end with the operation that they are made for.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::{ObjectInfo, ObjectStorage, ReadAt, StorageCapabilities, UploadNotes};
use crate::error::Result;
use crate::operation::Operation;

/// Another storage, that is waited for as [`Operation`] says: not after the operation was stopped,
/// and once only if it does not answer.
#[derive(Debug)]
pub(super) struct Bounded(pub(super) Arc<dyn ObjectStorage>);

impl Bounded {
    async fn ask<T>(&self, request: impl Future<Output = Result<T>>) -> Result<T> {
        match Operation::current() {
            Some(operation) => operation.ask(self.0.location(), request).await,
            None => request.await,
        }
    }
}

#[async_trait]
impl ObjectStorage for Bounded {
    fn location(&self) -> &str {
        self.0.location()
    }

    fn capabilities(&self) -> StorageCapabilities {
        self.0.capabilities()
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        self.ask(self.0.head(key)).await
    }

    async fn read(&self, object: &ObjectInfo, range: Range<u64>) -> Result<Bytes> {
        self.ask(self.0.read(object, range)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>> {
        self.ask(self.0.list(prefix)).await
    }

    async fn write(&self, key: &str, source: Arc<dyn ReadAt>) -> Result<ObjectInfo> {
        self.ask(self.0.write(key, source)).await
    }

    async fn write_on(
        &self,
        key: &str,
        source: Arc<dyn ReadAt>,
        notes: Arc<dyn UploadNotes>,
    ) -> Result<ObjectInfo> {
        self.ask(self.0.write_on(key, source, notes)).await
    }

    /// Not ended with the operation: it tidies up behind one that was.
    async fn abandon(&self, key: &str, upload_id: &str) -> Result<()> {
        self.0.abandon(key, upload_id).await
    }

    /// As [`Bounded::abandon`].
    async fn delete(&self, key: &str) -> Result<()> {
        self.0.delete(key).await
    }
}
