//! Artifacts: immutable datasets in storage.

use super::declare::declare_record;
use super::{Id, Visibility};

declare_record! {
    /// One immutable dataset in storage, a file or a directory. The uid has 20 characters, of
    /// which the first 16 are the stem.
    Artifact {
        /// Path-like key: the name that people know it by.
        key: Option<String> = Key,
        /// Where it is, relative to the root of its storage. Equal to the key unless the key is
        /// virtual.
        storage_key: String = StorageKey,
        /// A description.
        description: Option<String> = Description,
        /// Suffix with its dot, such as `".h5ad"`; empty if there is none.
        suffix: String = Suffix,
        /// The type of object it represents, such as `"AnnData"` or `"DataFrame"`.
        otype: Option<String> = Otype,
        /// Size in bytes, of all files together.
        size: Option<i64> = Size,
        /// Hash of the content, 22 characters of base64url.
        hash: Option<String> = Hash,
        /// How the hash was computed: `"md5"`, `"sha1-fl"` or `"md5-d"`.
        hash_type: Option<String> = HashType,
        /// The storage's own tag of the content, where it has one.
        etag: Option<String> = Etag,
        /// Number of files, for a directory.
        n_objects: Option<i64> = NObjects,
        /// Number of observations, where that is known.
        n_observations: Option<i64> = NObservations,
        /// The storage that holds it.
        storage_id: Id = Storage -> Storage,
        /// Whether the content is completely in storage. False only between a save that began and
        /// its end.
        storage_completed: bool = StorageCompleted,
        /// Version within the family.
        version: Option<String> = Version,
        /// Whether queries show it.
        visibility: Visibility = Visibility,
        /// The run that created it.
        run_id: Option<Id> = Run -> Run,
        /// The user who created the record.
        created_by_id: Option<Id> = CreatedBy -> User,
    }
}
