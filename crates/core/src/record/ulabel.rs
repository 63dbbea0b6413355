//! Universal labels, with which artifacts and collections are annotated.

use super::declare::declare_record;
use super::{Id, Visibility};

declare_record! {
    /// A label. The uid has 8 characters. Its parents are the links
    /// [`ULabelParent`](super::LinkKind::ULabelParent).
    ULabel {
        /// Name.
        name: String = Name,
        /// Whether it is a type of labels rather than a label.
        is_type: bool = IsType,
        /// A description.
        description: Option<String> = Description,
        /// A reference such as a URL or an external id.
        reference: Option<String> = Reference,
        /// The type of the reference, such as `"url"`.
        reference_type: Option<String> = ReferenceType,
        /// Whether queries show it.
        visibility: Visibility = Visibility,
        /// The run that created it.
        run_id: Option<Id> = Run -> Run,
        /// The user who created the record.
        created_by_id: Option<Id> = CreatedBy -> User,
    }
}
