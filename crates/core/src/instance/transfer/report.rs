//! What an import did.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::record::{Field, Kind, Record, Value};

/// A record that was not taken as it is, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LeftOut {
    /// The kind of record.
    pub kind: Kind,
    /// Its uid.
    pub uid: String,
    /// What people know it by, if it has such a name.
    pub title: Option<String>,
    /// Why, and what to do about it.
    pub reason: String,
}

impl LeftOut {
    /// A record that was left out for this reason.
    pub fn new(record: &Record, reason: impl Into<String>) -> Self {
        Self {
            kind: record.kind(),
            uid: record.uid().to_owned(),
            title: title(record),
            reason: reason.into(),
        }
    }
}

fn title(record: &Record) -> Option<String> {
    let fields = [record.kind().name_field(), Some(Field::Key)];
    let mut texts = fields.into_iter().flatten().map(|field| record.get(field));
    texts.find_map(|value| match value {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    })
}

/// What an import did. Doing it again adds what is new since.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct ImportReport {
    /// How many records of each kind are new to the instance.
    pub created: BTreeMap<Kind, u64>,
    /// How many records of each kind the instance had; they were not changed.
    pub known: BTreeMap<Kind, u64>,
    /// How many links of records that the instance had were added: labels, inputs and parents.
    pub links_added: u64,
    /// Transforms that the instance has with other source code. Runs belong to the transform that
    /// is there.
    pub different: Vec<LeftOut>,
    /// Records that were not taken, with what stands on them.
    pub left_out: Vec<LeftOut>,
}

impl ImportReport {
    /// How many records were looked at.
    pub fn total(&self) -> u64 {
        let counted = self.created.values().chain(self.known.values());
        counted.sum::<u64>() + self.left_out.len() as u64
    }
}
