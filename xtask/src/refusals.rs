//! What review would refuse, and no compiler does: rules over the text of the files in git.

use std::fs;
use std::path::Path;

use crate::workspace::Workspace;
use crate::{Result, step};

/// Longer files hold more than one thing.
const LONGEST_FILE_LINES: usize = 400;
/// All files below `tests/fixtures`, so that a clone stays small.
const LARGEST_FIXTURES_BYTES: u64 = 5 << 19;

/// Text that no Rust file may hold outside comments, with the reason. Each is written in pieces,
/// for this file is read, too.
const REFUSED_CODE: &[(&str, &str)] = &[
    (
        concat!("#[ig", "nore"),
        "a test that does not run proves nothing",
    ),
    (concat!("to", "do!("), "unfinished code"),
    (concat!("unimple", "mented!("), "unfinished code"),
    (concat!("db", "g!("), "debugging output"),
];

/// Text that no file of source, script or documentation may hold anywhere.
const REFUSED_TEXT: &[(&str, &str)] = &[
    (concat!("TO", "DO"), "finish it, or open an issue"),
    (concat!("FIX", "ME"), "finish it, or open an issue"),
    (concat!("/ho", "me/"), "a path of one machine"),
    (concat!("/ro", "ot/"), "a path of one machine"),
    (concat!("/wo", "rk/"), "a path of one machine"),
    (concat!("<<<<", "<<< "), "an unresolved merge"),
];

/// Suffixes of the files that people write.
const WRITTEN_SUFFIXES: &[&str] = &["rs", "toml", "md", "py", "pyi", "yml", "yaml", "sh"];

/// Reads every file in git and lists all that is refused.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    step::heading("refusals");
    let mut refused = Vec::new();
    let mut fixtures_bytes = 0;
    let files = workspace.files()?;
    for file in &files {
        let path = workspace.root().join(file);
        if file.starts_with("tests/fixtures") {
            fixtures_bytes += fs::metadata(&path)
                .map_err(|e| format!("{}: {e}", file.display()))?
                .len();
        }
        if !is_written(file) {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", file.display()))?;
        refused.extend(
            check_file(file, &text)
                .into_iter()
                .map(|(line, reason)| format!("{}:{line}: {reason}", file.display())),
        );
    }
    if fixtures_bytes > LARGEST_FIXTURES_BYTES {
        refused.push(format!(
            "tests/fixtures: {fixtures_bytes} bytes, more than {LARGEST_FIXTURES_BYTES}"
        ));
    }
    if refused.is_empty() {
        println!("--- refusals: ok in {} files", files.len());
        return Ok(());
    }
    Err(format!("refusals:\n{}", refused.join("\n")))
}

fn is_written(file: &Path) -> bool {
    let suffix = file.extension().and_then(|suffix| suffix.to_str());
    suffix.is_some_and(|suffix| WRITTEN_SUFFIXES.contains(&suffix)) || file.starts_with(".ci")
}

/// What is refused in one file: lines (from 1) and reasons.
fn check_file(file: &Path, text: &str) -> Vec<(usize, String)> {
    let mut refused = Vec::new();
    let is_rust = file.extension().is_some_and(|suffix| suffix == "rs");
    if is_rust {
        let first = text.lines().find(|line| !line.trim().is_empty());
        if !first.is_some_and(|line| line.starts_with("//!")) {
            refused.push((
                1,
                "begin with `//!` and say why this file exists".to_owned(),
            ));
        }
        let lines = text.lines().count();
        if lines > LONGEST_FILE_LINES {
            refused.push((
                lines,
                format!("{lines} lines, more than {LONGEST_FILE_LINES}"),
            ));
        }
        if file.file_name().is_some_and(|name| name == "mod.rs") {
            refused.push((
                1,
                "name the file after its module instead of mod.rs".to_owned(),
            ));
        }
    }
    for (number, line) in (1..).zip(text.lines()) {
        let mut refuse = |text: &str, reason: &str| {
            refused.push((number, format!("`{}`: {reason}", text.trim_end())));
        };
        for (text, reason) in REFUSED_TEXT {
            if line.contains(text) {
                refuse(text, reason);
            }
        }
        let code = line.split("//").next().unwrap_or_default();
        for (text, reason) in REFUSED_CODE.iter().filter(|_| is_rust) {
            if code.contains(text) {
                refuse(text, reason);
            }
        }
    }
    refused
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused_lines(file: &str, text: &str) -> Vec<usize> {
        let refused = check_file(Path::new(file), text);
        refused.into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn a_rust_file_says_why_it_exists_and_is_short() {
        assert_eq!(refused_lines("a.rs", "//! Why.\nfn a() {}\n"), [0usize; 0]);
        assert_eq!(refused_lines("a.rs", "fn a() {}\n"), [1]);
        assert_eq!(refused_lines("a.rs", ""), [1]);
        assert_eq!(refused_lines("a/mod.rs", "//! Why.\n"), [1]);
        let long = format!("//! Why.\n{}", "\n".repeat(LONGEST_FILE_LINES));
        assert_eq!(refused_lines("a.rs", &long), [LONGEST_FILE_LINES + 1]);
    }

    #[test]
    fn every_refused_text_is_found_where_it_matters() {
        for (text, _) in REFUSED_CODE {
            assert_eq!(refused_lines("a.rs", &format!("//! Why.\n  {text}")), [2]);
            assert_eq!(refused_lines("a.rs", &format!("//! {text}\n")), [0usize; 0]);
            assert_eq!(refused_lines("a.md", text), [0usize; 0]);
        }
        for (text, _) in REFUSED_TEXT {
            assert_eq!(refused_lines("a.md", &format!("\nsee {text}x")), [2]);
        }
    }

    #[test]
    fn scripts_are_read_and_data_are_not() {
        assert!(is_written(Path::new(".ci/run")));
        assert!(is_written(Path::new("xtask/python/golden.py")));
        assert!(!is_written(Path::new("tests/fixtures/a.h5ad")));
    }
}
