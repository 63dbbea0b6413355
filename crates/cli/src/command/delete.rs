//! Deleting records: to the trash, and from there back or for good.

use anndex::record::Record;
use anndex::{Error, ErrorKind, Handle, QuerySet, Registry, Result, Visibility};
use clap::Args;
use serde_json::json;

use crate::lookup::{find, find_whole, name_of};
use crate::output::plain;
use crate::quantity;
use crate::session::Session;

#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Uids, the first characters of uids, keys or names
    #[arg(required = true, value_name = "RECORD")]
    records: Vec<String>,
    /// Remove them for good instead of moving them to the trash; this needs whole uids, keys or
    /// names, and is asked about on a terminal
    #[arg(long)]
    permanent: bool,
    /// Remove without a question; scripts need this, since nobody can be asked there
    #[arg(long, requires = "permanent")]
    yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// Uids, the first characters of uids, keys or names
    #[arg(required = true, value_name = "RECORD")]
    records: Vec<String>,
}

/// Takes records out of the trash.
pub(crate) async fn restore<R: Registry>(
    records: QuerySet<R>,
    arguments: &Restore,
) -> Result<Vec<Handle<R>>> {
    let mut found = Vec::new();
    for text in &arguments.records {
        // What is in the trash is meant first: another record may have the name by now.
        found.push(match find(records.clone().only_trash(), text).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                find(records.clone(), text).await?
            }
            found => found?,
        });
    }
    for record in &mut found {
        record.restore().await?;
    }
    Ok(found)
}

/// Deletes records. One that is in the trash already is removed for good if the user says so when
/// asked; where there is nobody to ask it is an error.
pub(crate) async fn run<R: Registry>(
    session: &Session,
    records: QuerySet<R>,
    arguments: &Delete,
) -> Result<()> {
    // A record that does not exist is noticed before the first one is deleted.
    let (mut trashed, mut removed) = (Vec::new(), Vec::new());
    for text in &arguments.records {
        let whole = find_whole(&records, text).await?;
        let is_whole = whole.is_some();
        let record = match whole {
            Some(record) => record,
            None => find(records.clone(), text).await?,
        };
        let is_permanent = arguments.permanent || record.visibility() == Visibility::Trash;
        if is_permanent && !is_whole {
            return Err(abbreviated(text, &record, arguments));
        }
        let found = match is_permanent {
            true => &mut removed,
            false => &mut trashed,
        };
        // Who names a record twice means it once.
        if !found.iter().any(|one: &Handle<R>| one.id() == record.id()) {
            found.push(record);
        }
    }
    if !removed.is_empty() && !is_meant(session, &removed, arguments)? {
        removed.clear();
    }
    let mut deleted = Vec::new();
    let trashed = trashed.into_iter().map(|record| (record, false));
    let removed = removed.into_iter().map(|record| (record, true));
    for (mut record, is_permanent) in trashed.chain(removed) {
        session.interrupt.check()?;
        record.delete(is_permanent.then_some(true)).await?;
        deleted.push(json!({
            "uid": record.uid(),
            "permanent": is_permanent,
        }));
        if !session.output.is_json() {
            let label = plain(&record.label()).into_owned();
            session.output.line(match is_permanent {
                true => format!("removed {label}"),
                false => format!("moved {label} to the trash"),
            })?;
        }
    }
    match session.output.is_json() {
        true => session.output.json(&deleted),
        false => Ok(()),
    }
}

/// Whether the user wants these records to be removed for good.
///
/// # Errors
/// `InvalidInput` if the command line does not say so and nobody can be asked.
fn is_meant<R: Registry>(
    session: &Session,
    records: &[Handle<R>],
    arguments: &Delete,
) -> Result<bool> {
    if arguments.yes {
        return Ok(true);
    }
    let what: Vec<String> = records.iter().map(described).collect::<Result<_>>()?;
    let listed = what.join("\n  ");
    if let Some(answer) =
        session.confirm(&format!("To be removed for good:\n  {listed}\nGo on?"))?
    {
        return Ok(answer);
    }
    Err(Error::invalid_input(match arguments.permanent {
        true => format!(
            "nobody can be asked here; add --yes to remove for good: {}",
            what.join("; ")
        ),
        false => format!(
            "in the trash already: {}; remove it for good with --permanent --yes, or take it out \
             with `anndex {} restore`",
            what.join("; "),
            R::KIND
        ),
    }))
}

/// A record with what goes with it.
fn described<R: Registry>(record: &Handle<R>) -> Result<String> {
    let label = plain(&record.label()).into_owned();
    Ok(match record.record().clone().into() {
        Record::Artifact(artifact) => {
            let size = artifact.size.and_then(|size| u64::try_from(size).ok());
            let size = size.map_or_else(String::new, |size| {
                format!(" of {}", quantity::bytes(size as f64))
            });
            match record.instance().attach(artifact)?.has_copy() {
                true => format!("{label}, with its copy{size}"),
                false => format!("{label}, but not its file"),
            }
        }
        Record::Collection(_) => format!("{label}, but not its artifacts"),
        _ => label,
    })
}

/// Nothing is removed for good by a part of its uid.
fn abbreviated<R: Registry>(text: &str, record: &Handle<R>, arguments: &Delete) -> Error {
    let label = record.label();
    let trash = match arguments.permanent {
        true => "",
        false => ", which is in the trash already",
    };
    Error::invalid_input(format!(
        "{text:?} is the beginning of the uid of {}{trash}; what is removed for good is named by \
         its whole uid or its {}",
        plain(&label),
        name_of::<R>()
    ))
}
