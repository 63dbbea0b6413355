//! What stores lack: a matrix that none has is an error, an obs key that some lack is said, since
//! their observations have no value, and nothing else would tell why labels are not integers.

use super::keys::{Keys, missing};
use super::source::Source;
use anndex_anndata::{BackedAnnData, MatrixKey};
use anndex_store::error::Result;

/// So many stores are named.
const MOST_NAMED: usize = 5;

/// Checks that every matrix is in at least one of the stores, which are open: to look for it
/// before would open it twice.
pub(super) fn check_matrices(keys: &Keys, sources: &[Source]) -> Result<()> {
    let stores: Vec<&BackedAnnData> = sources.iter().map(Source::data).collect();
    for (number, key) in keys.matrices.iter().enumerate() {
        if !sources.iter().any(|source| source.matrix(number).is_some()) {
            let (kind, known): (&str, Result<Vec<Vec<String>>>) = match key {
                MatrixKey::Obsm(_) => (
                    "key of obsm",
                    stores.iter().map(|data| data.obsm_keys()).collect(),
                ),
                _ => (
                    "layer",
                    stores.iter().map(|data| data.layers_keys()).collect(),
                ),
            };
            let known = known?.into_iter().flatten().collect();
            let name = match key {
                MatrixKey::Obsm(name) => name.clone(),
                other => other.to_string(),
            };
            return Err(missing(kind, &name, known, &stores));
        }
    }
    Ok(())
}

/// A sentence for each obs key that stores with observations lack. What stores are called is in
/// `names`, or else where they are.
pub(super) fn notices(keys: &Keys, sources: &[Source], names: &[String]) -> Vec<String> {
    let keys = keys.obs.iter().enumerate();
    let notices = keys.filter_map(|(number, key)| {
        let all = sources.iter().enumerate();
        let lacking = all.filter(|(_, source)| source.n_obs() > 0 && source.lacks_obs(number));
        let lacking: Vec<(&str, u64)> = lacking
            .map(|(index, source)| {
                let name = names.get(index).map_or(source.location(), String::as_str);
                (name, source.n_obs())
            })
            .collect();
        let n_obs = sources.iter().map(Source::n_obs).sum();
        notice(key, &lacking, sources.len(), n_obs)
    });
    notices.collect()
}

fn notice(key: &str, lacking: &[(&str, u64)], n_stores: usize, n_obs: u64) -> Option<String> {
    let n_lacking: u64 = lacking.iter().map(|(_, n_obs)| n_obs).sum();
    if lacking.is_empty() {
        return None;
    }
    let named = lacking.iter().take(MOST_NAMED).map(|&(name, _)| name);
    let mut names = named.collect::<Vec<_>>().join(", ");
    if let more @ 1.. = lacking.len().saturating_sub(MOST_NAMED) {
        names.push_str(&format!(" and {more} more"));
    }
    Some(format!(
        "{} of {n_stores} files lack the column `{key}` of obs, so {n_lacking} of {n_obs} \
         observations have no value for it (in Python NaN, for which integers become float64); add \
         it to these files, or leave them out: {names}",
        lacking.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_files_are_named() {
        assert_eq!(notice("donor", &[], 3, 10), None);
        let locations = ["a", "b", "c", "d", "e", "f", "g"].map(|name| (name, 2));
        let said = notice("donor", &locations, 9, 100).unwrap();
        assert!(
            said.starts_with("7 of 9 files lack the column `donor`"),
            "{said}"
        );
        assert!(said.contains("14 of 100 observations"), "{said}");
        assert!(said.ends_with(": a, b, c, d, e and 2 more"), "{said}");
    }
}
