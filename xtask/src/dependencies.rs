//! Which crates of the workspace may use which: a table in `ARCHITECTURE.md` says so, and manifests
//! are held against it, so that what is said there stays true.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use crate::workspace::Workspace;
use crate::{Result, step};

const TABLE: &str = "ARCHITECTURE.md";
const HEADER: &str = "| crate | may use |";

/// For each crate those that it may use, by what they are called without `anndex-`.
type Allowed = BTreeMap<String, BTreeSet<String>>;

/// Refuses dependencies that the table does not have. Those of tests are free.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    step::heading("dependencies");
    let path = workspace.root().join(TABLE);
    let text = fs::read_to_string(&path).map_err(|e| format!("{TABLE}: {e}"))?;
    let refused = refused(&table(&text)?, &workspace.metadata()?)?;
    match refused.is_empty() {
        true => Ok(()),
        false => Err(format!("dependencies:\n{}", refused.join("\n"))),
    }
}

/// Reads the table: a row for each crate, with names in backticks.
fn table(text: &str) -> Result<Allowed> {
    let mut lines = text.lines().skip_while(|line| *line != HEADER);
    lines
        .next()
        .ok_or_else(|| format!("{TABLE} has no table {HEADER:?}"))?;
    let rows = lines.skip(1).take_while(|line| line.starts_with('|'));
    let rows = rows.map(|row| {
        let (name, used) = row
            .trim_matches('|')
            .split_once('|')
            .ok_or_else(|| format!("{TABLE}: a row of the crates has no two columns: {row}"))?;
        let name = names(name).into_iter().next();
        let name = name.ok_or_else(|| format!("{TABLE}: a row names no crate: {row}"))?;
        Ok((name, names(used)))
    });
    rows.collect()
}

/// What stands in backticks.
fn names(text: &str) -> BTreeSet<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// What the manifests have, and the table does not.
fn refused(allowed: &Allowed, metadata: &Value) -> Result<Vec<String>> {
    let packages = metadata["packages"]
        .as_array()
        .ok_or("cargo metadata lists no packages")?;
    let mut refused = Vec::new();
    let names: BTreeSet<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(may_use) = allowed.get(short(name)) else {
            refused.push(format!("`{}` is not in the table of {TABLE}", short(name)));
            continue;
        };
        let dependencies = package["dependencies"].as_array();
        for dependency in dependencies.into_iter().flatten() {
            let used = dependency["name"].as_str().unwrap_or_default();
            let is_for_tests = dependency["kind"] == "dev";
            if names.contains(used) && !is_for_tests && !may_use.contains(short(used)) {
                let (user, used) = (short(name), short(used));
                refused.push(format!(
                    "`{user}` may not use `{used}` by the table of {TABLE}"
                ));
            }
        }
    }
    for row in allowed.keys() {
        if !names.iter().any(|name| short(name) == row) {
            refused.push(format!(
                "{TABLE}: `{row}` of the table is not a crate any more"
            ));
        }
    }
    Ok(refused)
}

fn short(name: &str) -> &str {
    name.strip_prefix("anndex-").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Crates.\n\n| crate | may use |\n| --- | --- |\n| `store` | |\n\
                        | `mapped` | `store` |\n| `core` | `mapped`, `store` |\n\nMore.\n";

    fn metadata(dependencies: &[(&str, &str, Value)]) -> Value {
        let package = |name: &str| {
            let of_it = dependencies.iter().filter(|(user, ..)| *user == name);
            let of_it: Vec<Value> = of_it
                .map(|(_, used, kind)| serde_json::json!({"name": used, "kind": kind}))
                .collect();
            serde_json::json!({"name": name, "dependencies": of_it})
        };
        let packages = ["anndex-store", "anndex-mapped", "anndex-core"].map(package);
        serde_json::json!({ "packages": packages })
    }

    #[test]
    fn the_wrong_direction_is_refused() {
        let allowed = table(TEXT).unwrap();
        let right = [
            ("anndex-core", "anndex-mapped", Value::Null),
            ("anndex-mapped", "anndex-store", Value::Null),
            ("anndex-mapped", "rayon", Value::Null),
            ("anndex-store", "anndex-core", "dev".into()),
        ];
        assert_eq!(
            refused(&allowed, &metadata(&right)).unwrap(),
            Vec::<String>::new()
        );
        let wrong = [("anndex-mapped", "anndex-core", Value::Null)];
        let found = refused(&allowed, &metadata(&wrong)).unwrap();
        assert_eq!(
            found,
            ["`mapped` may not use `core` by the table of ARCHITECTURE.md"]
        );
        let built = [("anndex-store", "anndex-core", "build".into())];
        assert_eq!(refused(&allowed, &metadata(&built)).unwrap().len(), 1);
    }

    #[test]
    fn crates_and_rows_are_the_same() {
        let more = TEXT.replace("| `store` | |", "| `store` | |\n| `gone` | |");
        let found = refused(&table(&more).unwrap(), &metadata(&[])).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        let fewer = TEXT.replace("| `store` | |\n", "");
        let found = refused(&table(&fewer).unwrap(), &metadata(&[])).unwrap();
        assert_eq!(found, ["`store` is not in the table of ARCHITECTURE.md"]);
        assert!(table("no table").is_err());
    }
}
