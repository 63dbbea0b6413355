//! `cargo xtask bench load`: a collection in memory by `load()`, and by anndata and pandas, in time
//! and memory.
//!
//! Each is a process of its own that imports the same packages, finds the files in the page cache,
//! and loads once. Both must have loaded the same.

use std::fs;

use clap::Args;
use serde_json::{Value, json};

use super::data::Data;
use super::environments::Environments;
use super::machine::Machine;
use super::{Shared, markdown};
use crate::workspace::{Workspace, output};
use crate::{Result, step};

/// What is asked: at most this part of the other's time, and no more memory.
const MOST_TIME: f64 = 0.5;

/// What `cargo xtask bench load` takes.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    shared: Shared,
    /// How often each is measured, each time in a fresh process.
    #[arg(long, value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
}

/// A directory of files that are loaded together.
struct Case {
    name: &'static str,
    directory: &'static str,
    join: &'static str,
    /// Whether they are tables, which pandas concatenates.
    table: bool,
}

const CASES: &[Case] = &[
    case("h5ad", "h5ad", "outer"),
    case("h5ad, gzip", "h5ad-gzip", "outer"),
    case("h5ad, other genes, inner", "h5ad-genes", "inner"),
    case("h5ad, other genes, outer", "h5ad-genes", "outer"),
    case("zarr v3", "zarr-v3", "outer"),
    tables("parquet", "parquet"),
    tables("csv", "csv"),
];

const fn case(name: &'static str, directory: &'static str, join: &'static str) -> Case {
    Case {
        name,
        directory,
        join,
        table: false,
    }
}

const fn tables(name: &'static str, directory: &'static str) -> Case {
    Case {
        name,
        directory,
        join: "outer",
        table: true,
    }
}

/// Prepares what is missing, measures, and prints the table; all of it is written to a page. A target that is missed is in the
/// table and no error: how busy the machine is is not known.
pub(super) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let shared = &options.shared;
    if shared.json {
        step::keep_stdout_clear();
    }
    let mut cases: Vec<&Case> = CASES.iter().collect();
    shared.select(&mut cases, |case| case.name)?;
    let directory = workspace.target_directory()?.join("bench");
    let environments = Environments::prepare(workspace, &directory, shared.wheel.as_deref())?;
    let data = directory.join("data");
    let cells = shared.cells_per_file();
    let matrices = Data::prepare(workspace, &environments, &data, cells)?;
    let mut script = environments.script("generate_tables");
    script.args(["--cells", &cells.to_string()]);
    let tables = Data::made_once(
        workspace,
        &data.join(format!("{cells}-cells-tables")),
        &["bench/generate_tables.py"],
        script,
        &format!("4 tables of {cells} cells"),
    )?;
    let machine = Machine::examine(workspace);
    let is_whole = !shared.quick && shared.case.is_none();
    let mut rows = Vec::new();
    for case in cases {
        let data = if case.table { &tables } else { &matrices };
        rows.push(measure(case, data, &environments, options.rounds)?);
    }
    if shared.json {
        let document = json!({ "machine": machine.to_json(), "cases": rows });
        println!("{document:#}");
        return Ok(());
    }
    println!("\n{}", table(&rows));
    if is_whole {
        let path = workspace.root().join("bench/LOAD.md");
        let failed = |e| format!("{}: {e}", path.display());
        fs::create_dir_all(path.with_file_name("")).map_err(failed)?;
        fs::write(&path, page(&machine, options.rounds, cells, &rows)).map_err(failed)?;
        eprintln!("written: {}", path.display());
    }
    Ok(())
}

/// Measures both, one after the other, in every second round the other way round.
fn measure(case: &Case, data: &Data, environments: &Environments, rounds: u16) -> Result<Value> {
    let directory = data.directory.join(case.directory);
    let failed = |e| format!("{}: {e}", directory.display());
    let mut paths = Vec::new();
    for entry in directory.read_dir().map_err(failed)? {
        paths.push(entry.map_err(failed)?.path().display().to_string());
    }
    paths.sort();
    let reference = if case.table { "pandas" } else { "anndata" };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        let mut order = [("anndex", &mut ours), (reference, &mut theirs)];
        if round % 2 == 0 {
            order.reverse();
        }
        for (by, reports) in order {
            let specification =
                json!({ "paths": paths, "join": case.join, "table": case.table, "by": by });
            let mut command = environments.script("run_load");
            let text = output(command.arg(specification.to_string()))?;
            let line = text.lines().last().unwrap_or_default();
            let report: Value = serde_json::from_str(line)
                .map_err(|e| format!("{line:?} is not a result of {by}: {e}"))?;
            eprintln!(
                "round {round} of {rounds}, {by}, {}: {:.2} s",
                case.name,
                number(&report, "seconds")
            );
            reports.push(report);
        }
    }
    let loaded = |reports: &[Value]| reports.first().map(|report| report["loaded"].clone());
    if loaded(&ours) != loaded(&theirs) {
        return Err(format!(
            "{}: anndex loaded {:?}, but {reference} {:?}",
            case.name,
            loaded(&ours),
            loaded(&theirs)
        ));
    }
    let pairs = || ours.iter().zip(&theirs);
    let ratio = |of: fn(&Value) -> f64| median(pairs().map(|(a, b)| of(a) / of(b)).collect());
    Ok(json!({
        "case": case.name,
        "reference": reference,
        "seconds": median(ours.iter().map(seconds).collect()),
        "reference_seconds": median(theirs.iter().map(seconds).collect()),
        "time_ratio": ratio(seconds),
        "memory": median(ours.iter().map(memory).collect()),
        "reference_memory": median(theirs.iter().map(memory).collect()),
        "memory_ratio": ratio(memory),
        "reports": { "anndex": ours, reference: theirs },
    }))
}

