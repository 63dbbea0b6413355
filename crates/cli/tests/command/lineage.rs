//! `anndex artifact lineage` and `anndex collection lineage`.

use std::fs;

use serde_json::json;

use crate::support::Workplace;

#[test]
fn lineage_is_printed_and_written() {
    let workplace = Workplace::new();
    let added = workplace.add_files();
    workplace.ok(&["collection", "create", "Both", "a.h5ad", "b.zarr"]);
    let prepared = ["prepare", "Both", "--out", "out", "--name", "Prepared <1>"];
    workplace.ok(&prepared);

    let text = workplace.ok(&["collection", "lineage", "Prepared <1>"]);
    assert!(text.contains("made by\n└─ run "), "{text}");
    assert!(
        text.contains("of \"anndex prepare\"") && text.contains("\"Both\""),
        "{text}"
    );
    let forth = workplace.ok(&["collection", "lineage", "Both"]);
    assert!(
        forth.contains("read by") && forth.contains("Prepared <1>"),
        "{forth}"
    );
    let back = workplace.ok(&["collection", "lineage", "Both", "--no-children"]);
    assert!(!back.contains("read by"), "{back}");
    let none = workplace.ok(&["artifact", "lineage", &added[2]]);
    assert!(none.contains("no run"), "{none}");

    let dot = workplace.ok(&["collection", "lineage", "Both", "--format", "dot"]);
    assert!(dot.starts_with("digraph lineage {"), "{dot}");
    let svg = workplace.ok(&["collection", "lineage", "Both", "--format", "svg"]);
    assert!(
        svg.starts_with("<svg ") && svg.contains("Prepared &lt;1&gt;"),
        "{svg}"
    );
    let graph = workplace.json(&["collection", "lineage", "Both", "--limit", "1"]);
    assert_eq!(graph["nodes"][0]["more_after"], json!(1));
    assert_eq!(graph["edges"], json!([]));

    for (name, drawing) in [("l.svg", &svg), ("l.dot", &dot)] {
        workplace.ok(&["collection", "lineage", "Both", "--output", name]);
        assert_eq!(&fs::read_to_string(workplace.path(name)).unwrap(), drawing);
    }
    let refused = ["collection", "lineage", "Both", "--output", "l.png"];
    let (code, error) = workplace.fails(&refused);
    assert_eq!(code, 5, "{error}");
    assert!(!workplace.path("l.png").exists());
    let (code, _) = workplace.fails(&["collection", "lineage", "Both", "--limit", "0"]);
    assert_eq!(code, 2);
    let (code, _) = workplace.fails(&["artifact", "lineage", "none"]);
    assert_eq!(code, 3);
}
