//! The lineage of a dataset as a graph: which runs made it of what, and what became of it. Pure
//! data, which is read from an instance by
//! [`Handle::view_lineage`](crate::instance::Handle::view_lineage), and drawn as text, DOT or SVG
//! with no program beside.
//!
//! The same graph gives the same drawing, byte by byte. Names are never trusted: whatever a
//! drawing could take for its own syntax is escaped.

mod dot;
mod layout;
mod svg;
mod text;

use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::record::Kind;
use crate::shown::plain;

/// A dataset or a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineageNode {
    /// Artifact, collection or run.
    pub kind: Kind,
    /// The uid.
    pub uid: String,
    /// What people know it by: key or name; for a run, that of its transform.
    pub title: Option<String>,
    /// The version of a dataset; the type of a run's transform and when the run began.
    pub detail: Option<String>,
    /// Whether it is in the trash.
    pub in_trash: bool,
    /// How many inputs of a run, or runs that made a dataset, were left out.
    pub more_before: u64,
    /// How many outputs of a run, or runs that read a dataset, were left out.
    pub more_after: u64,
}

impl LineageNode {
    /// What it is, in one line.
    fn label(&self) -> String {
        let title = self.title.as_deref().map(plain);
        let (kind, uid) = (self.kind, plain(&self.uid));
        let mut label = match (kind, title) {
            (Kind::Run, Some(title)) => format!("run {uid} of {title:?}"),
            (_, Some(title)) => format!("{kind} {uid} {title:?}"),
            (_, None) => format!("{kind} {uid}"),
        };
        let details = self.details();
        if !details.is_empty() {
            label.push_str(&format!(" ({details})"));
        }
        label
    }

    /// The detail, and whether it is in the trash.
    fn details(&self) -> String {
        let detail = self.detail.as_deref().map(|text| plain(text).into_owned());
        let trash = self.in_trash.then(|| "in the trash".to_owned());
        let details: Vec<String> = detail.into_iter().chain(trash).collect();
        details.join(", ")
    }

    /// What was left out before and after it, in words.
    fn left_out(&self) -> Vec<String> {
        let words = match self.kind {
            Kind::Run => [("input", "inputs"), ("output", "outputs")],
            _ => [
                ("run that made it", "runs that made it"),
                ("run that reads it", "runs that read it"),
            ],
        };
        let numbers = [self.more_before, self.more_after];
        let both = numbers.into_iter().zip(words);
        both.filter(|(number, _)| *number > 0)
            .map(|(number, (one, many))| {
                let what = if number == 1 { one } else { many };
                format!("{number} more {what}")
            })
            .collect()
    }
}

/// What a dataset was made of and what was made of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineageGraph {
    /// Datasets and runs, the dataset that was asked for first.
    pub nodes: Vec<LineageNode>,
    /// From inputs to runs and from runs to outputs, by index into the nodes, sorted.
    pub edges: Vec<(usize, usize)>,
}

impl LineageGraph {
    /// The graph as a tree of lines for a terminal: what the dataset was made of, then what was
    /// made of it. What is reached twice is spelled out once.
    pub fn to_text(&self) -> String {
        text::draw(self)
    }

    /// The graph in Graphviz's language.
    pub fn to_dot(&self) -> String {
        dot::draw(self)
    }

    /// The graph as a picture.
    pub fn to_svg(&self) -> String {
        svg::draw(self)
    }

    /// Writes the graph to a file, in the format that its suffix names: `.svg`, `.dot` (or `.gv`)
    /// or `.txt`.
    ///
    /// # Errors
    /// `Unsupported` for another suffix, `Storage` or `PermissionDenied` if it can't be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let suffix = path.extension().and_then(|suffix| suffix.to_str());
        let drawing = match suffix.unwrap_or_default() {
            "svg" => self.to_svg(),
            "dot" | "gv" => self.to_dot(),
            "txt" => self.to_text(),
            _ => {
                return Err(Error::unsupported(
                    "lineage is written to .svg, .dot, .gv or .txt; name such a file",
                )
                .with("path", path.display()));
            }
        };
        std::fs::write(path, drawing).map_err(|e| Error::io(path.display(), e))
    }

    /// The neighbours of every node, before and after it, in the order of nodes.
    fn neighbours(&self) -> Vec<(Vec<usize>, Vec<usize>)> {
        let mut neighbours = vec![(Vec::new(), Vec::new()); self.nodes.len()];
        for &(from, to) in &self.edges {
            if let Some((_, after)) = neighbours.get_mut(from) {
                after.push(to);
            }
            if let Some((before, _)) = neighbours.get_mut(to) {
                before.push(from);
            }
        }
        neighbours
    }
}

#[cfg(test)]
mod tests;