fn number(report: &Value, key: &str) -> f64 {
    report[key].as_f64().unwrap_or(f64::NAN)
}

fn seconds(report: &Value) -> f64 {
    number(report, "seconds")
}

/// The memory at the peak beside what the imports took, in bytes.
fn memory(report: &Value) -> f64 {
    number(report, "peak_rss") - number(report, "baseline_rss")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    values.get(middle).copied().unwrap_or(f64::NAN)
}

const COLUMNS: [&str; 9] = [
    "case", "against", "load() s", "peer's s", "time", "reached", "MiB", "peer's", "memory",
];

/// The table in Markdown.
fn table(rows: &[Value]) -> String {
    let lines = rows.iter().map(|row| {
        let of = |key: &str| number(row, key);
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let mebibytes = |key: &str| format!("{:.0}", of(key) / f64::from(1u32 << 20));
        let reached = of("time_ratio") <= MOST_TIME && of("memory_ratio") <= 1.0;
        [
            text("case"),
            text("reference"),
            format!("{:.2}", of("seconds")),
            format!("{:.2}", of("reference_seconds")),
            format!("{:.2}", of("time_ratio")),
            if reached { "yes" } else { "NO" }.to_owned(),
            mebibytes("memory"),
            mebibytes("reference_memory"),
            format!("{:.2}", of("memory_ratio")),
        ]
    });
    markdown::table(COLUMNS, &[0, 1], &lines.collect::<Vec<_>>())
}

/// A page for people: the table, and how to read it.
fn page(machine: &Machine, rounds: u16, cells: u32, rows: &[Value]) -> String {
    let versions = rows
        .first()
        .map(|row| &row["reports"]["anndex"][0]["versions"]);
    let versions = versions.and_then(Value::as_object).into_iter().flatten();
    let versions: Vec<String> = versions
        .map(|(package, version)| format!("{package} {}", version.as_str().unwrap_or_default()))
        .collect();
    format!(
        "# Loading\n\n\
         Written by `cargo xtask bench load` on {date}, at commit {commit}.\n\n\
         - Machine: {processor}, {cores} cores, {memory:.0} GiB of memory.\n\
         - Versions: {versions}.\n\
         - 4 files of {cells} cells each, loaded into one object: by what `load()` of a collection \
         calls once its files are there, and by `anndata.concat` of `read_h5ad` or `read_zarr`, or \
         `pandas.concat` of `read_parquet` or `read_csv`.\n\
         - Rounds: {rounds}, of which the medians are shown; every reading in a fresh process that \
         has imported the packages, the page cache warm.\n\n\
         {table}\n\
         `time` and `memory` are the medians of the rounds' ratios, of which {MOST_TIME} and 1 are \
         asked. `MiB` is by how much the peak of the process is above what it had after the imports. \
         The tables have 50 columns of float32, 150 of int64, 2 of text and 3 others.\n",
        date = machine.date,
        commit = machine.commit,
        processor = machine.processor,
        cores = machine.cores,
        memory = machine.memory as f64 / f64::from(1 << 30),
        versions = versions.join(", "),
        table = table(rows),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_which_targets_are_met() {
        let row = json!({
            "case": "csv", "reference": "pandas", "seconds": 1.0, "reference_seconds": 4.0,
            "time_ratio": 0.25, "memory": 2097152.0, "reference_memory": 1048576.0,
            "memory_ratio": 2.0,
        });
        let table = table(&[row]);
        let line =
            "| csv  | pandas  |     1.00 |     4.00 | 0.25 |      NO |   2 |      1 |   2.00 |";
        assert!(table.contains(line), "{table}");
    }
}
