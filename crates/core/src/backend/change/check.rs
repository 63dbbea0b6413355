//! Whether changes fit the model.

use super::{Change, NewRecord, Target};
use crate::error::{Error, Result};
use crate::record::{Field, Kind};

/// The largest number of characters of a slot.
const LONGEST_SLOT: usize = 255;

/// Checks every change, knowing what those before it insert.
pub(super) fn changes(changes: &[Change]) -> Result<()> {
    let mut inserted = Vec::new();
    for change in changes {
        check_change(change, &inserted)?;
        if let Change::Insert { record, .. } = change {
            inserted.push(record.kind());
        }
    }
    Ok(())
}

fn check_change(change: &Change, inserted: &[Kind]) -> Result<()> {
    match change {
        Change::Insert { record, references } => {
            let kind = record.kind();
            if record.id().is_some() {
                return Err(Error::invalid_input(format!(
                    "this {kind} has an id, so it is in a database already"
                ))
                .with("uid", record.uid()));
            }
            if record.uid().is_empty() {
                return Err(Error::invalid_input(format!("this {kind} has no uid")));
            }
            for info in kind.fields() {
                if let Some(value) = record.get(info.field) {
                    info.check(&value)
                        .map_err(|e| e.with("uid", record.uid()))?;
                }
            }
            references.iter().try_for_each(|(field, new)| {
                let references = kind.field(*field).and_then(|info| info.references);
                let references = references.ok_or_else(|| {
                    let record = kind.with_article();
                    Error::invalid_input(format!("{field} of {record} refers to no record"))
                })?;
                check_target(Target::New(*new), references, inserted)
            })
        }
        Change::Update { kind, record, set } => {
            check_target(*record, *kind, inserted)?;
            set.iter().try_for_each(|(field, value)| match field {
                Field::Id | Field::Uid => {
                    Err(Error::invalid_input(format!("the {field} never changes")))
                }
                field => kind
                    .field(*field)
                    .ok_or_else(|| {
                        let record = kind.with_article();
                        Error::invalid_input(format!("{record} has no field {field}"))
                    })?
                    .check(value),
            })
        }
        Change::Delete { .. } | Change::Unlink { .. } => Ok(()),
        Change::Link {
            kind,
            source,
            target,
            position,
            slot,
        } => {
            check_target(*source, kind.source(), inserted)?;
            check_target(*target, kind.target(), inserted)?;
            if position.is_some() != kind.is_ordered() || slot.is_some() != kind.has_slot() {
                return Err(Error::invalid_input(format!(
                    "{} takes {} position and {} slot",
                    kind.as_str(),
                    if kind.is_ordered() { "a" } else { "no" },
                    if kind.has_slot() { "a" } else { "no" },
                )));
            }
            slot.as_deref().map_or(Ok(()), check_slot)
        }
    }
}

/// A slot is a name, with the limits of one.
fn check_slot(slot: &str) -> Result<()> {
    let chars = slot.chars().count();
    let problem = if slot.is_empty() {
        "is empty; give it a name".to_owned()
    } else if slot.contains('\0') {
        "has a NUL character; remove it".to_owned()
    } else if chars > LONGEST_SLOT {
        format!("has {chars} characters, at most {LONGEST_SLOT} are allowed")
    } else {
        return Ok(());
    };
    Err(Error::invalid_input(format!("the slot {problem}")))
}

fn check_target(target: Target, kind: Kind, inserted: &[Kind]) -> Result<()> {
    match target {
        Target::Existing(_) => Ok(()),
        Target::New(new) => match inserted.get(new.0) {
            Some(found) if *found == kind => Ok(()),
            Some(found) => Err(Error::invalid_input(format!(
                "insert {} makes {}, but {} is meant",
                new.0,
                found.with_article(),
                kind.with_article()
            ))),
            None => Err(no_such_insert(new)),
        },
    }
}

pub(super) fn no_such_insert(new: NewRecord) -> Error {
    Error::invalid_input(format!("no insert {} comes before", new.0))
}
