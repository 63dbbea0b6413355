//! The keys that samples consist of, checked against what stores have.

use anndex_anndata::{BackedAnnData, MatrixKey};
use anndex_store::error::{Error, Result};

/// The keys that samples consist of, each once.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) matrices: Vec<MatrixKey>,
    pub(super) obs: Vec<String>,
    pub(super) encoded: Vec<String>,
    pub(super) filtered: Vec<String>,
}

impl Keys {
    /// Checks that every column is in at least one store, so that a typing error is not taken for
    /// an empty column.
    pub(super) fn check_columns(&self, stores: &[&BackedAnnData]) -> Result<()> {
        for key in self.obs.iter().chain(&self.filtered) {
            let has = |data: &&BackedAnnData| {
                data.obs().index_name() == key || data.obs().columns().contains(key)
            };
            if !stores.iter().any(has) {
                let columns = stores.iter().flat_map(|data| data.obs().columns());
                return Err(missing(
                    "column of obs",
                    key,
                    columns.cloned().collect(),
                    stores,
                ));
            }
        }
        Ok(())
    }
}

/// The error for a key that no store has, with those that they have.
pub(super) fn missing(
    kind: &str,
    key: &str,
    mut known: Vec<String>,
    stores: &[&BackedAnnData],
) -> Error {
    known.sort();
    known.dedup();
    let known = if known.is_empty() {
        "there are none".to_owned()
    } else {
        format!("there are: {}", known.join(", "))
    };
    let location = stores
        .first()
        .map(|data| data.store().location())
        .unwrap_or_default();
    let error = Error::not_found(format!("no store has this {kind}; {known}")).with("key", key);
    if stores.len() == 1 {
        error.with("path", location)
    } else {
        error.with("path", format!("{location} and {} more", stores.len() - 1))
    }
}
