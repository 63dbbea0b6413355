//! The database contract: queries in, whole change sets in, typed records out.
//!
//! A backend knows records, links and transactions, and none of the rules of the domain: those
//! are written once in [`crate::instance`], on top of this trait. [`memory`] is the reference;
//! every backend runs the suite in `conformance`.

mod change;
mod filter;
mod fold;
mod lookup;
pub mod memory;
mod moved;
mod pages;
mod query;

use std::fmt::Debug;

use async_trait::async_trait;

pub use change::{Applied, Change, ChangeSet, Expect, NewRecord, Precondition, Target};
pub use filter::{Comparison, Filter, Relation, TextMatch};
pub use fold::{fold, unfolded};
pub use lookup::LookupValue;
pub(crate) use moved::Moved;
pub use pages::Pages;
pub use query::{LinkQuery, Order, OrderBy, Query};

#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::record::{Link, Record};

/// What a backend can do, as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// The name for people: `"memory"`, `"SQLite"`.
    pub name: &'static str,
    /// Whether records outlive the process.
    pub persistent: bool,
    /// Whether other processes may write to the same records at the same time.
    pub shared: bool,
    /// Whether it can only be read here, as on a read-only file system.
    pub read_only: bool,
}

/// Where the records of an instance are kept.
///
/// Text is compared and ordered by Unicode code points, case counts, and nulls come first in
/// ascending order. Ids are positive and never given twice. Every method may be called from many
/// tasks at once; each `select`, `count` and `links` sees the effect of whole change sets only.
#[async_trait]
pub trait Backend: Send + Sync + Debug {
    /// What this backend can do.
    fn capabilities(&self) -> Capabilities;

    /// What tells this database from a copy of it: the same as long as the database stays where it
    /// is, and another text once it was copied, put back from a backup as a new one, or moved to
    /// another disk. What it says is no secret and means nothing else.
    ///
    /// # Errors
    /// `Backend` if the database fails; `PermissionDenied` or `Storage` if its file can't be looked
    /// at.
    async fn identity(&self) -> Result<String>;

    /// The records that a query asks for, in its order, then by id.
    ///
    /// # Errors
    /// `InvalidInput` if the query does not fit its kind (see [`Query::check`]); `Backend` if the
    /// database fails.
    async fn select(&self, query: &Query) -> Result<Vec<Record>>;

    /// How many records match the filter of a query; its limit and offset do not count.
    ///
    /// # Errors
    /// As [`Backend::select`].
    async fn count(&self, query: &Query) -> Result<u64>;

    /// The links that a query asks for, by source, then position, slot and target.
    ///
    /// # Errors
    /// `Backend` if the database fails.
    async fn links(&self, query: &LinkQuery) -> Result<Vec<Link>>;

    /// Makes all changes of a set in their order, or none, in one transaction.
    ///
    /// The preconditions are checked first, inside the same transaction. Unique fields and
    /// references must hold after every change. Deleting a record deletes its links, except those
    /// that protect it (see [`crate::record::LinkKind::on_delete_target`]).
    ///
    /// # Errors
    /// - `Conflict`: a precondition does not hold; a unique value is taken; a record to be changed,
    ///   deleted, linked or referred to is not there; a record to be deleted is referred to.
    /// - `InvalidInput`: the set does not fit the model (see [`ChangeSet::check`]).
    /// - `Backend`, `PermissionDenied`: the database fails or refuses.
    ///
    /// After an error nothing is changed, unless that is in doubt ([`Error::is_in_doubt`]).
    async fn apply(&self, changes: &ChangeSet) -> Result<Applied>;

    /// Closes connections and flushes what is not written yet. Later calls fail with `Backend`.
    ///
    /// # Errors
    /// `Backend` if closing fails.
    async fn close(&self) -> Result<()>;
}
