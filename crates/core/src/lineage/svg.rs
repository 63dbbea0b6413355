//! Lineage as a picture that every browser shows, laid out here.

use std::fmt::Write;

use super::layout::{Layout, WIDTH, lay_out};
use super::{LineageGraph, LineageNode};
use crate::record::Kind;
use crate::shown::plain;

/// Height of a line of text.
const LINE: f64 = 15.0;
/// Space between text and the border of its box, on each side.
const PADDING: f64 = 8.0;
/// How many characters of ordinary width fit into a box.
const FITTING: usize = 33;

pub(super) fn draw(graph: &LineageGraph) -> String {
    let lines: Vec<Vec<String>> = graph.nodes.iter().map(lines).collect();
    let heights: Vec<f64> = lines
        .iter()
        .map(|lines| lines.len() as f64 * LINE + 2.0 * PADDING)
        .collect();
    let layout = lay_out(&heights, &graph.edges);
    let mut svg = head(graph, &layout);
    let arrow = arrow(graph);
    for path in &layout.paths {
        // Writing to a String does not fail.
        let _ = writeln!(
            svg,
            "<path d=\"{}\" fill=\"none\" stroke=\"#696969\" marker-end=\"url(#{arrow})\"/>",
            curve(path)
        );
    }
    for (place, node) in graph.nodes.iter().enumerate() {
        if let (Some(at), Some(height), Some(lines)) = (
            layout.places.get(place),
            heights.get(place),
            lines.get(place),
        ) {
            draw_node(&mut svg, node, place == 0, *at, *height, lines);
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn head(graph: &LineageGraph, layout: &Layout) -> String {
    let title = graph.nodes.first().map(LineageNode::label);
    let title = escaped(&format!("Lineage of {}", title.unwrap_or_default()));
    let (width, height, arrow) = (layout.width, layout.height, arrow(graph));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" font-family=\"Helvetica, Arial, \
         sans-serif\" font-size=\"11\">\n<title>{title}</title>\n\
         <defs><marker id=\"{arrow}\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" \
         markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0,0 8,4 0,8z\" \
         fill=\"#696969\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
    )
}

/// The id of the arrow's head. Several pictures may stand on one page, where ids must differ.
fn arrow(graph: &LineageGraph) -> String {
    let uid = graph.nodes.first().map(|node| node.uid.as_str());
    let uid = uid.unwrap_or_default().chars();
    let uid: String = uid.filter(char::is_ascii_alphanumeric).collect();
    format!("arrow-{uid}")
}

fn draw_node(
    svg: &mut String,
    node: &LineageNode,
    is_focus: bool,
    (x, y): (f64, f64),
    height: f64,
    lines: &[String],
) {
    let (fill, stroke, thickness) = match (is_focus, node.kind) {
        (true, _) => ("#ffffff", "#000000", 2),
        (_, Kind::Run) => ("#ece8fa", "#a9a9a9", 1),
        _ => ("#ffffff", "#a9a9a9", 1),
    };
    let title = escaped(&node.label());
    // Writing to a String does not fail.
    let _ = writeln!(
        svg,
        "<g><title>{title}</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{WIDTH}\" \
         height=\"{height:.1}\" rx=\"6\" fill=\"{fill}\" stroke=\"{stroke}\" \
         stroke-width=\"{thickness}\"/>"
    );
    for (number, line) in lines.iter().enumerate() {
        let (x, y) = (x + PADDING, y + PADDING + (number as f64 + 0.75) * LINE);
        let fill = if number == 0 { "#000000" } else { "#696969" };
        let line = escaped(&fitting(line));
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{fill}\">{line}</text>"
        );
    }
    svg.push_str("</g>\n");
}

/// The lines in the box of a node.
fn lines(node: &LineageNode) -> Vec<String> {
    let title = node.title.as_deref().map(|text| plain(text).into_owned());
    let named = format!("{} {}", node.kind, plain(&node.uid));
    let details = Some(node.details()).filter(|details| !details.is_empty());
    let lines = title.into_iter().chain([named]).chain(details);
    lines.chain(node.left_out()).collect()
}

/// As much of a line as fits into a box; the end of a path tells more than its beginning.
fn fitting(line: &str) -> String {
    if line.chars().map(width).sum::<usize>() <= FITTING {
        return line.to_owned();
    }
    let mut left = FITTING - 1;
    let kept = line.chars().rev().take_while(|c| {
        let fits = width(*c) <= left;
        left = left.saturating_sub(width(*c));
        fits
    });
    let kept: Vec<char> = kept.collect();
    std::iter::once('…').chain(kept.into_iter().rev()).collect()
}

/// Twice as wide from where the scripts of East Asia and the pictographs are.
fn width(c: char) -> usize {
    match c {
        '\u{1100}'..='\u{11ff}' | '\u{2e80}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}' => 2,
        '\u{fe30}'..='\u{fe4f}' | '\u{ff00}'..='\u{ff60}' | '\u{1f000}'.. => 2,
        _ => 1,
    }
}

/// Through all points, from left to right at each of them.
fn curve(points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    let mut previous: Option<(f64, f64)> = None;
    for &(x, y) in points {
        let _ = match previous {
            None => write!(path, "M{x:.1},{y:.1}"),
            Some((from, level)) => {
                let middle = f64::midpoint(from, x);
                write!(
                    path,
                    " C{middle:.1},{level:.1} {middle:.1},{y:.1} {x:.1},{y:.1}"
                )
            }
        };
        previous = Some((x, y));
    }
    path
}

/// Text in XML, between tags or as an attribute.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
