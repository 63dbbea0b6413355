//! Drawings of graphs made by hand.

use super::layout::{WIDTH, lay_out};
use super::*;

fn node(kind: Kind, uid: &str, title: &str) -> LineageNode {
    LineageNode {
        kind,
        uid: uid.to_owned(),
        title: Some(title.to_owned()).filter(|title| !title.is_empty()),
        detail: None,
        in_trash: false,
        more_before: 0,
        more_after: 0,
    }
}

/// `raw` becomes `focus` in one run, beside `a3`, and this is read with `raw` by a second one.
fn sample() -> LineageGraph {
    let mut first = node(Kind::Run, "r1", "clean.py");
    first.more_before = 12;
    let mut focus = node(Kind::Artifact, "a1", "focus.h5ad");
    focus.detail = Some("version 2".to_owned());
    focus.more_after = 1;
    LineageGraph {
        nodes: vec![
            focus,
            first,
            node(Kind::Artifact, "a2", "raw.h5ad"),
            node(Kind::Artifact, "a3", ""),
            node(Kind::Run, "r2", "train.py"),
            node(Kind::Collection, "c1", "Models"),
        ],
        edges: vec![(0, 4), (1, 0), (1, 3), (2, 1), (2, 4), (4, 5)],
    }
}

fn alone(uid: &str, title: &str) -> LineageGraph {
    LineageGraph {
        nodes: vec![node(Kind::Artifact, uid, title)],
        edges: Vec::new(),
    }
}

#[test]
fn text_is_a_tree_in_both_directions() {
    let expected = "\
artifact a1 \"focus.h5ad\" (version 2)
made by
└─ run r1 of \"clean.py\"
   ├─ artifact a2 \"raw.h5ad\"
   ├─ ... and 12 more
   └─ also makes artifact a3
read by
├─ run r2 of \"train.py\"
│  ├─ collection c1 \"Models\"
│  └─ also reads artifact a2 \"raw.h5ad\"
└─ ... and 1 more
";
    assert_eq!(sample().to_text(), expected);
    let text = alone("a", "x").to_text();
    assert_eq!(
        text,
        "artifact a \"x\"\nno run is shown that made or reads it\n"
    );
}

#[test]
fn dot_names_every_node_and_edge() {
    let dot = sample().to_dot();
    assert!(dot.starts_with("digraph lineage {\n") && dot.ends_with("}\n"));
    let focus = "n0 [label=\"focus.h5ad\\nartifact a1\\nversion 2\\n1 more run that reads it\", p";
    assert!(dot.contains(focus), "{dot}");
    assert!(dot.contains("n3 [label=\"a3\\nartifact a3\"]"), "{dot}");
    assert!(dot.contains("12 more inputs\", fillcolor"), "{dot}");
    for (from, to) in sample().edges {
        assert!(dot.contains(&format!("  n{from} -> n{to}\n")), "{dot}");
    }
}

#[test]
fn names_are_escaped_everywhere() {
    let hostile =
        "</text><script>alert(\"1\")</script>&\\N\\\" ]; x -> y [\n\u{0}\u{1b}[2J\u{ffff}'";
    let graph = alone("\"><x", hostile);
    let svg = graph.to_svg();
    for refused in ["<script", "</script", "\"><x", "'", "&\\"] {
        assert!(!svg.contains(refused), "{svg}");
    }
    assert_eq!(
        svg.matches("</text>").count(),
        svg.matches("<text ").count()
    );
    let dot = graph.to_dot();
    let label = dot.lines().find(|line| line.contains("n0 [")).unwrap();
    // Neither a quote nor an escape of Graphviz's own gets through.
    assert!(label.contains("\\\\N\\\\\\\" ]; x"), "{label}");
    assert_eq!(dot.lines().count(), 6, "{dot}");
    for drawing in [svg, dot, graph.to_text()] {
        let refused = |c: char| (c.is_control() && c != '\n') || c == '\u{ffff}';
        assert!(!drawing.contains(refused), "{drawing:?}");
    }
}

