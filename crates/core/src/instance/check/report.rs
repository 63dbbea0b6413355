//! What a check found and what a repair did.

use serde::Serialize;

use crate::record::{Artifact, Storage};
use crate::storage::StorageUrl;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Problem {
    /// The directory of a storage is not there.
    StorageGone,
    /// The content of an artifact is not in its storage.
    Missing,
    /// The content of an artifact is not what was registered.
    Changed,
    /// The content of an artifact can't be read.
    Unreadable,
    /// A record whose save never came to its end.
    Incomplete,
    /// A copy that is not complete, and that nobody is writing.
    Partial,
    /// Something in the instance's own directory of copies that no record owns.
    Unowned,
}

impl Problem {
    /// The problem in words, as it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StorageGone => "storage_gone",
            Self::Missing => "missing",
            Self::Changed => "changed",
            Self::Unreadable => "unreadable",
            Self::Incomplete => "incomplete",
            Self::Partial => "partial",
            Self::Unowned => "unowned",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// What is wrong.
    pub problem: Problem,
    /// Where: a path in the file system, or a URL.
    pub path: String,
    /// The uid of the artifact, where the problem is with one.
    pub uid: Option<String>,
    /// The key of the artifact, if it has one.
    pub key: Option<String>,
    /// What exactly was found, and what to do about it.
    pub message: String,
    /// What the repair did; `None` if the problem is still there.
    pub repaired: Option<String>,
}

impl Finding {
    pub(super) fn of_artifact(
        problem: Problem,
        storage: &Storage,
        artifact: &Artifact,
        message: impl Into<String>,
    ) -> Self {
        Self {
            uid: Some(artifact.uid.clone()),
            key: artifact.key.clone(),
            ..Self::of_file(problem, storage, &artifact.storage_key, message)
        }
    }

    pub(super) fn of_file(
        problem: Problem,
        storage: &Storage,
        storage_key: &str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            problem,
            path: match StorageUrl::parse(&storage.root) {
                Ok(root) => root.join(storage_key).to_string(),
                Err(_) => format!("{}/{storage_key}", storage.root),
            },
            uid: None,
            key: None,
            message: message.into(),
            repaired: None,
        }
    }

    pub(super) fn storage_gone(storage: &Storage) -> Self {
        Self {
            problem: Problem::StorageGone,
            path: storage.root.clone(),
            uid: None,
            key: None,
            message: "the directory of the storage is not there; mount it or put it back, and \
                      check again"
                .to_owned(),
            repaired: None,
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct CheckReport {
    /// How many artifacts were checked.
    pub artifacts: u64,
    /// How many artifacts are in storages that can't be looked into: those whose directory is
    /// gone, and those that this build can't open.
    pub unreachable: u64,
    /// Of the artifacts that a deep check found good, how many have no hash that can be computed
    /// again, so that only their sizes were compared. Other checks compare no hashes.
    pub without_hash: u64,
    /// How many copies in the default storage were looked at.
    pub copies: u64,
    /// What is wrong, by problem and path.
    pub findings: Vec<Finding>,
}

impl CheckReport {
    /// Whether all is well now: nothing was found, or all of it was put right.
    pub fn is_consistent(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.repaired.is_some())
    }
}
