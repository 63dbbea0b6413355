//! Runs: executions of transforms, which link inputs and outputs.

use chrono::{DateTime, Utc};

use super::declare::declare_record;
use super::{Id, Visibility};

declare_record! {
    /// One execution of a transform. The uid has 20 characters. Its outputs are the records whose
    /// `run_id` it is, its inputs the links
    /// [`RunInputArtifact`](super::LinkKind::RunInputArtifact) and
    /// [`RunInputCollection`](super::LinkKind::RunInputCollection).
    Run {
        /// Name or title.
        name: Option<String> = Name,
        /// The transform that was run.
        transform_id: Id = Transform -> Transform,
        /// When it began.
        started_at: DateTime<Utc> = StartedAt,
        /// When it ended; null while it is going on, or where it never said.
        finished_at: Option<DateTime<Utc>> = FinishedAt,
        /// Whether the cells of a notebook were run in order.
        is_consecutive: Option<bool> = IsConsecutive,
        /// A reference such as a URL or a job id.
        reference: Option<String> = Reference,
        /// The type of the reference, such as `"url"`.
        reference_type: Option<String> = ReferenceType,
        /// Whether queries show it.
        visibility: Visibility = Visibility,
        /// The user who started it.
        created_by_id: Option<Id> = CreatedBy -> User,
    }
}
