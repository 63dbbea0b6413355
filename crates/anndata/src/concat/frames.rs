//! Tables one below the other.

use super::columns::{self, ColumnPart};
use crate::{DataFrame, Join};
use anndex_store::error::Result;

/// The rows of one AnnData.
#[derive(Debug)]
pub(super) struct FramePart<'a> {
    /// `None` if it lacks the table.
    pub(super) frame: Option<DataFrame>,
    pub(super) len: usize,
    pub(super) location: &'a str,
}

/// Puts the columns that all tables have (inner, in the order of the first) or any of them has
/// (outer, as they first occur) behind the index of `rows`.
///
/// # Errors
/// `InvalidInput` if a column can't be put together.
pub(super) fn concat(parts: &[FramePart<'_>], join: Join, rows: DataFrame) -> Result<DataFrame> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in parts
        .iter()
        .filter_map(|part| part.frame.as_ref())
        .flat_map(DataFrame::columns)
    {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let has = |part: &FramePart<'_>, name: &str| {
        let column = part.frame.as_ref().and_then(|frame| frame.column(name));
        column.is_some()
    };
    if join == Join::Inner {
        names.retain(|name| parts.iter().all(|part| has(part, name)));
    }
    names.into_iter().try_fold(rows, |table, name| {
        let parts = parts.iter().map(|part| ColumnPart {
            column: part.frame.as_ref().and_then(|frame| frame.column(name)),
            len: part.len,
            location: part.location,
        });
        let column = columns::concat(&parts.collect::<Vec<_>>());
        table.with_column(name, column.map_err(|error| error.with("column", name))?)
    })
}
