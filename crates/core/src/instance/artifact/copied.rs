//! A copy in storage, from when it is made until a record owns it or it is removed.

use std::sync::Arc;

use super::content::{Content, Source};
use super::upload;
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::instance::place::copies::Copies;
use crate::instance::place::registries::Writing;
use crate::record::Storage;
use crate::registry::key;
use crate::storage::{Journal, ObjectStorage};

/// A copy that has no record yet.
#[derive(Debug)]
pub(super) struct Copied {
    pub(super) storage_key: String,
    /// The tag that a storage at a URL gave it.
    pub(super) etag: Option<String>,
    pub(super) is_directory: bool,
    kept: Kept,
}

/// What keeps others from taking a copy for one that is left over.
#[derive(Debug)]
enum Kept {
    /// In a directory.
    Mark {
        copies: Copies,
        name: String,
        #[expect(dead_code, reason = "held, not used")]
        writing: Arc<Writing>,
    },
    /// At a URL.
    Journal(Option<Arc<Journal>>),
}

impl Copied {
    /// Copies content to where the name says. `writing` is the lock of the storage.
    pub(super) fn make(
        name: &str,
        content: &Content,
        copies: &Copies,
        writing: &Arc<Writing>,
    ) -> Result<Self> {
        let Source::Local(path) = &content.source else {
            return Err(Error::unsupported(
                "what is at a URL is registered where it is",
            ));
        };
        let name = format!("{name}{}", key::suffix(&content.file_name));
        copies.copy(path, &name, content.hash.size)?;
        Ok(Self {
            storage_key: copies.key(&name),
            etag: None,
            is_directory: content.hash.n_objects.is_some(),
            kept: Kept::Mark {
                copies: copies.clone(),
                name,
                writing: writing.clone(),
            },
        })
    }

    /// As [`Copied::make`], into a storage at a URL, where an earlier call may have begun it.
    pub(super) async fn upload(
        db: &Instance,
        name: &str,
        content: &Content,
        storage: &Storage,
        objects: &dyn ObjectStorage,
    ) -> Result<Self> {
        let uploaded = upload::upload(db, storage, objects, name, content).await?;
        Ok(Self {
            storage_key: uploaded.storage_key,
            etag: uploaded.etag,
            is_directory: content.hash.n_objects.is_some(),
            kept: Kept::Journal(uploaded.journal),
        })
    }

    /// Forgets how it was made: a record owns it, or it is gone.
    pub(super) fn settle(&self) {
        let settled = match &self.kept {
            Kept::Mark { copies, name, .. } => copies.settle(name),
            Kept::Journal(Some(journal)) => journal.remove(),
            Kept::Journal(None) => Ok(()),
        };
        if let Err(error) = settled {
            tracing::warn!(%error, "what was noted of a copy could not be removed");
        }
    }

    /// Removes a copy in a directory that no record came to own.
    pub(super) fn discard(&self) {
        if let Kept::Mark { copies, name, .. } = &self.kept {
            copies.discard(name);
        }
    }
}
