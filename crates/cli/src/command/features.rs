//! `anndex artifact features` and `anndex collection features`: reads what a dataset measures.

use std::collections::BTreeMap;

use anndex::{FeatureSet, Handle, Result};
use clap::Args;
use serde_json::Value;

use super::artifact::to_json;
use super::or_dash;
use crate::output::plain;
use crate::session::Session;
use crate::table::Table;

/// How many features of a slot the table names.
const NAMED: usize = 5;

/// Read which features it measures: the columns of obs, the index of var
///
/// They are kept with it, and shown by `show` from then on.
#[derive(Debug, Args)]
pub(crate) struct Features {
    /// Its name or key, its uid or the beginning of it
    pub(super) dataset: String,
}

/// Prints the feature sets of a dataset.
pub(super) fn print(session: &Session, sets: &BTreeMap<String, Handle<FeatureSet>>) -> Result<()> {
    let output = &session.output;
    if output.is_json() {
        return output.json(&document(sets)?);
    }
    let mut table = Table::new(["slot", ">features", "dtype", "names"]);
    for (slot, set) in sets {
        let names: Vec<_> = set
            .members
            .iter()
            .take(NAMED)
            .map(|f| plain(&f.name))
            .collect();
        let more = if set.members.len() > NAMED {
            ", ..."
        } else {
            ""
        };
        table.row([
            slot.clone(),
            set.n.to_string(),
            or_dash(set.dtype.as_deref()),
            names.join(", ") + more,
        ]);
    }
    match table.is_empty() {
        true => output.advice("it has neither columns of obs nor variables"),
        false => output.table(&table),
    }
}

/// The feature sets as an object with a slot per name.
pub(super) fn document(sets: &BTreeMap<String, Handle<FeatureSet>>) -> Result<Value> {
    let mut slots = serde_json::Map::new();
    for (slot, set) in sets {
        slots.insert(slot.clone(), to_json(set.record())?);
    }
    Ok(Value::Object(slots))
}
