//! Computing which features a dataset measures: the columns of `obs` and the index of `var` of its
//! AnnData, as feature sets in the slots of these names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::cache::local_paths;
use super::handle::Handle;
use super::retry::blocking;
use crate::anndata::{BackedAnnData, Element, MatrixKey};
use crate::error::Result;
use crate::record::{Artifact, Collection, Feature, FeatureSet};
use crate::registry::Data;
use crate::store::{DataType, StoreFormats};

/// Names with their dtypes, of one slot.
type Slot = BTreeMap<String, Option<String>>;

/// The features of some files.
#[derive(Debug, Default, PartialEq)]
struct Slots {
    obs: Slot,
    var: Slot,
}

impl Handle<Artifact> {
    /// Reads the features from the artifact, which must be AnnData, and keeps them in the slots
    /// `"obs"` and `"var"` instead of those that these had: the columns of `obs` with their
    /// dtypes, and the index of `var` with the dtype of `X`. A slot without features is left as
    /// it is. Both are written together, or none.
    ///
    /// # Errors
    /// `Unsupported` or `InvalidInput` if it is no AnnData that this build can open; `NotFound` if
    /// it is not in its storage any more; `Corrupt` or `Storage` if the file can't be read;
    /// `Backend` if the database fails.
    pub async fn compute_features(&self) -> Result<BTreeMap<String, Handle<FeatureSet>>> {
        let computed = async {
            self.db.formats().for_path(Path::new(&self.storage_key))?;
            let paths = local_paths(&self.db, std::slice::from_ref(self), &|_| {});
            compute(self, paths.await?).await
        };
        let computed = computed.await;
        computed.map_err(|e| e.operation("compute features").with("uid", &self.uid))
    }
}

impl Handle<Collection> {
    /// Reads the features from all artifacts, which must be AnnData, and keeps their union in the
    /// slots, as [`Handle::compute_features`] does for one artifact. A feature that is integer
    /// here and floating point there is floating point; one whose dtypes differ otherwise has
    /// none. The artifacts' own feature sets stay as they are.
    ///
    /// # Errors
    /// As for one artifact, for the first one that fails.
    pub async fn compute_features(&self) -> Result<BTreeMap<String, Handle<FeatureSet>>> {
        let computed = async { compute(self, self.anndata_paths().await?).await };
        let computed = computed.await;
        computed.map_err(|e| e.operation("compute features").with("uid", &self.uid))
    }
}

async fn compute<D: Data>(
    data: &Handle<D>,
    paths: Vec<PathBuf>,
) -> Result<BTreeMap<String, Handle<FeatureSet>>> {
    let formats = data.db.formats().clone();
    let slots = blocking(move || read(&formats, &paths)).await?;
    let slots = [("obs", slots.obs), ("var", slots.var)];
    let slots = slots.into_iter().filter(|(_, slot)| !slot.is_empty());
    let slots = slots.map(|(name, slot)| {
        let features = slot.into_iter();
        let features = features.map(|(name, dtype)| Feature { name, dtype });
        (name, features.collect())
    });
    data.set_slots(slots.collect()).await?;
    data.feature_sets().await
}

/// The union over files.
fn read(formats: &StoreFormats, paths: &[PathBuf]) -> Result<Slots> {
    let mut slots = Slots::default();
    for path in paths {
        let data = BackedAnnData::open(formats.open(path)?)?;
        for name in data.obs().columns() {
            let column = data.obs().column(name)?;
            let dtype = match column.encoding() {
                "categorical" => Some("cat"),
                _ => dtype(column.data_type()),
            };
            add(&mut slots.obs, name, dtype);
        }
        let of_x = match data.element(&MatrixKey::X)? {
            Some(Element::Matrix(matrix)) => dtype(matrix.data_type()),
            _ => None,
        };
        for name in data.var().index()?.iter() {
            add(&mut slots.var, name, of_x);
        }
    }
    Ok(slots)
}

fn add(slot: &mut Slot, name: &str, dtype: Option<&str>) {
    match slot.get_mut(name) {
        None => {
            slot.insert(name.to_owned(), dtype.map(str::to_owned));
        }
        Some(known) if known.as_deref() == dtype => {}
        Some(known) => {
            *known = match (known.as_deref(), dtype) {
                (Some("int"), Some("float")) | (Some("float"), Some("int")) => {
                    Some("float".to_owned())
                }
                _ => None,
            };
        }
    }
}

/// A type in lamindb's words.
fn dtype(data_type: &DataType) -> Option<&'static str> {
    Some(match data_type {
        DataType::Bool => "bool",
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64 => "int",
        DataType::Float16 | DataType::Float32 | DataType::Float64 => "float",
        DataType::String => "str",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dtypes_that_differ_become_the_wider_number_or_none() {
        let mut slot = Slot::new();
        for (name, dtype) in [
            ("same", Some("cat")),
            ("number", Some("int")),
            ("mixed", Some("str")),
            ("same", Some("cat")),
            ("number", Some("float")),
            ("mixed", Some("int")),
            ("number", Some("int")),
            ("mixed", Some("str")),
        ] {
            add(&mut slot, name, dtype);
        }
        let dtypes: Vec<_> = slot
            .iter()
            .map(|(n, d)| (n.as_str(), d.as_deref()))
            .collect();
        let expected = [
            ("mixed", None),
            ("number", Some("float")),
            ("same", Some("cat")),
        ];
        assert_eq!(dtypes, expected);
    }
}
