//! Collections: ordered, versioned lists of artifacts.

use super::declare::declare_record;
use super::{Id, Visibility};

declare_record! {
    /// An ordered, versioned list of artifacts. The uid has 20 characters, of which the first 16
    /// are the stem.
    ///
    /// Its artifacts, feature sets, labels, the runs it is an input of and its previous runs are
    /// links; its transform is that of its run.
    Collection {
        /// Name or title.
        name: String = Name,
        /// A description.
        description: Option<String> = Description,
        /// Version within the family.
        version: Option<String> = Version,
        /// Hash of the artifacts' hashes, 22 characters of base64url.
        hash: Option<String> = Hash,
        /// A reference such as a URL or an external id.
        reference: Option<String> = Reference,
        /// The type of the reference, such as `"url"`.
        reference_type: Option<String> = ReferenceType,
        /// The meta artifact: one that describes the collection, of this collection only.
        artifact_id: Option<Id> = Artifact unique -> Artifact,
        /// Whether queries show it.
        visibility: Visibility = Visibility,
        /// The run that created it.
        run_id: Option<Id> = Run -> Run,
        /// The user who created the record.
        created_by_id: Option<Id> = CreatedBy -> User,
    }
}
