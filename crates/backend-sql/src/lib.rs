//! The SQL side of an instance: schema, queries and change sets, written once for every SQL
//! database.
//!
//! A backend crate brings a connection and a [`Driver`], which says how its database starts a
//! write and what its error numbers mean; [`SqlBackend`] does the rest. Tables and columns carry
//! the names of [`Kind`](anndex_core::record::Kind), [`LinkKind`](anndex_core::record::LinkKind)
//! and [`Field`](anndex_core::record::Field), and statements are built from the field tables of
//! core, so that a field is declared in one place only. The migrations, which must never change
//! once released, are the one exception.
//!
//! [`Reader`] is the other way round: it reads tables that another program has made.
//!
//! What is stored: text as text, compared by bytes; times as microseconds since 1970 UTC in a
//! 64-bit integer; JSON as text; booleans and integers as they are.

mod apply;
mod backend;
mod condition;
mod dialect;
mod failure;
mod migration;
mod reader;
mod row;
mod select;

pub use backend::{Driver, SqlBackend};
pub use migration::MIGRATION_TABLE;
pub use reader::{Origin, Reader, Rows};
