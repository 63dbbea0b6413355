//! The encoders of a collection, made of the labels of all stores.

use std::collections::HashSet;
use std::sync::Arc;

use rayon::prelude::*;

use super::encoder::Encoder;
use super::keys::Keys;
use super::options::UnknownLabel;
use super::source::Source;
use anndex_anndata::{Column, Label};
use anndex_store::error::{Error, Result};
use anndex_store::operation::carried;

/// Builds the encoders of all encoded keys, and gives each source its own.
pub(super) fn build(
    sources: &mut [Source],
    keys: &Keys,
    unknown_label: &UnknownLabel,
) -> Result<Vec<(String, Arc<Encoder>)>> {
    let mut encoders = Vec::with_capacity(keys.encoded.len());
    for key in &keys.encoded {
        let labels = merged_categories(sources, keys, key)?;
        let unknown = match unknown_label {
            UnknownLabel::None => None,
            UnknownLabel::All(label) => Some(label),
            UnknownLabel::Keys(labels) => labels.get(key),
        };
        let encoder = Encoder::new(labels, unknown).map_err(|e| e.with("key", key))?;
        let encoder = Arc::new(encoder);
        for source in sources.iter_mut() {
            source.set_encoder(keys, key, &encoder);
        }
        encoders.push((key.clone(), encoder));
    }
    Ok(encoders)
}

/// The distinct labels of an obs key over all sources, in no order.
fn merged_categories(sources: &[Source], keys: &Keys, obs_key: &str) -> Result<Vec<Label>> {
    let position = keys.obs.iter().position(|key| key == obs_key);
    let kept: Option<Vec<_>> = sources
        .iter()
        .map(|source| source.kept_column(position?))
        .collect();
    match kept {
        Some(columns) => Ok(distinct(columns.into_iter().flatten())),
        None => read_columns(sources, obs_key).map(|columns| distinct(columns.iter().flatten())),
    }
}

/// One column per store, `None` where it lacks it.
///
/// # Errors
/// `NotFound` if all lack it; `Corrupt` or `Storage` if it can't be read.
pub(super) fn read_columns(sources: &[Source], obs_key: &str) -> Result<Vec<Option<Column>>> {
    let columns: Result<Vec<_>> = sources
        .par_iter()
        .map(carried(|source: &Source| source.read_column(obs_key)))
        .collect();
    let columns = columns?;
    if columns.iter().all(Option::is_none) {
        return Err(Error::not_found("no store has this column of obs").with("key", obs_key));
    }
    Ok(columns)
}

/// The distinct labels of columns, in no order.
pub(super) fn distinct<'a>(columns: impl Iterator<Item = &'a Column>) -> Vec<Label> {
    let mut labels = HashSet::new();
    for column in columns {
        match column {
            Column::Categorical(categorical) => {
                let categories = categorical.categories();
                labels.extend((0..categories.len()).map(|code| categories.label(code)));
            }
            Column::Values { .. } => labels.extend(column.labels()),
        }
    }
    labels.remove(&Label::Missing);
    labels.into_iter().collect()
}
