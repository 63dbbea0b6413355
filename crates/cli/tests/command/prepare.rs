//! `anndex prepare`: a new collection with its lineage, whoever is killed in between.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anndex::anndata::InMemoryMatrix;
use anndex::store::NumericArray;
use serde_json::{Value, json};

use crate::support::{Workplace, dense, write_anndata, write_cells, write_without_matrix};

/// An instance with a collection of three files that differ in genes and types.
fn blood() -> Workplace {
    let workplace = Workplace::new();
    let uids = workplace.add_files();
    let uids: Vec<&str> = uids.iter().map(String::as_str).collect();
    workplace.ok(&[&["collection", "create", "blood"], uids.as_slice()].concat());
    workplace
}

/// Everything below a directory.
fn contents(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = anndex::registry::hash::files_of(directory).unwrap();
    let read = |path: std::path::PathBuf| {
        let name = path.strip_prefix(directory).unwrap().to_str().unwrap();
        (name.to_owned(), fs::read(&path).unwrap())
    };
    files.into_iter().map(read).collect()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = directory.read_dir().unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_collection_with_its_lineage() {
    let workplace = blood();
    let arguments = [
        "prepare",
        "blood",
        "--out",
        "fast.zarr",
        "--join",
        "outer",
        "--rows-per-file",
        "4",
        "--dtype",
        "float32",
    ];
    let made = workplace.json(&arguments);
    assert_eq!(made["n_obs"], 6);
    assert_eq!(made["n_vars"], 5);
    assert_eq!(made["files_found"], 0);
    let collection = &made["collection"];
    assert_eq!(collection["name"], "blood (prepared)");
    let artifacts = collection["artifacts"].as_array().unwrap();
    let of = |field: &str| {
        artifacts
            .iter()
            .map(|a| a[field].clone())
            .collect::<Vec<_>>()
    };
    // The files stay where they are, and are AnnData.
    let keys = [
        "fast.zarr/dataset_0_of_2.zarr",
        "fast.zarr/dataset_1_of_2.zarr",
    ];
    assert_eq!(of("storage_key"), keys);
    assert_eq!(of("otype"), ["AnnData", "AnnData"]);
    assert_eq!(of("n_observations"), [4, 2]);
    let names = names(&workplace.path("fast.zarr"));
    assert_eq!(
        names,
        ["dataset_0_of_2.zarr", "dataset_1_of_2.zarr", "zarr.json"]
    );

    let shown = workplace.json(&["collection", "show", "blood (prepared)"]);
    let source = workplace.json(&["collection", "show", "blood"]);
    assert_eq!(source["input_of"], json!([shown["run"]]));
    assert!(shown["transform"].is_string());

    // What is in it: the values of the source, and all columns of obs.
    let map = |name: &str| {
        let arguments = [
            "map",
            name,
            "--obs",
            "cell_type",
            "--join",
            "outer",
            "--checksum",
        ];
        workplace.json(&arguments)
    };
    let (source, prepared) = (map("blood"), map("blood (prepared)"));
    for key in ["n_obs", "n_vars", "encoders", "checksum"] {
        assert_eq!(source[key], prepared[key], "{key}");
    }

    // Again: nothing is written, nothing changes.
    let before = contents(&workplace.path("fast.zarr"));
    let again = workplace.json(&arguments);
    assert_eq!(again["files_found"], 2);
    assert_eq!(again["collection"], made["collection"]);
    let shown_again = workplace.json(&["collection", "show", "blood (prepared)"]);
    assert_eq!(shown_again, shown);
    assert_eq!(contents(&workplace.path("fast.zarr")), before);

    let text = workplace.ok(&[arguments.as_slice(), &["--quiet"]].concat());
    assert!(
        text.contains("6 observations × 5 variables in 2 files (2 there before)"),
        "{text}"
    );
}

#[test]
fn outside_of_all_storages_the_directory_becomes_one() {
    let workplace = blood();
    let elsewhere = Workplace::empty();
    let out = elsewhere.path("fast");
    let out = out.to_str().unwrap();
    let made = workplace.json(&["prepare", "blood", "--out", out, "--name", "quick"]);
    let artifacts = made["collection"]["artifacts"].as_array().unwrap();
    assert_eq!(artifacts[0]["storage_key"], "dataset_0_of_1.zarr");
    assert_eq!(made["collection"]["name"], "quick");
    assert_eq!(workplace.json(&["map", "quick"])["n_obs"], 6);
    // Nothing was copied.
    assert!(!workplace.path(".anndex/artifacts").join("fast").exists());
    assert_eq!(
        workplace.json(&["prepare", "blood", "--out", out])["collection"],
        made["collection"]
    );
}

/// Starts the command and kills it when so many files are complete.
fn killed(workplace: &Workplace, arguments: &[&str], out: &Path, n_files: usize) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_anndex"))
        .args(arguments)
        .current_dir(workplace.path(""))
        .env_remove("ANNDEX_DB")
        .env("ANNDEX_USER", "ada")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while complete(out) < n_files {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before it was killed"
        );
        assert!(Instant::now() < deadline, "it does not get on");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The number of complete files.
fn complete(out: &Path) -> usize {
    let entries = out.read_dir().into_iter().flatten().flatten();
    entries
        .filter(|e| e.file_name().to_string_lossy().starts_with("dataset_"))
        .count()
}

#[test]
fn killed_at_any_point_it_is_continued() {
    let workplace = Workplace::new();
    let n_cells = 60_000;
    let values: Vec<f32> = (0..n_cells * 3).map(|at| (at % 97) as f32).collect();
    let x = NumericArray::from_values([n_cells, 3], &values).unwrap();
    write_cells(
        &workplace.path("a.h5ad"),
        &["g1", "g2", "g3"],
        InMemoryMatrix::Dense(x),
    );
    let uids = workplace.add(&["a.h5ad"]);
    workplace.ok(&["collection", "create", "cells", &uids[0]]);
    let arguments = |out: &'static str| {
        [
            "prepare",
            "cells",
            "--out",
            out,
            "--rows-per-file",
            "300",
            "--memory",
            "1MiB",
        ]
    };
    let out = workplace.path("parts");
    for n_files in [1, 50] {
        killed(&workplace, &arguments("parts"), &out, n_files);
        assert!(complete(&out) < 200, "it was killed in the middle");
        assert_eq!(
            workplace
                .json(&["collection", "list"])
                .as_array()
                .unwrap()
                .len(),
            1
        );
    }
    // While another process works there, nobody else does.
    let directory = fs::File::open(&out).unwrap();
    directory.lock().unwrap();
    let (code, error) = workplace.fails(&arguments("parts"));
    assert_eq!((code, &error["kind"]), (4, &json!("conflict")));
    drop(directory);

    let made = workplace.json(&arguments("parts"));
    assert!(made["files_found"].as_u64().unwrap() >= 50);
    assert_eq!(made["files"].as_array().unwrap().len(), 200);
    let whole = workplace.json(&arguments("whole"));
    assert_eq!(contents(&out), contents(&workplace.path("whole")));
    // The same content is the same collection.
    assert_eq!(whole["collection"]["uid"], made["collection"]["uid"]);
    let notices = whole["notices"].as_array().unwrap();
    assert!(
        notices[0].as_str().unwrap().contains("parts"),
        "{notices:?}"
    );
}

