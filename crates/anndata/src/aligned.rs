//! What of an AnnData is aligned to its variables, or to observations twice over.

use super::{BackedAnnData, Element, names_in};
use anndex_store::error::Result;

/// A mapping of an AnnData beside `layers` and `obsm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mapping {
    /// `obsp`: observations × observations.
    Obsp,
    /// `varm`: variables × anything.
    Varm,
    /// `varp`: variables × variables.
    Varp,
    /// `raw.varm`: the variables of `raw` × anything.
    RawVarm,
}

impl BackedAnnData {
    /// The names in a mapping, sorted.
    ///
    /// # Errors
    /// `Corrupt` or `Storage` if the store can't tell.
    pub fn names(&self, mapping: Mapping) -> Result<Vec<String>> {
        names_in(self.store(), self.mapping_path(mapping)?)
    }

    /// What a mapping has under a name; `None` if it is not there.
    ///
    /// # Errors
    /// `Corrupt` or `Unsupported` if its encoding can't be understood, or if its shape does not fit
    /// that of the AnnData.
    pub fn aligned(&self, mapping: Mapping, name: &str) -> Result<Option<Element>> {
        let path = self.mapping_path(mapping)?;
        let Some(element) = Element::open_child(self.store(), path, name)? else {
            return Ok(None);
        };
        let (rows, columns) = match mapping {
            Mapping::Obsp => (self.n_obs(), Some(self.n_obs())),
            Mapping::Varm => (self.n_vars(), None),
            Mapping::Varp => (self.n_vars(), Some(self.n_vars())),
            Mapping::RawVarm => (self.raw_var()?.map_or(0, |var| var.len()), None),
        };
        let checked = element.check_shape(rows, columns);
        checked.map_err(|error| error.with("path", self.store().location()))?;
        Ok(Some(element))
    }

    fn mapping_path(&self, mapping: Mapping) -> Result<&'static str> {
        Ok(match mapping {
            Mapping::Obsp => "obsp",
            Mapping::Varm => "varm",
            Mapping::Varp => "varp",
            // Up to 0.6 `raw` was flattened into the root.
            Mapping::RawVarm => match self.raw_var()? {
                Some(var) if var.path() == "raw.var" => "raw.varm",
                _ => "raw/varm",
            },
        })
    }
}
