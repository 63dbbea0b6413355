//! Finding the record that an argument means: by name, uid or the beginning of a uid.

use anndex::registry::uid;
use anndex::{Error, ErrorKind, Handle, QuerySet, Registry, Result};

/// Finds a record by its uid, its name (for artifacts, their key) or the beginning of its uid. A
/// record in the trash is found if there is no other one.
///
/// # Errors
/// `NotFound` if there is none, `InvalidInput` if several are meant.
pub(crate) async fn find<R: Registry>(records: QuerySet<R>, text: &str) -> Result<Handle<R>> {
    if let Some(found) = find_whole(&records, text).await? {
        return Ok(found);
    }
    let found = unless_missing(records.get(text).await)?;
    found.ok_or_else(|| {
        let kind = R::KIND;
        let name = name_of::<R>();
        let shortest = uid::SHORTEST_ABBREVIATION;
        let abbreviated = match text.len() < shortest {
            true => format!(" (a uid is abbreviated to {shortest} characters or more)"),
            false => String::new(),
        };
        Error::not_found(format!(
            "there is no {kind} with the {name} or uid {text:?}{abbreviated}; \
             `anndex {kind} list` shows all"
        ))
    })
}

/// Finds a record by its uid or name, neither of them abbreviated.
///
/// # Errors
/// `InvalidInput` if several are meant.
pub(crate) async fn find_whole<R: Registry>(
    records: &QuerySet<R>,
    text: &str,
) -> Result<Option<Handle<R>>> {
    if let Some(found) = records.get_whole(text).await? {
        return Ok(Some(found));
    }
    let hidden = records.clone().with_hidden();
    for shown in [records.clone(), hidden, records.clone().only_trash()] {
        if let Some(found) = unless_missing(shown.get_by_name(text).await)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// What people know records of a kind by.
pub(crate) fn name_of<R: Registry>() -> &'static str {
    R::NAME_FIELD.map_or("uid", |field| field.name())
}

fn unless_missing<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
