//! Finding the record that an argument means: by name, uid or the beginning of a uid.

use anndex::{Error, ErrorKind, Handle, QuerySet, Registry, Result};

/// Finds a record by its name (for artifacts, their key), its uid or the beginning of its uid. A
/// record in the trash is found if there is no other one.
///
/// # Errors
/// `NotFound` if there is none, `InvalidInput` if several are meant.
pub(crate) async fn find<R: Registry>(records: QuerySet<R>, text: &str) -> Result<Handle<R>> {
    if text.len() == R::UID_LENGTH
        && let Some(found) = unless_missing(records.get(text).await)?
    {
        return Ok(found);
    }
    for shown in [records.clone(), records.clone().only_trash()] {
        if let Some(found) = unless_missing(shown.get_by_name(text).await)? {
            return Ok(found);
        }
    }
    let found = unless_missing(records.get(text).await)?;
    found.ok_or_else(|| {
        let kind = R::KIND;
        let name = R::NAME_FIELD.map_or("uid", |field| field.name());
        Error::not_found(format!(
            "there is no {kind} with the {name} or uid {text:?}; `anndex {kind} list` shows all"
        ))
    })
}

fn unless_missing<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
