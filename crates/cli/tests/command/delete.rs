//! Removing for good: whole names only, and not without a yes.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::Workplace;

/// Registers a file from elsewhere, and gives its uid and the place of its copy.
fn add_copy(workplace: &Workplace, name: &str) -> (String, PathBuf) {
    let outside = tempfile::tempdir().unwrap();
    let file = outside.path().join(name);
    std::fs::write(&file, name).unwrap();
    let uid = workplace.add(&[file.to_str().unwrap()]).remove(0);
    let shown = workplace.json(&["artifact", "show", &uid]);
    let place = PathBuf::from(shown["path"].as_str().unwrap());
    (uid, place)
}

fn message(error: &Value) -> &str {
    error["message"].as_str().unwrap()
}

#[test]
fn nothing_is_removed_for_good_by_a_part_of_its_uid() {
    let workplace = Workplace::new();
    let (uid, copy) = add_copy(&workplace, "notes.txt");
    workplace.ok(&["collection", "create", "notes", &uid]);
    let shown = workplace.json(&["collection", "show", "notes"]);
    let collection = shown["uid"].as_str().unwrap();
    for (kind, whole) in [("artifact", uid.as_str()), ("collection", collection)] {
        for length in 1..4 {
            let part = &whole[..length];
            let (exit, error) = workplace.fails(&[kind, "delete", part, "--permanent", "--yes"]);
            assert_eq!(exit, 3, "{error}");
            assert!(message(&error).contains("4 characters"), "{error}");
            assert_eq!(workplace.fails(&[kind, "show", part]).0, 3);
        }
        for length in [4, 19] {
            let part = &whole[..length];
            let (exit, error) = workplace.fails(&[kind, "delete", part, "--permanent", "--yes"]);
            assert_eq!(exit, 2, "{error}");
            let message = message(&error);
            assert!(
                message.contains(whole) && message.contains("whole"),
                "{error}"
            );
            assert_eq!(workplace.json(&[kind, "show", part])["uid"], whole);
        }
    }
    assert!(copy.is_file());
    // Nor what is in the trash, of which this would be the end.
    workplace.ok(&["collection", "delete", &collection[..4]]);
    let (exit, error) = workplace.fails(&["collection", "delete", &collection[..4]]);
    assert_eq!(exit, 2);
    assert!(message(&error).contains("in the trash"), "{error}");
    workplace.ok(&["collection", "delete", "notes", "--permanent", "--yes"]);
    workplace.ok(&["artifact", "delete", "notes.txt", "--permanent", "--yes"]);
    assert!(!copy.exists());
}

#[test]
fn a_script_has_to_say_yes() {
    let workplace = Workplace::new();
    let (uid, copy) = add_copy(&workplace, "notes.txt");
    std::fs::write(workplace.path("here.txt"), "here").unwrap();
    let here = workplace.add(&["here.txt"]).remove(0);
    let arguments = ["artifact", "delete", "--permanent", &uid, &here];
    for more in [None, Some("--quiet")] {
        let arguments: Vec<&str> = arguments.iter().copied().chain(more).collect();
        let (exit, error) = workplace.fails(&arguments);
        assert_eq!(exit, 2, "{error}");
        let message = message(&error);
        for part in [
            "--yes",
            &format!("artifact {uid} (\"notes.txt\"), with its copy of 9 B"),
            &format!("artifact {here} (\"here.txt\"), but not its file"),
        ] {
            assert!(message.contains(part), "{part}: {error}");
        }
    }
    assert!(copy.is_file());
    // It is a yes to removing for good, and to nothing else.
    assert_eq!(workplace.fails(&["artifact", "delete", &uid, "--yes"]).0, 2);
    let deleted = workplace.json(&[arguments.as_slice(), &["--yes"]].concat());
    let removed = |uid: &str| json!({"uid": uid, "permanent": true});
    assert_eq!(deleted, json!([removed(&uid), removed(&here)]));
    assert!(!copy.exists() && workplace.path("here.txt").is_file());
}

#[test]
fn a_whole_name_comes_before_a_part_of_a_uid() {
    let workplace = Workplace::new();
    let (uid, copy) = add_copy(&workplace, "notes.txt");
    let part = &uid[..8];
    std::fs::write(workplace.path(part), "named like a uid").unwrap();
    let named = workplace.add(&[part]).remove(0);
    assert_eq!(workplace.json(&["artifact", "show", part])["uid"], named);
    workplace.ok(&["artifact", "delete", part, "--permanent", "--yes"]);
    assert_eq!(workplace.fails(&["artifact", "show", &named]).0, 3);
    assert!(copy.is_file());
}

#[test]
fn restoring_means_what_is_in_the_trash() {
    let workplace = Workplace::new();
    let (uid, _) = add_copy(&workplace, "notes.txt");
    let (other, _) = add_copy(&workplace, "other.txt");
    workplace.ok(&["collection", "create", "notes", &uid]);
    let second = workplace.json(&[
        "collection",
        "create",
        "notes",
        &other,
        "--new-version-of",
        "notes",
    ]);
    let second = second["uid"].as_str().unwrap();
    workplace.ok(&["collection", "delete", second]);
    let restored = workplace.json(&["collection", "restore", &second[..16]]);
    assert_eq!(restored[0]["uid"], second);
}

/// Answers the question on a terminal, which `script` is for the command.
#[cfg(target_os = "linux")]
fn on_a_terminal(directory: &Path, arguments: &str, answer: &str) -> String {
    let command = format!("{} {arguments}", env!("CARGO_BIN_EXE_anndex"));
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .current_dir(directory)
        .env_remove("ANNDEX_DB")
        .env("ANNDEX_USER", "ada")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(answer.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    drop(input);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_terminal_it_is_asked() {
    let workplace = Workplace::new();
    let (uid, copy) = add_copy(&workplace, "notes.txt");
    let delete = format!("artifact delete {uid} --permanent");
    let asked = on_a_terminal(&workplace.path(""), &delete, "n\n");
    let what = format!("artifact {uid} (\"notes.txt\"), with its copy of 9 B");
    assert!(asked.contains(&what) && asked.contains("[y/N]"), "{asked}");
    assert!(copy.is_file());
    let removed = on_a_terminal(&workplace.path(""), &delete, "y\n");
    assert!(removed.contains("removed artifact"), "{removed}");
    assert!(!copy.exists());
}
