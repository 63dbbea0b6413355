//! Records of one name that are not versions of each other. There may be such, but whoever makes
//! one is told: from then on the name alone finds neither.

use std::collections::HashMap;

use super::Instance;
use crate::backend::{Filter, OrderBy, Query};
use crate::error::Result;
use crate::record::{Field, Visibility};
use crate::registry::Registry;

/// What to tell who makes these records, none of which is a new version, if others not in the
/// trash, or several of them, have one name.
pub(super) async fn notice<'a, R: Registry>(
    db: &Instance,
    made: impl IntoIterator<Item = &'a R>,
) -> Result<Option<String>> {
    let Some(field) = R::NAME_FIELD else {
        return Ok(None);
    };
    let made: Vec<(String, String)> = made
        .into_iter()
        .filter_map(|record| Some((record.title()?, record.label())))
        .collect();
    if made.is_empty() {
        return Ok(None);
    }
    let names = made.iter().map(|(name, _)| name.as_str());
    let query = Query::new(R::KIND)
        .filter(Filter::is_in(field, names))
        .filter(Filter::ne(Field::Visibility, Visibility::Trash))
        .order(OrderBy::Field(Field::Id), false);
    let known = db.select::<R>(&query).await?;
    // Of several the newest is named.
    let mut labels: HashMap<String, String> = known
        .iter()
        .filter_map(|record| Some((record.title()?, record.label())))
        .collect();
    let others: Vec<String> = made
        .into_iter()
        .filter_map(|(name, label)| labels.insert(name, label))
        .collect();
    let advice = format!(
        "make a new version with is_new_version_of (--new-version-of), or give another {field}"
    );
    let kind = R::KIND;
    Ok(match others.as_slice() {
        [] => None,
        [other] => Some(format!(
            "{other} has the same {field} as a new {kind} that is not related to it; {advice}"
        )),
        [first, ..] => Some(format!(
            "{} new {kind}s each have the {field} of another one that is not related to it, as \
             {first}; {advice}",
            others.len()
        )),
    })
}
