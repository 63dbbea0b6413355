//! Where lamindb keeps the bytes of an artifact.

use anndex_core::instance::LeftOut;
use anndex_core::record::{Record, Value, ValueType};

use crate::table::Row;

/// What says where an artifact is, and whether it is there.
pub(crate) const COLUMNS: [(&str, ValueType); 4] = [
    ("_real_key", ValueType::Text),
    ("_key_is_virtual", ValueType::Boolean),
    ("_overwrite_versions", ValueType::Boolean),
    ("_aux", ValueType::Text),
];

/// Where artifacts are whose keys say nothing of it.
const MANAGED: &str = ".lamindb/";

/// The length of the part of a uid that all versions share.
const STEM: usize = 16;

/// The artifact with its place in storage.
///
/// # Errors
/// Why it is left out, if its content is not completely there.
pub(crate) fn placed(row: Row) -> Result<Record, LeftOut> {
    let Row { record, more } = row;
    let Record::Artifact(mut artifact) = record else {
        return Ok(record);
    };
    let [real_key, is_virtual, overwrites, aux] = &more[..] else {
        return Ok(artifact.into());
    };
    let is_ongoing = matches!(aux, Value::Text(text) if is_ongoing(text));
    let yes = Value::Boolean(true);
    artifact.storage_completed = true;
    artifact.storage_key = match (real_key, &artifact.key) {
        (Value::Text(real_key), _) => real_key.clone(),
        (_, Some(key)) if *is_virtual != yes => key.clone(),
        _ => {
            let uid = match *overwrites == yes {
                // A directory that each version replaces.
                true => artifact.uid.get(..STEM).unwrap_or(&artifact.uid),
                false => &artifact.uid,
            };
            format!("{MANAGED}{uid}{}", artifact.suffix)
        }
    };
    let artifact = Record::from(artifact);
    match is_ongoing {
        true => Err(LeftOut::new(
            &artifact,
            "its upload has not ended; save it again with lamindb, then import again",
        )),
        false => Ok(artifact),
    }
}

/// What lamindb notes while it uploads.
fn is_ongoing(aux: &str) -> bool {
    let aux: Option<serde_json::Value> = serde_json::from_str(aux).ok();
    aux.is_some_and(|aux| aux.get("so").and_then(serde_json::Value::as_i64) == Some(1))
}
