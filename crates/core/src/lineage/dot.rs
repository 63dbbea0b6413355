//! Lineage in Graphviz's language, for those who want to lay it out or style it themselves.

use std::fmt::Write;

use super::{LineageGraph, LineageNode};
use crate::record::Kind;
use crate::shown::plain;

pub(super) fn draw(graph: &LineageGraph) -> String {
    let mut dot = String::from(
        "digraph lineage {\n  rankdir=LR\n  node [shape=box, style=\"rounded,filled\", \
         fillcolor=white, color=darkgrey, fontname=Helvetica, fontsize=10]\n  \
         edge [arrowsize=0.5, color=dimgrey]\n",
    );
    for (place, node) in graph.nodes.iter().enumerate() {
        let style = match (place, node.kind) {
            (0, _) => ", penwidth=2, color=black",
            (_, Kind::Run) => ", fillcolor=\"#ece8fa\"",
            _ => "",
        };
        // Writing to a String does not fail.
        let _ = writeln!(dot, "  n{place} [label={}{style}]", label(node));
    }
    for (from, to) in &graph.edges {
        let _ = writeln!(dot, "  n{from} -> n{to}");
    }
    dot.push_str("}\n");
    dot
}

/// A quoted label of a few lines.
fn label(node: &LineageNode) -> String {
    let first = node.title.as_deref().unwrap_or(&node.uid);
    let lines = [
        first.to_owned(),
        format!("{} {}", node.kind, node.uid),
        node.details(),
    ];
    let lines = lines.into_iter().chain(node.left_out());
    let lines: Vec<String> = lines
        .filter(|line| !line.is_empty())
        .map(|line| plain(&line).replace('\\', "\\\\").replace('"', "\\\""))
        .collect();
    format!("\"{}\"", lines.join("\\n"))
}
