//! Storages: places that hold artifacts.

use super::Id;
use super::declare::declare_record;

declare_record! {
    /// A place that holds artifacts: a directory or a bucket. The uid has 12 characters.
    Storage {
        /// Absolute path of a directory, or a URL.
        root: String = Root unique,
        /// `"local"`, or the scheme of the URL.
        type_: String = Type,
        /// Region of a cloud storage.
        region: Option<String> = Region,
        /// A description.
        description: Option<String> = Description,
        /// The user who created the record.
        created_by_id: Option<Id> = CreatedBy -> User,
    }
}
