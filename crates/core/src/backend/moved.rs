//! A database that can't be written, whose default storage is elsewhere than it says.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Applied, Backend, Capabilities, ChangeSet, LinkQuery, Query};
use crate::error::Result;
use crate::record::{Link, Record};

/// Gives one storage another root than the database has.
#[derive(Debug)]
pub(crate) struct Moved {
    inner: Arc<dyn Backend>,
    uid: String,
    root: String,
}

impl Moved {
    /// The storage with this uid is at `root`.
    pub(crate) fn new(inner: Arc<dyn Backend>, uid: String, root: String) -> Self {
        Self { inner, uid, root }
    }
}

#[async_trait]
impl Backend for Moved {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn identity(&self) -> Result<String> {
        self.inner.identity().await
    }

    async fn select(&self, query: &Query) -> Result<Vec<Record>> {
        let mut records = self.inner.select(query).await?;
        for record in &mut records {
            if let Record::Storage(storage) = record
                && storage.uid == self.uid
            {
                storage.root.clone_from(&self.root);
            }
        }
        Ok(records)
    }

    async fn count(&self, query: &Query) -> Result<u64> {
        self.inner.count(query).await
    }

    async fn links(&self, query: &LinkQuery) -> Result<Vec<Link>> {
        self.inner.links(query).await
    }

    async fn apply(&self, changes: &ChangeSet) -> Result<Applied> {
        self.inner.apply(changes).await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
