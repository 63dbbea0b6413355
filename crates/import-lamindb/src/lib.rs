//! The registry of a lamindb instance as a source of records.
//!
//! lamindb 2 keeps its registry in tables that Django has made, in a SQLite file or a PostgreSQL
//! database. They are read in one snapshot, and nothing in them is changed. What is taken: users,
//! storages, transforms with what precedes them, runs with their inputs, labels (`ULabel`) with
//! their parents and types, artifacts, and collections with the order of their artifacts; each
//! with its uid, version, times, user, run and labels. Features, schemas, records, projects and
//! what plugins add have no counterpart and stay where they are.
//!
//! Where the two models differ:
//! - a collection's key becomes its name;
//! - what is on the branch `trash` is in the trash, on `archive` hidden, on any other shown;
//! - the run of a record is the last one that made it again, and those before are its previous
//!   runs, as they are here when content is registered again;
//! - a label's type is one of its parents;
//! - an artifact whose upload has not ended is left out.

mod artifact;
mod open;
mod runs;
mod source;
mod table;

pub use open::open;
pub use source::LamindbSource;