#[test]
fn a_long_name_ends_inside_its_box() {
    let name = format!("{}/end.h5ad", "日本".repeat(5_000));
    let svg = alone("a", &name).to_svg();
    let shown = svg.split("<text ").nth(1).unwrap();
    assert!(
        shown.contains(">…") && shown.contains("/end.h5ad<"),
        "{shown}"
    );
    assert!(shown.chars().count() < 100, "{shown}");
}

#[test]
fn boxes_do_not_overlap_and_edges_lead_to_the_right() {
    // A diamond with a long edge and many leaves.
    let mut edges = vec![(0, 1), (1, 2), (1, 3), (2, 4), (3, 4), (0, 4), (4, 5)];
    edges.extend((6..40).map(|leaf| (leaf, 1)));
    let heights: Vec<f64> = (0..40)
        .map(|node| 30.0 + f64::from(node % 3) * 15.0)
        .collect();
    let layout = lay_out(&heights, &edges);
    assert_eq!(layout, lay_out(&heights, &edges));
    for (one, (x, y)) in layout.places.iter().enumerate() {
        assert!(*x >= 0.0 && x + WIDTH <= layout.width, "{one}");
        assert!(*y >= 0.0 && y + heights[one] <= layout.height, "{one}");
        for (other, (x2, y2)) in layout.places.iter().enumerate().skip(one + 1) {
            let apart = x != x2 || y + heights[one] < *y2 || y2 + heights[other] < *y;
            assert!(apart, "{one} and {other} overlap");
        }
    }
    for ((from, to), path) in edges.iter().zip(&layout.paths) {
        let (start, end) = (layout.places[*from], layout.places[*to]);
        let (first, last) = (path.first().unwrap(), path.last().unwrap());
        let near = |one: f64, other: f64| (one - other).abs() < 1e-6;
        assert!(near(first.0, start.0 + WIDTH) && near(last.0, end.0));
        assert!(near(first.1, start.1 + heights[*from] / 2.0), "{from}");
        assert!(near(last.1, end.1 + heights[*to] / 2.0), "{to}");
        let right = path.windows(2).all(|pair| pair[0].0 < pair[1].0);
        assert!(right, "{from} to {to}");
    }
    // The long edge has a place in each layer that it passes.
    assert_eq!(layout.paths[5].len(), 2 + 2 * 2);
}

#[test]
fn cycles_are_drawn_too() {
    let mut graph = sample();
    graph.edges = vec![(0, 4), (1, 0), (2, 1), (4, 2), (3, 3), (9, 1)];
    let text = graph.to_text();
    assert_eq!(text.matches("(see above)").count(), 2, "{text}");
    let svg = graph.to_svg();
    assert_eq!(svg.matches("<rect ").count(), 1 + graph.nodes.len());
    let layout = lay_out(&[30.0; 6], &graph.edges);
    // One of the four goes back, from its box's left to the other's right.
    let back = layout.paths.iter().filter(|path| match path.as_slice() {
        [first, .., last] => first.0 > last.0,
        _ => false,
    });
    assert_eq!(back.count(), 1);
    assert!(layout.paths[4].is_empty() && layout.paths[5].is_empty());
}

#[test]
fn nothing_to_draw_is_drawn() {
    let graph = LineageGraph {
        nodes: Vec::new(),
        edges: Vec::new(),
    };
    assert!(graph.to_text().is_empty());
    assert!(graph.to_svg().ends_with("</svg>\n"));
    assert!(graph.to_dot().ends_with("}\n"));
}

#[test]
fn the_suffix_says_the_format() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let graph = sample();
    for (name, drawing) in [
        ("a.svg", graph.to_svg()),
        ("a.dot", graph.to_dot()),
        ("a.gv", graph.to_dot()),
        ("a.txt", graph.to_text()),
    ] {
        graph.save(path(name)).unwrap();
        assert_eq!(std::fs::read_to_string(path(name)).unwrap(), drawing);
    }
    for name in ["a.png", "a", "missing/a.svg"] {
        let error = graph.save(path(name)).unwrap_err();
        assert!(error.context("path").is_some(), "{error:?}");
        assert!(!path(name).exists());
    }
}
