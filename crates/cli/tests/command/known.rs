//! What is known already, and what can't be registered: each is said, once.

use serde_json::{Value, json};

use crate::support::Workplace;

/// Writes files, and calls the command with their names.
fn add(workplace: &Workplace, files: &[(&str, &str)]) -> (String, String) {
    for (name, content) in files {
        let path = workplace.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    said(
        workplace,
        &[&["artifact", "add"], names.as_slice()].concat(),
    )
}

/// What a call that succeeds prints on both streams.
fn said(workplace: &Workplace, arguments: &[&str]) -> (String, String) {
    let output = workplace.call(arguments);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (printed, warned) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{arguments:?}: {warned}");
    (printed, warned)
}

#[test]
fn content_at_a_second_place_is_said_and_counted() {
    let workplace = Workplace::new();
    for content in ["a\n1\n", ""] {
        let (first, second) = match content {
            "" => ("empty1", "empty2"),
            _ => ("x/a.csv", "x/b.csv"),
        };
        let (printed, warned) = add(&workplace, &[(first, content), (second, content)]);
        assert_eq!(printed.matches(first).count(), 1, "{printed}");
        assert!(printed.contains("1 of 2 were known already"), "{printed}");
        assert_eq!(warned.lines().count(), 1, "{warned}");
        let [known, unknown] = [first, second].map(|name| format!("\"{name}\""));
        assert!(
            warned.contains(&known) && warned.contains(&unknown),
            "{warned}"
        );
        let added = workplace.json(&["artifact", "add", first, second]);
        let fields = |one: &Value| json!([one["file"], one["key"], one["is_new"]]);
        let added: Vec<Value> = added.as_array().unwrap().iter().map(fields).collect();
        let expected = [json!([first, first, false]), json!([second, first, false])];
        assert_eq!(added, expected);
    }
    let (printed, warned) = add(&workplace, &[("x/a.csv", "a\n1\n")]);
    assert!(printed.contains("1 of 1 were known already") && warned.is_empty());
    assert_eq!(
        workplace.json(&["artifact", "list", "--count"]),
        json!({"count": 2})
    );
}

#[test]
fn what_can_not_be_registered_keeps_nothing_else_from_it() {
    let workplace = Workplace::new();
    std::fs::write(workplace.path("good.csv"), "good").unwrap();
    std::fs::write(workplace.path("bad.h5ad"), "bad").unwrap();
    let arguments = ["artifact", "add", "nope", "bad.h5ad", "good.csv"];
    let output = workplace.call(&arguments);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{errors}");
    let lines: Vec<&str> = errors.lines().collect();
    assert_eq!(lines.len(), 3, "{errors}");
    for (line, part) in lines.iter().zip(["nope", "bad.h5ad", "2 of 3 files"]) {
        assert!(
            line.starts_with("error: ") && line.contains(part),
            "{errors}"
        );
    }
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("good.csv")
    );
    assert_eq!(workplace.json(&["artifact", "show", "good.csv"])["size"], 4);

    let output = workplace.call(&[arguments.as_slice(), &["--json"]].concat());
    let mut error: Value = serde_json::from_slice(&output.stderr).unwrap();
    let error = error["error"].take();
    assert_eq!(error["exit_code"], 3);
    let each = error["errors"].as_array().unwrap().iter();
    for (one, name) in each.zip(["nope", "bad.h5ad"]) {
        assert!(
            one["context"]["path"].as_str().unwrap().ends_with(name),
            "{one}"
        );
    }
    assert_eq!(error["errors"][0]["kind"], "not found");
    assert_eq!(error["errors"].as_array().map(Vec::len), Some(2));
    let added: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(added[0]["file"], "good.csv");
}

#[test]
fn a_known_collection_keeps_its_name_and_version() {
    let workplace = Workplace::new();
    add(&workplace, &[("a.csv", "a"), ("b.csv", "b")]);
    let create = ["collection", "create"];
    let made = workplace.json(&[create.as_slice(), &["C", "a.csv", "--version", "1"]].concat());
    assert_eq!(made["is_new"], true);
    let other = [create.as_slice(), &["D", "a.csv"]].concat();
    let (printed, warned) = said(&workplace, &other);
    assert!(printed.contains("known already"), "{printed}");
    assert_eq!(warned.lines().count(), 1, "{warned}");
    for part in ["\"D\"", "\"C\"", made["uid"].as_str().unwrap()] {
        assert!(warned.contains(part), "{warned}");
    }
    let again = workplace.json(&other);
    assert_eq!(
        json!([again["uid"], again["name"], again["is_new"]]),
        json!([made["uid"], "C", false])
    );
    let (exit, error) = workplace.fails(&[other.as_slice(), &["--version", "2"]].concat());
    assert_eq!(exit, 4, "{error}");

    // Other content under the same name.
    let (_, warned) = said(&workplace, &[create.as_slice(), &["C", "b.csv"]].concat());
    assert_eq!(warned.lines().count(), 1, "{warned}");
    for part in [made["uid"].as_str().unwrap(), "--new-version-of"] {
        assert!(warned.contains(part), "{warned}");
    }
}
