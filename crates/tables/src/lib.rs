//! Tables of a collection: Parquet, CSV, TSV and Arrow (Feather) files, read into Arrow on all
//! cores, and put one below the other as `pandas.concat` does.
//!
//! The crate stands beside the stores: a table is not an AnnData, and core knows nothing of Arrow.

mod concat;
mod csv;
mod error;
mod ipc;
mod parquet;
mod stacked;
mod table;

pub use arrow_array;
pub use arrow_schema;
pub use concat::concat;
pub use stacked::{Block, Stacked, StackedReader};
pub use table::{SUFFIXES, Table, is_table, read, read_all, read_within};
