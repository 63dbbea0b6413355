//! The class behind `anndex.AnnDataAccessor`: an AnnData that stays in its file.

use std::path::PathBuf;

use anndex_core::anndata::{BackedAnnData, Element, InMemoryElement, Mapping, MatrixKey};
use anndex_core::{Error, Result};
use pyo3::prelude::*;

use crate::anndata::{Object, element, frame, mapping, unstructured, working};
use crate::error::guarded;
use crate::opened::open_store;

/// An opened file.
#[pyclass(frozen, module = "anndex._anndex")]
pub(crate) struct Backed(BackedAnnData);

impl Backed {
    fn element(&self, key: &str) -> Result<Option<Element>> {
        self.0.element(&match key.split_once('/') {
            Some(("layers", name)) => MatrixKey::Layer(name.to_owned()),
            Some(("obsm", name)) => MatrixKey::Obsm(name.to_owned()),
            Some((place, name)) => return self.0.aligned(mapping_of(place)?, name),
            None if key == "raw.X" => MatrixKey::RawX,
            None => MatrixKey::X,
        })
    }
}

/// What a mapping beside `layers` and `obsm` is called in Python.
fn mapping_of(place: &str) -> Result<Mapping> {
    match place {
        "obsp" => Ok(Mapping::Obsp),
        "varm" => Ok(Mapping::Varm),
        "varp" => Ok(Mapping::Varp),
        "raw.varm" => Ok(Mapping::RawVarm),
        _ => Err(Error::not_found(format!("there is no `{place}`"))),
    }
}

#[pymethods]
impl Backed {
    #[new]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        working(py, || BackedAnnData::open(open_store(&path)?)).map(Self)
    }

    fn shape(&self) -> (u64, u64) {
        (self.0.n_obs(), self.0.n_vars())
    }

    /// The annotations of `"obs"` or `"var"`.
    fn frame<'py>(&self, py: Python<'py>, axis: &str) -> Object<'py> {
        let read = working(py, || match axis {
            "obs" => self.0.obs().read(),
            _ => self.0.var().read(),
        })?;
        guarded(py, || frame(py, read))
    }

    /// The annotations of the variables of `raw`; `None` if there is no `raw`.
    fn raw_var<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let read = working(py, || self.0.raw_var()?.map(|var| var.read()).transpose())?;
        guarded(py, || read.map(|read| frame(py, read)).transpose())
    }

    /// The names in `"layers"`, `"obsm"`, `"varm"`, `"obsp"`, `"varp"` or `"raw.varm"`.
    fn keys(&self, py: Python<'_>, place: &str) -> PyResult<Vec<String>> {
        working(py, || match place {
            "layers" => self.0.layers_keys(),
            "obsm" => self.0.obsm_keys(),
            _ => self.0.names(mapping_of(place)?),
        })
    }

    /// Encoding, type and shape of `"X"`, `"raw.X"`, or `"layers/…"` and the same of other mappings;
    /// `None` if it is not there.
    fn matrix(&self, py: Python<'_>, key: &str) -> PyResult<Option<(String, String, Vec<u64>)>> {
        let found = working(py, || self.element(key))?;
        Ok(found.map(|found| match found {
            Element::Matrix(matrix) => (
                matrix.encoding().to_owned(),
                matrix.data_type().to_string(),
                matrix.shape(),
            ),
            Element::DataFrame(table) => {
                let shape = vec![table.len(), table.columns().len() as u64];
                ("dataframe".to_owned(), "mixed".to_owned(), shape)
            }
        }))
    }

    /// Rows, which rise, or all of them; of a table always all.
    fn rows<'py>(&self, py: Python<'py>, key: &str, rows: Option<Vec<u64>>) -> Object<'py> {
        let read = working(py, || {
            let found = self.element(key)?;
            let found = found.ok_or_else(|| Error::not_found(format!("there is no `{key}`")))?;
            match (&found, &rows) {
                (Element::Matrix(matrix), Some(rows)) => {
                    matrix.read_rows(rows).map(InMemoryElement::Matrix)
                }
                _ => found.read(),
            }
            .map_err(|error| error.with("path", self.0.store().location()))
        })?;
        guarded(py, || element(py, read))
    }

    fn uns<'py>(&self, py: Python<'py>) -> Object<'py> {
        let read = working(py, || self.0.uns())?;
        guarded(py, || mapping(py, read, unstructured))
    }
}
