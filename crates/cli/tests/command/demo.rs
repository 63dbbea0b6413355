//! The demo ends well whatever files it gets.

use crate::support::{Workplace, dense, write_anndata};

fn titles(document: &serde_json::Value) -> Vec<&str> {
    let steps = document["steps"].as_array().unwrap();
    steps
        .iter()
        .map(|step| step["title"].as_str().unwrap())
        .collect()
}

#[test]
fn with_simulated_files() {
    let workplace = Workplace::empty();
    let text = workplace.ok(&["demo"]);
    let parts = [
        "1. Two simulated donors",
        "Map the collection",
        "1,700 genes: those that all files have",
        "2,300 genes: those that any file has",
        "Megakaryocyte",
        "refused",
        "read  collection",
        "Where to go next",
    ];
    for part in parts {
        assert!(text.contains(part), "{part}: {text}");
    }
    let document = workplace.json(&["demo"]);
    assert_eq!(titles(&document).len(), 10);
    let left = std::fs::read_dir(workplace.path("")).unwrap().count();
    assert_eq!(left, 0, "nothing is left behind");
}

#[test]
fn with_files_that_do_not_suit_each_other() {
    let workplace = Workplace::empty();
    write_anndata(
        &workplace.path("a.h5ad"),
        &["g1", "g2", "g3"],
        dense(&[1.; 6]),
        Some(&["T", "B"]),
    );
    write_anndata(
        &workplace.path("b.zarr"),
        &["g4", "g5", "g6"],
        dense(&[2.; 6]),
        None,
    );
    write_anndata(
        &workplace.path("twice.h5ad"),
        &["g1", "g1", "g6"],
        dense(&[3.; 6]),
        None,
    );
    std::fs::write(workplace.path("table.csv"), "a,b\n").unwrap();
    let files = std::fs::read_dir(workplace.path("")).unwrap().count();

    let one = workplace.ok(&["demo", "a.h5ad"]);
    assert!(one.contains("version") && one.contains("B"), "{one}");
    let strangers = workplace.ok(&["demo", "a.h5ad", "b.zarr"]);
    assert!(strangers.contains("not possible"), "{strangers}");
    assert!(
        strangers.contains("6 genes: those that any file has"),
        "{strangers}"
    );
    let twice = workplace.ok(&["demo", "a.h5ad", "twice.h5ad", "a.h5ad", "table.csv"]);
    assert!(twice.contains("genes as stored"), "{twice}");
    let no_anndata = workplace.ok(&["demo", "table.csv"]);
    assert!(no_anndata.contains("none of these files"), "{no_anndata}");
    let left = std::fs::read_dir(workplace.path("")).unwrap().count();
    assert_eq!(left, files, "nothing is left behind");
}
