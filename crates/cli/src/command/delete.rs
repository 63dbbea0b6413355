//! Deleting records: to the trash, and from there back or for good.

use anndex::{ErrorKind, Handle, QuerySet, Registry, Result, Visibility};
use clap::Args;
use serde_json::json;

use crate::lookup::find;
use crate::session::Session;

#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Their uids, the beginnings of them, or their keys or names
    #[arg(required = true, value_name = "RECORD")]
    records: Vec<String>,
    /// Remove them for good instead of moving them to the trash
    #[arg(long)]
    permanent: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// Their uids, the beginnings of them, or their keys or names
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
    let mut found = Vec::new();
    for text in &arguments.records {
        found.push(find(records.clone(), text).await?);
    }
    let mut deleted = Vec::new();
    for mut record in found {
        session.interrupt.check()?;
        let Some(permanent) = is_permanent(session, &record, arguments)? else {
            continue;
        };
        record.delete(permanent).await?;
        deleted.push(json!({
            "uid": record.uid(),
            "permanent": permanent == Some(true),
        }));
        if !session.output.is_json() {
            let label = crate::output::plain(&record.label()).into_owned();
            session.output.line(match permanent {
                Some(true) => format!("removed {label}"),
                _ => format!("moved {label} to the trash"),
            })?;
        }
    }
    match session.output.is_json() {
        true => session.output.json(&deleted),
        false => Ok(()),
    }
}

/// What to say to `delete`; `None` if the user does not want it after all.
fn is_permanent<R: Registry>(
    session: &Session,
    record: &Handle<R>,
    arguments: &Delete,
) -> Result<Option<Option<bool>>> {
    if arguments.permanent {
        return Ok(Some(Some(true)));
    }
    if record.visibility() != Visibility::Trash {
        return Ok(Some(None));
    }
    let label = crate::output::plain(&record.label()).into_owned();
    let answer = session.confirm(&format!("{label} is in the trash. Remove it for good?"))?;
    Ok(match answer {
        None => Some(None),
        Some(true) => Some(Some(true)),
        Some(false) => None,
    })
}
