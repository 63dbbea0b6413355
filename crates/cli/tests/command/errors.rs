//! Mistakes: one clear error on standard error, and an exit code that means something.

use std::process::{Command, Stdio};

use crate::support::{Workplace, dense, write_anndata};

#[test]
fn the_exit_code_says_what_kind_of_error_it_is() {
    let workplace = Workplace::new();
    let added = workplace.add_files();
    std::fs::write(workplace.path("table.csv"), "a,b\n1,2\n").unwrap();
    let table = workplace.add(&["table.csv"]);
    let whole = std::fs::read(workplace.path("a.h5ad")).unwrap();
    std::fs::write(workplace.path("cut.h5ad"), &whole[..whole.len() / 2]).unwrap();
    std::fs::create_dir(workplace.path("empty.zarr")).unwrap();
    workplace.ok(&["collection", "create", "blood", &added[0], &added[1]]);
    workplace.ok(&["collection", "create", "mixed", &added[0], &table[0]]);
    let cases: &[(&[&str], i32, &str)] = &[
        (&["artifact", "add", "missing.h5ad"], 3, "missing.h5ad"),
        (&["artifact", "add", "cut.h5ad"], 5, "cut.h5ad"),
        (
            &["artifact", "add", "a.h5ad", "b.zarr", "--key", "k"],
            2,
            "--key",
        ),
        (&["artifact", "show", "nosuchuid"], 3, "nosuchuid"),
        (&["artifact", "show", ""], 2, "empty"),
        (
            &["artifact", "delete", "a.h5ad", "--permanent", "--yes"],
            2,
            "blood",
        ),
        (
            &["collection", "create", "new", "nosuchuid"],
            3,
            "nosuchuid",
        ),
        (
            &["collection", "create", "new", "a.h5ad", "a.h5ad"],
            2,
            "twice",
        ),
        (&["collection", "create", "new"], 2, "UID"),
        (&["collection", "show", "nosuch"], 3, "nosuch"),
        (&["map", "nosuch"], 3, "nosuch"),
        (&["map", "blood", "--obs", "nosuch"], 3, "cell_type"),
        (&["map", "blood", "--layers", "nosuch"], 3, "nosuch"),
        (&["map", "blood", "--batch-size", "0"], 2, "batch-size"),
        (&["map", "blood", "--dtype", "complex"], 2, "float32"),
        (&["map", "blood", "--filter", "novalue"], 2, "COLUMN=VALUE"),
        (
            &["map", "blood", "--obs", "cell_type", "--unknown", "nosuch"],
            3,
            "nosuch",
        ),
        (&["map", "mixed"], 2, "table.csv"),
        (&["inspect", "missing.h5ad"], 3, "missing.h5ad"),
        (&["inspect", "cut.h5ad"], 5, "cut.h5ad"),
        (&["inspect", "table.csv"], 5, ".h5ad"),
        (&["demo", "missing.h5ad"], 3, "missing.h5ad"),
        (
            &["--db", "mysql://user:secret@host/db", "artifact", "list"],
            5,
            "postgres",
        ),
        (&["--db", "elsewhere", "artifact", "list"], 3, "elsewhere"),
    ];
    for (arguments, code, part) in cases {
        let (exit, error) = workplace.fails(arguments);
        let text = error.to_string();
        assert_eq!(exit, *code, "{arguments:?}: {text}");
        assert_eq!(error["exit_code"], *code, "{arguments:?}: {text}");
        assert!(text.contains(part), "{arguments:?}: {text}");
        assert!(!text.contains("secret"), "{text}");
    }
    let (exit, error) = workplace.fails(&["inspect", "empty.zarr"]);
    assert!([2, 3, 5].contains(&exit), "{error}");
}

