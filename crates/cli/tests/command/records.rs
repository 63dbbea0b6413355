//! What programs get: records as JSON.

use serde_json::{Value, json};

use crate::support::Workplace;

fn uids(records: &Value) -> Vec<&str> {
    let records = records.as_array().unwrap();
    records.iter().map(|r| r["uid"].as_str().unwrap()).collect()
}

#[test]
fn init_makes_an_instance_once() {
    let workplace = Workplace::empty();
    let first = workplace.json(&["init", "cells"]);
    assert_eq!(first["is_new"], true);
    assert_eq!(first["user"], "ada");
    assert!(workplace.path("cells/.anndex/registry.sqlite").is_file());
    assert_eq!(workplace.json(&["init", "cells"])["is_new"], false);
    let cells = workplace.path("cells");
    let cells = cells.to_str().unwrap();
    assert_eq!(
        workplace.json(&["artifact", "list", "--db", cells]),
        json!([])
    );
}

#[test]
fn features() {
    let workplace = Workplace::new();
    let uids = workplace.add_files();
    let names = |set: &Value| -> Vec<String> {
        let members = set["members"].as_array().unwrap();
        let names = members.iter().map(|m| m["name"].as_str().unwrap());
        names.map(str::to_owned).collect()
    };
    let none = &workplace.json(&["artifact", "show", "a.h5ad"])["feature_sets"];
    assert_eq!(none, &json!({}));
    let a = workplace.json(&["artifact", "features", "a.h5ad"]);
    let members = json!([{"name": "cell_type", "dtype": "cat"}]);
    assert_eq!(a["obs"]["members"], members);
    assert_eq!(names(&a["var"]), ["g1", "g2", "g3"]);
    assert_eq!(a["var"]["dtype"], "float");
    let shown = workplace.json(&["artifact", "show", "a.h5ad"]);
    assert_eq!(shown["feature_sets"], a);
    let page = workplace.ok(&["artifact", "show", "a.h5ad"]);
    assert!(page.contains("3 float: g1, g2, g3"), "{page}");

    // Without columns there is no slot for them.
    let c = workplace.json(&["artifact", "features", "c.h5ad"]);
    assert_eq!(c.as_object().unwrap().keys().collect::<Vec<_>>(), ["var"]);

    // The union, in which equal content is the same record.
    let all: Vec<&str> = uids.iter().map(String::as_str).collect();
    workplace.ok(&[&["collection", "create", "all"], all.as_slice()].concat());
    let union = workplace.json(&["collection", "features", "all"]);
    assert_eq!(names(&union["var"]), ["g1", "g2", "g3", "g4", "g5"]);
    assert_eq!(union["obs"]["uid"], a["obs"]["uid"]);
    assert_eq!(workplace.json(&["collection", "features", "all"]), union);
    let shown = workplace.json(&["collection", "show", "all"]);
    assert_eq!(shown["feature_sets"], union);
    let table = workplace.ok(&["collection", "features", "all"]);
    assert!(table.contains("g1, g2, g3, g4, g5"), "{table}");

    // What is not an AnnData has none.
    std::fs::write(workplace.path("notes.txt"), "notes").unwrap();
    workplace.add(&["notes.txt"]);
    let (_, error) = workplace.fails(&["artifact", "features", "notes.txt"]);
    assert!(
        error["message"].as_str().unwrap().contains(".h5ad"),
        "{error}"
    );
}

#[test]
fn search() {
    let workplace = Workplace::new();
    let added = workplace.add_files();
    workplace.ok(&["collection", "create", "Lung atlas", "a.h5ad"]);
    workplace.ok(&["collection", "create", "lung", "b.zarr"]);
    let found = workplace.json(&["collection", "search", "LUNG"]);
    let names: Vec<&Value> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|c| &c["name"])
        .collect();
    assert_eq!(names, ["lung", "Lung atlas"]);
    let found = workplace.json(&["artifact", "search", "h5ad", "--limit", "1"]);
    assert_eq!(uids(&found), [added[2].as_str()]);
    assert_eq!(workplace.json(&["artifact", "search", "%"]), json!([]));
}

