//! Users: who created a record.

use super::declare::declare_record;

declare_record! {
    /// A person. The uid has 8 characters.
    User {
        /// Unique handle, such as a login name.
        handle: String = Handle unique,
        /// Full name.
        name: Option<String> = Name,
    }
}
