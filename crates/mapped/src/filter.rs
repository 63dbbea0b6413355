//! Selecting observations by their annotations.

use std::collections::HashSet;

use anndex_anndata::{BackedAnnData, Column, Label};
use anndex_store::error::Result;

/// The rows that meet all conditions (a column holds one of the values), in order; `None` if
/// there are no conditions. A store that lacks a column contributes nothing.
pub(super) fn select(
    data: &BackedAnnData,
    conditions: &[(String, Vec<Label>)],
) -> Result<Option<Vec<u64>>> {
    if conditions.is_empty() {
        return Ok(None);
    }
    let mut selected: Vec<u64> = (0..data.n_obs()).collect();
    for (name, values) in conditions {
        if !data.obs().columns().contains(name) && data.obs().index_name() != name {
            return Ok(Some(Vec::new()));
        }
        let column = data.obs().read_column(name)?;
        let wanted: HashSet<&Label> = values.iter().collect();
        match &column {
            Column::Categorical(categorical) => {
                // Compared once per category, not once per row.
                let categories = categorical.categories();
                let keep: Vec<bool> = (0..categories.len())
                    .map(|code| wanted.contains(&categories.label(code)))
                    .collect();
                let keep_missing = wanted.contains(&Label::Missing);
                let codes = categorical.codes();
                selected.retain(|&row| match usize::try_from(codes[row as usize]) {
                    Ok(code) => keep[code],
                    Err(_) => keep_missing,
                });
            }
            Column::Values { .. } => {
                selected.retain(|&row| wanted.contains(&column.label(row as usize)));
            }
        }
    }
    Ok(Some(selected))
}
