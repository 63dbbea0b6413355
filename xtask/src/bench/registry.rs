//! `cargo xtask bench registry`: how long the registry takes with many artifacts, beside what is
//! asked of it and beside lamindb.
//!
//! Both run in processes of their own, one after the other, on a database and files that they
//! make. lamindb gets fewer artifacts, because it registers a few dozen in a second; rates can be
//! compared, and what it reads is then the smaller of the two.

use std::process::Command;

use clap::Args;
use serde_json::{Value, json};

use super::environments::Environments;
use super::machine::Machine;
use crate::workspace::{Workspace, output};
use crate::{Result, step};

/// What `cargo xtask bench registry` takes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Use 5,000 artifacts, of which lamindb gets 100.
    #[arg(long)]
    quick: bool,
    /// Print JSON instead of the table.
    #[arg(long)]
    json: bool,
    /// How many artifacts there are.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1_000..))]
    artifacts: Option<u32>,
}

impl Options {
    fn artifacts(&self) -> u32 {
        self.artifacts
            .unwrap_or(if self.quick { 5_000 } else { 100_000 })
    }

    /// How many artifacts lamindb gets.
    fn artifacts_of_lamindb(&self) -> u32 {
        if self.quick { 100 } else { 1_000 }
    }
}

/// What is asked of a task with 100,000 artifacts.
#[derive(Clone, Copy)]
enum Target {
    /// At least so many artifacts in a second.
    Rate(f64),
    /// At most so many seconds.
    Seconds(f64),
    /// Nothing.
    None,
}

/// The tasks: their names in the documents, in words, and what is asked of them.
const TASKS: &[(&str, &str, Target)] = &[
    ("register", "register files in place", Target::Rate(1_500.0)),
    ("register_known", "register them again", Target::None),
    (
        "register_directory",
        "register all files as one directory",
        Target::None,
    ),
    (
        "save_collection",
        "save a collection of all",
        Target::Seconds(10.0),
    ),
    (
        "get_collection",
        "get it with its artifacts, in order",
        Target::Seconds(2.0),
    ),
    ("list", "list the newest 100", Target::Seconds(0.05)),
    ("count", "count all", Target::Seconds(0.05)),
    (
        "filter_by_key",
        "filter: key starts with, 100 found",
        Target::Seconds(0.05),
    ),
    (
        "filter_by_text",
        "filter: key contains, 1 found",
        Target::Seconds(0.05),
    ),
    (
        "filter_in_collection",
        "filter: 100 in the collection",
        Target::Seconds(0.05),
    ),
    (
        "filter_collections",
        "filter: collections with such an artifact",
        Target::Seconds(0.05),
    ),
    ("check", "check all", Target::None),
];

/// Measures, and prints the table. A target that is missed is in the table and no error: how fast
/// the machine is is not known.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    if options.json {
        step::keep_stdout_clear();
    }
    let machine = Machine::examine(workspace);
    step::heading("the registry of anndex");
    let mut bench = workspace.cargo();
    bench
        .args(["bench", "--quiet", "--package", "anndex"])
        .args(["--bench", "registry"])
        .args(["--no-default-features", "--features", "sqlite", "--"])
        .arg(options.artifacts().to_string());
    let ours = document(&mut bench)?;
    let lamindb = lamindb(workspace, options)?;
    if options.json {
        let document = json!({ "machine": machine.to_json(), "anndex": ours, "lamindb": lamindb });
        println!("{document:#}");
        return Ok(());
    }
    println!(
        "\n{} on {}, {} cores, commit {}\n\n{}",
        machine.date,
        machine.processor,
        machine.cores,
        machine.commit,
        table(&ours, &lamindb)
    );
    Ok(())
}

fn lamindb(workspace: &Workspace, options: &Options) -> Result<Value> {
    let directory = workspace.target_directory()?.join("bench");
    let installed = Environments::lamindb(workspace, &directory)?;
    step::heading("the registry of lamindb");
    let script = workspace
        .root()
        .join("xtask/python/bench/registry_lamindb.py");
    let mut command = installed.command();
    command
        .arg(script)
        .arg(options.artifacts_of_lamindb().to_string());
    document(&mut command)
}

/// The last line that a process prints.
fn document(command: &mut Command) -> Result<Value> {
    let text = output(command)?;
    let line = text.lines().last().unwrap_or_default();
    serde_json::from_str(line).map_err(|e| format!("{line:?} is not a result: {e}"))
}

fn table(ours: &Value, lamindb: &Value) -> String {
    let count = |document: &Value| document["artifacts"].as_f64().unwrap_or_default();
    let version = lamindb["version"].as_str().unwrap_or_default();
    let mut rows = vec![[
        "task".to_owned(),
        format!("anndex, {} artifacts", rounded(count(ours))),
        "target".to_owned(),
        format!("lamindb {version}, {} artifacts", rounded(count(lamindb))),
    ]];
    for (name, words, target) in TASKS {
        let measured = |document: &Value| match document["seconds"][name].as_f64() {
            None => "-".to_owned(),
            Some(seconds) if name.starts_with("register") => {
                format!("{}/s", rounded(count(document) / seconds))
            }
            Some(seconds) => duration(seconds),
        };
        let target = match (target, ours["seconds"][name].as_f64()) {
            (Target::Rate(rate), Some(seconds)) => {
                let met = count(ours) / seconds >= *rate;
                format!("{} {}/s", mark(met, "≥"), rounded(*rate))
            }
            (Target::Seconds(most), Some(seconds)) => {
                format!("{} {}", mark(seconds < *most, "<"), duration(*most))
            }
            _ => String::new(),
        };
        rows.push([
            (*words).to_owned(),
            measured(ours),
            target,
            measured(lamindb),
        ]);
    }
    let mut lines = rows.iter().map(|row| format!("| {} |", row.join(" | ")));
    let heading = lines.next().unwrap_or_default();
    let rest: Vec<String> = lines.collect();
    format!(
        "{heading}\n| --- | ---: | --- | ---: |\n{}",
        rest.join("\n")
    )
}

fn mark(met: bool, sign: &str) -> String {
    match met {
        true => format!("met: {sign}"),
        false => format!("MISSED: {sign}"),
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 0.001 => format!("{:.0} µs", s * 1e6),
        s if s < 1.0 => format!("{s:.3} s"),
        s => format!("{s:.2} s"),
    }
}

fn rounded(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_which_targets_are_met() {
        let ours = json!({"artifacts": 100_000, "seconds": {
            "register": 50.0, "save_collection": 11.0, "list": 0.0005,
        }});
        let theirs = json!({"artifacts": 100, "seconds": {"register": 5.0}, "version": "2.12.1"});
        let table = table(&ours, &theirs);
        let has = |line: &str| assert!(table.contains(line), "{table}");
        has("| register files in place | 2,000/s | met: ≥ 1,500/s | 20/s |");
        has("| save a collection of all | 11.00 s | MISSED: < 10.00 s | - |");
        has("| list the newest 100 | 500 µs | met: < 0.050 s | - |");
        has("| lamindb 2.12.1, 100 artifacts |");
    }
}
