//! Lineage as a tree of lines. A graph is not a tree, so what was drawn before is named again, and
//! marked.

use super::{LineageGraph, LineageNode};
use crate::record::Kind;

/// Which way a tree is walked.
#[derive(Clone, Copy)]
enum Way {
    Before,
    After,
}

struct Tree<'a> {
    nodes: &'a [LineageNode],
    neighbours: Vec<(Vec<usize>, Vec<usize>)>,
    way: Way,
    /// What has been spelled out, each once.
    drawn: Vec<bool>,
    lines: String,
}

pub(super) fn draw(graph: &LineageGraph) -> String {
    let Some(focus) = graph.nodes.first() else {
        return String::new();
    };
    let mut page = format!("{}\n", focus.label());
    let mut is_alone = true;
    for (way, heading) in [(Way::Before, "made by"), (Way::After, "read by")] {
        let mut tree = Tree {
            nodes: &graph.nodes,
            neighbours: graph.neighbours(),
            way,
            drawn: vec![false; graph.nodes.len()],
            lines: String::new(),
        };
        tree.below(0, "");
        if !tree.lines.is_empty() {
            is_alone = false;
            page.push_str(&format!("{heading}\n{}", tree.lines));
        }
    }
    if is_alone {
        page.push_str("no run is shown that made or reads it\n");
    }
    page
}

/// A line below a node: another node, or words on what else there is.
enum Line {
    Node(usize),
    Words(String),
}

impl Tree<'_> {
    /// Draws what is below a node that has just been named.
    fn below(&mut self, node: usize, indent: &str) {
        if let Some(drawn) = self.drawn.get_mut(node) {
            *drawn = true;
        }
        let lines = self.lines_of(node);
        let last = lines.len().saturating_sub(1);
        for (place, line) in lines.into_iter().enumerate() {
            let (branch, further) = match place == last {
                true => ("└─ ", "   "),
                false => ("├─ ", "│  "),
            };
            let (text, next) = match line {
                Line::Words(words) => (words, None),
                Line::Node(next) => match self.nodes.get(next) {
                    Some(known) if self.drawn.get(next) == Some(&true) => {
                        (format!("{} (see above)", known.label()), None)
                    }
                    Some(new) => (new.label(), Some(next)),
                    None => continue,
                },
            };
            self.lines.push_str(&format!("{indent}{branch}{text}\n"));
            if let Some(next) = next {
                self.below(next, &format!("{indent}{further}"));
            }
        }
    }

    /// What stands below a node: what it leads to, what was left out of that, and for a run also
    /// what else it reads or makes.
    fn lines_of(&self, node: usize) -> Vec<Line> {
        let (Some(this), Some((before, after))) = (self.nodes.get(node), self.neighbours.get(node))
        else {
            return Vec::new();
        };
        let ((ahead, more_ahead), (behind, more_behind), beside) = match self.way {
            Way::Before => (
                (before, this.more_before),
                (after, this.more_after),
                "also makes",
            ),
            Way::After => (
                (after, this.more_after),
                (before, this.more_before),
                "also reads",
            ),
        };
        let mut lines: Vec<Line> = ahead.iter().map(|next| Line::Node(*next)).collect();
        if more_ahead > 0 {
            lines.push(Line::Words(format!("... and {more_ahead} more")));
        }
        if this.kind == Kind::Run {
            // What is drawn is where the run was reached from.
            let others = behind
                .iter()
                .filter(|one| self.drawn.get(**one) == Some(&false));
            let others = others.filter_map(|one| self.nodes.get(*one));
            lines.extend(others.map(|one| Line::Words(format!("{beside} {}", one.label()))));
            if more_behind > 0 {
                lines.push(Line::Words(format!("{beside} {more_behind} more")));
            }
        }
        lines
    }
}
