//! Texts that records are made with, checked before anything is read or written for them.

use crate::error::{Error, Result};
use crate::record::{Field, Kind};

/// Refuses texts that their fields can't hold, before anything is read or written for them.
pub(super) fn check_texts<const N: usize>(
    kind: Kind,
    texts: [(Field, &Option<String>); N],
) -> Result<()> {
    for (field, text) in texts {
        if let (Some(info), Some(text)) = (kind.field(field), text) {
            info.check(&text.into())?;
        }
    }
    Ok(())
}

/// Refuses a blank name where a record must have one.
pub(super) fn check_name(kind: Kind, name: &str) -> Result<()> {
    let info = kind.field(Field::Name);
    if info.is_some_and(|info| !info.nullable) && name.trim().is_empty() {
        return Err(Error::invalid_input(format!(
            "the name of the {kind} is empty; give one"
        )));
    }
    Ok(())
}