/// Calls that must fail, and leave neither a directory nor a record.
#[test]
fn what_can_not_be_prepared() {
    let workplace = blood();
    fs::write(workplace.path("file"), "text").unwrap();
    fs::create_dir(workplace.path("full")).unwrap();
    fs::write(workplace.path("full/notes.txt"), "text").unwrap();
    let fails = |more: &[&str]| {
        let (code, error) = workplace.fails(&[&["prepare", "blood"], more].concat());
        (code, error["message"].as_str().unwrap().to_owned())
    };
    let cases: [(&[&str], i32, &str); 12] = [
        (&["--out", "full"], 4, "something else is here"),
        (&["--out", "file"], 4, "a file is here"),
        (&["--out", "."], 4, "something else is here"),
        (
            &["--out", ".anndex/fast"],
            2,
            "the instance's own directory",
        ),
        (
            &["--out", "b.zarr/fast"],
            2,
            "inside a file of the collection",
        ),
        (&["--out", "x", "--layers", "raw.X"], 2, "raw.X"),
        (
            &["--out", "x", "--layers", "counts"],
            3,
            "no store has this layer",
        ),
        (
            &["--out", "x", "--obsm", "X_pca"],
            3,
            "no store has this key of obsm",
        ),
        (&["--out", "x", "--obs", "donor"], 3, "there are: cell_type"),
        (
            &["--out", "x", "--join", "none"],
            2,
            "choose an inner or outer join",
        ),
        (
            &["--out", "x", "--rows-per-file", "0"],
            2,
            "--rows-per-file",
        ),
        (&["--out", "x", "--memory", "much"], 2, "--memory"),
    ];
    for (arguments, code, message) in cases {
        let (found, text) = fails(arguments);
        assert_eq!(found, code, "{arguments:?}: {text}");
        assert!(text.contains(message), "{arguments:?}: {text}");
    }
    assert!(!workplace.path("x").exists());
    assert!(!workplace.path(".anndex/fast").exists());
    assert!(!workplace.path("b.zarr/fast").exists());
    assert_eq!(names(&workplace.path("full")), ["notes.txt"]);

    // Other options, other inputs.
    workplace.ok(&["prepare", "blood", "--out", "x"]);
    let (code, text) = fails(&["--out", "x", "--seed", "1", "--join", "outer"]);
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("another join, shuffle"), "{text}");
    workplace.ok(&["collection", "create", "other", "a.h5ad"]);
    let (_, error) = workplace.fails(&["prepare", "other", "--out", "x"]);
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("another inputs"),
        "{error}"
    );
    let found: Value = workplace.json(&["collection", "list"]);
    assert_eq!(found.as_array().unwrap().len(), 3);
}

#[test]
fn no_observations_and_no_matrix() {
    let workplace = Workplace::new();
    let empty = NumericArray::from_values([0, 3], &[0f32; 0]).unwrap();
    let genes = ["g1", "g2", "g3"];
    write_cells(
        &workplace.path("a.h5ad"),
        &genes,
        InMemoryMatrix::Dense(empty),
    );
    write_anndata(&workplace.path("b.h5ad"), &genes, dense(&[1.0; 6]), None);
    write_without_matrix(&workplace.path("c.h5ad"), &genes);
    let uids = workplace.add(&["a.h5ad", "b.h5ad", "c.h5ad"]);
    workplace.ok(&["collection", "create", "none", &uids[0]]);
    workplace.ok(&["collection", "create", "some", &uids[1], &uids[2]]);
    let (code, error) = workplace.fails(&["prepare", "none", "--out", "x"]);
    assert_eq!(code, 2, "{error}");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("no observations"),
        "{error}"
    );
    let (code, error) = workplace.fails(&["prepare", "some", "--out", "x"]);
    assert_eq!(code, 2, "{error}");
    assert!(
        error["message"].as_str().unwrap().contains("has no `X`"),
        "{error}"
    );
    assert!(!workplace.path("x").exists());
}
