//! The runs that made a record, from the first to the last.
//!
//! lamindb keeps the first run as the record's own and adds those that made it again; here the last
//! one is the record's own, and those before are its previous runs.

use anndex_core::Result;
use anndex_core::record::{Field, Id, Link, LinkKind, Record, Value};

/// Gives a record its last run; the links to those before.
pub(crate) fn settle(
    record: &mut Record,
    kind: LinkKind,
    source: Id,
    again: &[Id],
) -> Result<Vec<Link>> {
    let mut runs = Vec::new();
    if let Some(Value::Integer(first)) = record.get(Field::Run) {
        runs.push(first);
    }
    runs.extend_from_slice(again);
    let Some(last) = runs.pop() else {
        return Ok(Vec::new());
    };
    record.set(Field::Run, last.into())?;
    let mut previous: Vec<Id> = Vec::new();
    for run in runs {
        if run != last && !previous.contains(&run) {
            previous.push(run);
        }
    }
    let links = previous
        .into_iter()
        .zip(0..)
        .map(|(target, position)| Link {
            kind,
            source,
            target,
            position: Some(position),
            slot: None,
        });
    Ok(links.collect())
}
