//! The main job from an empty directory: init, add, create, map.

use serde_json::json;

use crate::support::Workplace;

fn mapped(arguments: &[&str]) -> serde_json::Value {
    let workplace = Workplace::new();
    let uids = workplace.add_files();
    let uids: Vec<&str> = uids.iter().map(String::as_str).collect();
    workplace.ok(&[&["collection", "create", "blood"], uids.as_slice()].concat());
    workplace.json(&[&["map", "blood"], arguments].concat())
}

#[test]
fn an_epoch_of_the_outer_join() {
    for format in [&[][..], &["--csr"]] {
        let arguments = [
            "--obs",
            "cell_type",
            "--join",
            "outer",
            "--batch-size",
            "4",
            "--checksum",
        ];
        let map = mapped(&[&arguments, format].concat());
        assert_eq!(map["n_obs"], 6);
        assert_eq!(map["n_vars"], 5);
        assert_eq!(map["batches"], 2);
        assert_eq!(
            map["encoders"],
            json!({"cell_type": {"B": 0, "NK": 1, "T": 2}})
        );
        assert_eq!(map["checksum"], json!({"X": {"sum": 18.5, "nonzero": 12}}));
        assert_eq!(map["original_shapes"], json!([[2, 3], [2, 3], [2, 3]]));
        let notices = map["notices"].as_array().unwrap();
        let said = notices[0].as_str().unwrap();
        assert!(
            said.starts_with("1 of 3 files lack the column `cell_type`"),
            "{said}"
        );
        assert!(said.contains("2 of 6 observations"), "{said}");
        assert!(said.ends_with(": c.h5ad"), "by the artifact's key: {said}");
        assert!(map["cells_per_second"].as_f64().unwrap() > 0.0);
        assert!(map["bytes_per_second"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn other_ways_to_map() {
    let inner = mapped(&["--checksum"]);
    assert_eq!(
        (&inner["n_vars"], &inner["batches"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(inner["checksum"], json!({"X": {"sum": 16.0, "nonzero": 8}}));
    assert_eq!(inner["encoders"], json!({}));

    let none = mapped(&["--join", "none", "--batch-size", "4", "--dtype", "float32"]);
    assert_eq!(none["n_vars"], json!(null));
    assert!(none.get("checksum").is_none());

    let filtered = mapped(&["--filter", "cell_type=T", "--filter", "cell_type=B"]);
    assert_eq!(filtered["n_obs"], 3);

    let unknown = mapped(&["--obs", "cell_type", "--unknown", "NK"]);
    assert_eq!(
        unknown["encoders"]["cell_type"],
        json!({"NK": -1, "B": 0, "T": 1})
    );

    let text = mapped(&["--obs", "cell_type", "--no-encode"]);
    assert_eq!(text["encoders"], json!({}));
}

#[test]
fn people_get_tables() {
    let workplace = Workplace::new();
    let uids = workplace.add_files();
    let text = workplace.ok(&["collection", "create", "blood", &uids[0], &uids[1]]);
    assert!(text.contains("blood"), "{text}");
    let text = workplace.ok(&["map", "blood", "--obs", "cell_type", "--checksum"]);
    for part in ["4 observations", "2 variables", "cells/s", "NK", "not zero"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains('\u{1b}'), "colour only on a terminal");
    assert!(!text.contains("lack"), "both files have cell types: {text}");
    workplace.ok(&["collection", "create", "all", &uids[0], &uids[1], &uids[2]]);
    let output = workplace.call(&["map", "all", "--obs", "cell_type"]);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert_eq!(said.matches("lack the column").count(), 1, "{said}");
}
