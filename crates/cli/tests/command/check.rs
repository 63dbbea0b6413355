//! `anndex check`, and registering many files at once.

use std::fs;

use serde_json::Value;

use crate::support::Workplace;

/// The exit code and the report.
fn check(workplace: &Workplace, arguments: &[&str]) -> (i32, Value) {
    let output = workplace.call(&[&["check", "--json"], arguments].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    let report = serde_json::from_str(&text).expect(&text);
    (output.status.code().unwrap(), report)
}

fn problems(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|f| f["problem"].as_str().unwrap()).collect()
}

#[test]
fn a_check_says_by_its_exit_code_whether_all_is_well() {
    let workplace = Workplace::new();
    workplace.add_files();
    let (code, report) = check(&workplace, &[]);
    assert_eq!((code, &report["artifacts"]), (0, &3.into()));
    assert_eq!(report["is_consistent"], true);
    assert!(workplace.ok(&["check", "--deep"]).contains("all is well"));

    let config = fs::read(workplace.path(".anndex/config.json")).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    let registry = config["registry_ids"][0].as_str().unwrap();
    let copies = workplace.path(".anndex/artifacts").join(registry);
    fs::create_dir_all(&copies).unwrap();
    let partial = copies.join(".partial-0123456789abcdefghij.h5ad");
    fs::write(&partial, "half").unwrap();
    let (code, report) = check(&workplace, &[]);
    assert_eq!((code, problems(&report)), (6, vec!["partial"]));
    assert!(partial.is_file());
    let (code, report) = check(&workplace, &["--repair"]);
    assert_eq!((code, problems(&report)), (0, vec!["partial"]));
    assert_eq!(report["findings"][0]["repaired"], "removed");
    assert!(!partial.exists());

    fs::write(workplace.path("a.h5ad"), "something else").unwrap();
    fs::remove_file(workplace.path("c.h5ad")).unwrap();
    let (code, report) = check(&workplace, &["--repair"]);
    assert_eq!((code, problems(&report)), (6, vec!["missing", "changed"]));
    let output = workplace.call(&["check"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(6));
    assert!(
        text.contains("c.h5ad") && text.contains("2 problems left"),
        "{text}"
    );
    assert!(
        output.stderr.is_empty(),
        "what is found is a result and no error"
    );
}

#[test]
fn of_many_files_those_that_fail_are_named() {
    let workplace = Workplace::new();
    workplace.add_files();
    let whole = fs::read(workplace.path("a.h5ad")).unwrap();
    fs::write(workplace.path("cut.h5ad"), &whole[..whole.len() / 2]).unwrap();
    fs::write(workplace.path("good.csv"), "a,b\n").unwrap();
    fs::create_dir(workplace.path("empty.zarr")).unwrap();
    let files = [
        "artifact",
        "add",
        "cut.h5ad",
        "good.csv",
        "empty.zarr",
        "a.h5ad",
        "--json",
    ];
    let output = workplace.call(&files);
    assert_eq!(output.status.code(), Some(5));
    let added: Value = serde_json::from_slice(&output.stdout).unwrap();
    let keys: Vec<_> = added
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["key"].clone())
        .collect();
    assert_eq!(keys, ["good.csv", "a.h5ad"]);
    assert_eq!(
        (&added[0]["is_new"], &added[1]["is_new"]),
        (&true.into(), &false.into())
    );
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("2 of 4 files"), "{message}");
    let each = error["error"]["errors"].as_array().unwrap();
    for (one, name) in each.iter().zip(["cut.h5ad", "empty.zarr"]) {
        assert!(
            one["context"]["path"].as_str().unwrap().contains(name),
            "{one}"
        );
    }
    assert_eq!(
        workplace
            .json(&["artifact", "list"])
            .as_array()
            .unwrap()
            .len(),
        4
    );
}