#[test]
fn artifacts() {
    let workplace = Workplace::new();
    let added = workplace.add_files();
    let list = workplace.json(&["artifact", "list"]);
    let newest_first: Vec<&str> = added.iter().rev().map(String::as_str).collect();
    assert_eq!(uids(&list), newest_first);
    assert_eq!(list[2]["n_observations"], 2);
    assert_eq!(list[1]["suffix"], ".zarr");

    // The same content under another name.
    std::fs::copy(workplace.path("a.h5ad"), workplace.path("copy.h5ad")).unwrap();
    let again = workplace.json(&["artifact", "add", "copy.h5ad"]);
    assert_eq!(uids(&again), [added[0].as_str()]);
    assert_eq!(again[0]["is_new"], false);

    // By uid, by the beginning of it, by key.
    let shown = workplace.json(&["artifact", "show", &added[0][..8]]);
    assert_eq!(shown["key"], "a.h5ad");
    assert!(shown["path"].as_str().unwrap().ends_with("a.h5ad"));
    assert_eq!(
        workplace.json(&["artifact", "show", "a.h5ad"])["uid"],
        shown["uid"]
    );

    // What is outside is copied.
    let outside = tempfile::tempdir().unwrap();
    let file = outside.path().join("notes.txt");
    std::fs::write(&file, "notes").unwrap();
    let notes = workplace.json(&["artifact", "add", file.to_str().unwrap()]);
    let uid = notes[0]["uid"].as_str().unwrap();
    std::fs::remove_file(&file).unwrap();
    let path = workplace.json(&["artifact", "show", uid])["path"].take();
    assert_eq!(
        std::fs::read_to_string(path.as_str().unwrap()).unwrap(),
        "notes"
    );

    // To the trash, back, and away.
    let deleted = workplace.json(&["artifact", "delete", uid]);
    assert_eq!(deleted, json!([{"uid": uid, "permanent": false}]));
    assert_eq!(
        uids(&workplace.json(&["artifact", "list", "--trash"])),
        [uid]
    );
    workplace.ok(&["artifact", "restore", uid]);
    workplace.ok(&["artifact", "delete", uid, "--permanent", "--yes"]);
    assert_eq!(workplace.fails(&["artifact", "show", uid]).0, 3);
}

#[test]
fn collections() {
    let workplace = Workplace::new();
    let added = workplace.add_files();
    let first = workplace.json(&["collection", "create", "blood", &added[0], "b.zarr"]);
    assert_eq!(
        uids(&first["artifacts"]),
        [added[0].as_str(), added[1].as_str()]
    );
    assert_eq!(first["version"], json!(null));
    let second = workplace.json(&[
        "collection",
        "create",
        "blood",
        &added[0],
        "--new-version-of",
        "blood",
    ]);
    assert_eq!(second["version"], "2");
    let versions = workplace.json(&["collection", "versions", "blood"]);
    assert_eq!(versions[0]["version"], "1");
    assert_eq!(
        uids(&versions),
        [
            first["uid"].as_str().unwrap(),
            second["uid"].as_str().unwrap()
        ]
    );
    assert_eq!(
        workplace.json(&["collection", "show", "blood"])["uid"],
        second["uid"]
    );

    let uid = second["uid"].as_str().unwrap();
    workplace.ok(&["collection", "delete", uid]);
    assert_eq!(
        uids(&workplace.json(&["collection", "list"])),
        [first["uid"].as_str().unwrap()]
    );
    let restored = workplace.json(&["collection", "restore", "blood"]);
    assert_eq!(uids(&restored), [uid]);
    workplace.ok(&["collection", "delete", uid, "--permanent", "--yes"]);
    assert_eq!(
        workplace
            .json(&["collection", "list"])
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        workplace
            .json(&["artifact", "list"])
            .as_array()
            .unwrap()
            .len(),
        3
    );
}

#[test]
fn inspections() {
    let workplace = Workplace::new();
    workplace.add_files();
    let inspection = workplace.json(&["inspect", "b.zarr"]);
    assert_eq!(
        (&inspection["n_obs"], &inspection["n_vars"]),
        (&json!(2), &json!(3))
    );
    let x = &inspection["elements"][0];
    assert_eq!(x["path"], "X");
    assert_eq!(x["encoding"], "csr_matrix");
    assert_eq!(x["mapped_key"], "X");
    let text = workplace.ok(&["inspect", "a.h5ad"]);
    assert!(
        text.contains("cell_type") && text.contains("2 × 3"),
        "{text}"
    );
}
