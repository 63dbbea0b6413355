//! The contract of a registry that is not an instance: its records and links, page by page.

use std::fmt::Debug;

use async_trait::async_trait;

use super::report::LeftOut;
use crate::error::Result;
use crate::record::{Link, Record};

/// Some records of a registry with the links that start at them. All ids are the registry's own.
#[derive(Debug, Default)]
pub struct SourcePage {
    /// Records, whose references lead to records of earlier pages or of this one. Those of a kind
    /// refer to each other in no other way than by links.
    pub records: Vec<Record>,
    /// Links between records of this page and earlier ones. What a collection holds, and earlier
    /// runs of a record, come with the record itself; all else may also come later.
    pub links: Vec<Link>,
    /// Records that have no counterpart in an instance.
    pub left_out: Vec<LeftOut>,
}

/// A registry of another program.
#[async_trait]
pub trait RecordSource: Debug + Send {
    /// The next page; `None` after the last one. Later calls give `None` again.
    ///
    /// # Errors
    /// `Backend` if the database fails; `Corrupt` if it holds what can't be.
    async fn next_page(&mut self) -> Result<Option<SourcePage>>;
}
