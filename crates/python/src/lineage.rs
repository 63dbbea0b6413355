//! The lineage of a dataset, read once, to be drawn as often as one likes.

use std::path::PathBuf;

use anndex::{LineageGraph, LineageNode};
use pyo3::prelude::*;

use crate::error::exception;

/// Kind, uid, title, detail, whether it is in the trash, and how many neighbours before and after
/// it were left out.
type Node = (
    &'static str,
    String,
    Option<String>,
    Option<String>,
    bool,
    u64,
    u64,
);

/// A graph of datasets and runs.
#[pyclass(frozen, module = "anndex._anndex")]
pub(crate) struct Lineage(pub(crate) LineageGraph);

#[pymethods]
impl Lineage {
    fn nodes(&self) -> Vec<Node> {
        let node = |node: &LineageNode| {
            (
                node.kind.as_str(),
                node.uid.clone(),
                node.title.clone(),
                node.detail.clone(),
                node.in_trash,
                node.more_before,
                node.more_after,
            )
        };
        self.0.nodes.iter().map(node).collect()
    }

    fn edges(&self) -> Vec<(usize, usize)> {
        self.0.edges.clone()
    }

    fn text(&self) -> String {
        self.0.to_text()
    }

    fn dot(&self) -> String {
        self.0.to_dot()
    }

    fn svg(&self) -> String {
        self.0.to_svg()
    }

    /// Writes it in the format that the suffix names.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        self.0.save(path).map_err(|error| exception(py, &error))
    }
}
