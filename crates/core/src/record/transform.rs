//! Transforms: pieces of code, whose executions are runs.

use super::declare::declare_record;
use super::{Id, Visibility};

declare_record! {
    /// A piece of code: a script, notebook, pipeline or function. The uid has 16 characters, of
    /// which the first 12 are the stem. Its parents are the links
    /// [`TransformParent`](super::LinkKind::TransformParent).
    Transform {
        /// Path-like key, such as `"preprocess.py"`.
        key: Option<String> = Key,
        /// Name or title.
        name: Option<String> = Name,
        /// A description.
        description: Option<String> = Description,
        /// `"script"`, `"notebook"`, `"pipeline"`, `"function"`, ...
        type_: String = Type,
        /// Version within the family.
        version: Option<String> = Version,
        /// The source code.
        source_code: Option<String> = SourceCode,
        /// Hash of the source code.
        hash: Option<String> = Hash,
        /// A reference such as a URL or a commit.
        reference: Option<String> = Reference,
        /// The type of the reference, such as `"url"`.
        reference_type: Option<String> = ReferenceType,
        /// Whether queries show it.
        visibility: Visibility = Visibility,
        /// The user who created the record.
        created_by_id: Option<Id> = CreatedBy -> User,
    }
}