#[test]
fn outside_of_an_instance() {
    let workplace = Workplace::empty();
    let (exit, error) = workplace.fails(&["artifact", "list"]);
    assert_eq!(exit, 3);
    assert!(
        error["message"].as_str().unwrap().contains("anndex init"),
        "{error}"
    );
    let output = workplace.call(&["artifact", "list"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("error: "), "{text}");
    assert_eq!(output.status.code(), Some(3));
    std::fs::write(workplace.path("file"), "").unwrap();
    assert_eq!(workplace.fails(&["init", "file"]).0, 2);
}

#[test]
fn deleting_from_the_trash_needs_to_be_said_where_nobody_can_be_asked() {
    let workplace = Workplace::new();
    let added = workplace.add_files();
    workplace.ok(&["artifact", "delete", &added[0]]);
    let (exit, error) = workplace.fails(&["artifact", "delete", &added[0]]);
    assert_eq!(exit, 2);
    assert!(
        error["message"].as_str().unwrap().contains("permanent"),
        "{error}"
    );
    assert_eq!(
        workplace
            .json(&["artifact", "list", "--trash"])
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn names_that_are_not_unique_can_not_be_joined() {
    let workplace = Workplace::new();
    write_anndata(
        &workplace.path("d.h5ad"),
        &["g1", "g1", "g2"],
        dense(&[1.; 6]),
        None,
    );
    write_anndata(
        &workplace.path("e.h5ad"),
        &["g1", "g2", "g3"],
        dense(&[2.; 6]),
        None,
    );
    let added = workplace.add(&["d.h5ad", "e.h5ad"]);
    workplace.ok(&["collection", "create", "twice", &added[0], &added[1]]);
    let (exit, error) = workplace.fails(&["map", "twice", "--join", "outer"]);
    assert_eq!(exit, 2);
    assert!(error.to_string().contains("d.h5ad"), "{error}");
    workplace.ok(&["map", "twice", "--join", "none"]);
}

/// Whoever reads the output may stop reading.
#[test]
fn a_closed_pipe_is_no_error() {
    let workplace = Workplace::new();
    workplace.add_files();
    let mut child = Command::new(env!("CARGO_BIN_EXE_anndex"))
        .args(["artifact", "list"])
        .current_dir(workplace.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert_eq!(errors, "");
}

/// A URL may be mistaken for a name, a path or an option, and be one that can't be understood.
#[test]
fn nothing_secret_of_a_url_is_repeated() {
    let workplace = Workplace::new();
    let added = workplace.add_files();
    workplace.ok(&["collection", "create", "blood", &added[0]]);
    let collapsed = workplace.path("https:/me:SECRET@host/a");
    for url in [
        "https://host/a.h5ad?X-Amz-Signature=SECRET",
        "https://me:SECRET@host/a b.h5ad",
        "https://me:SEC/SECRET@host/a.h5ad",
        "postgres://me:SECRET@host/db",
        "s3://bucket/a?endpoint_url=https://me:SECRET@host",
        "ftp://SECRET@host/%zz?SECRET",
        collapsed.to_str().unwrap(),
    ] {
        for command in [
            &["inspect"][..],
            &["map"],
            &["demo"],
            &["artifact", "add"],
            &["artifact", "show"],
            &["artifact", "delete"],
            &["artifact", "cache"],
            &["artifact", "list", "--filter"],
            &["collection", "show"],
            &["collection", "create", "other"],
            &["collection", "create", "other", &added[0], "--meta"],
            &["collection", "load", "blood", "--out"],
            &["import", "lamindb"],
            &["--db"],
            &["list"],
            &["no-such-command"],
        ] {
            for json in [&["--json"][..], &[]] {
                let output = workplace.call(&[command, &[url], json].concat());
                assert!(!output.status.success(), "{command:?} {url}");
                let said = [output.stdout, output.stderr].concat();
                let said = String::from_utf8(said).unwrap();
                assert!(!said.contains("SECRET"), "{command:?} {url}: {said}");
            }
        }
    }
}

#[test]
fn names_can_not_play_with_the_terminal() {
    let workplace = Workplace::new();
    let added = workplace.add_files();
    let name = "blood\u{1b}[2J\u{7}";
    workplace.ok(&["collection", "create", name, &added[0]]);
    for arguments in [
        &["collection", "list"][..],
        &["collection", "show", name],
        &["map", name],
        &["map", name, "--obs", "no\u{1b}[31m"],
        &["map", "no\u{1b}[2J"],
        &["artifact", "add", "no\u{1b}[2J.h5ad"],
        &["no\u{1b}[2J"],
        &["collection", "delete", name],
    ] {
        let output = workplace.call(arguments);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(
            !said.contains(['\u{1b}', '\u{7}']),
            "{arguments:?}: {said:?}"
        );
        let is_seen = said.contains('\u{fffd}') || said.contains("\\u{1b}");
        // clap leaves out what would be obeyed.
        let is_seen = is_seen || (arguments.len() == 1 && said.contains("unrecognized subcommand"));
        assert!(is_seen, "{arguments:?}: {said:?}");
    }
}
