//! `cargo xtask bench`: this project's loader against those that people use today, on the same
//! files, in one table.
//!
//! Everything that it makes stands below the target directory and is made once: the environments
//! of the loaders and the data. Speed is compared within a run only, as the median of ratios.

mod cases;
mod data;
mod environments;
mod growth;
mod load;
mod machine;
mod markdown;
mod measurement;
mod registry;
mod results;
mod stream;
mod table;

use std::fs;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use self::cases::Case;
use self::data::Data;
use self::environments::Environments;
use self::machine::Machine;
use self::measurement::{Effort, Measurements};
use self::results::Results;
use crate::workspace::Workspace;
use crate::{Result, step};

/// What `cargo xtask bench` takes.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    shared: Shared,
    /// How often each reading is measured, each time in a fresh process.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
}

/// What can be measured instead of the comparison.
#[derive(Debug, Subcommand)]
enum Part {
    /// Measure how opening, memory and speed change with the size of a collection.
    Growth(growth::Options),
    /// Measure loading collections into memory, beside anndata and pandas.
    Load(load::Options),
    /// Measure the registry with 100,000 artifacts, beside lamindb with fewer.
    Registry(registry::Options),
    /// Measure an epoch from a server with a latency of 50 ms, beside the same from local files.
    Stream(stream::Options),
}

/// What all measurements take.
#[derive(Debug, Args)]
struct Shared {
    /// Use smaller files, fewer cases and short rounds: under 3 minutes once everything is made.
    #[arg(long)]
    quick: bool,
    /// Print JSON instead of the table: its rows, and what every process reported.
    #[arg(long)]
    json: bool,
    /// Run only the cases whose name contains this.
    #[arg(long, value_name = "NAME")]
    case: Option<String>,
    /// Measure this wheel of the Python package instead of building one.
    #[arg(long, value_name = "FILE")]
    wheel: Option<PathBuf>,
}

impl Shared {
    /// Keeps the cases that were asked for.
    fn select<T>(&self, cases: &mut Vec<T>, name: impl Fn(&T) -> &str) -> Result<()> {
        let Some(part) = &self.case else {
            return Ok(());
        };
        let names: Vec<_> = cases.iter().map(|case| name(case).to_owned()).collect();
        cases.retain(|case| name(case).contains(part.as_str()));
        if cases.is_empty() {
            return Err(format!("no such case; there are: {}", names.join(", ")));
        }
        Ok(())
    }

    fn cells_per_file(&self) -> u32 {
        if self.quick { 3_000 } else { 30_000 }
    }
}

impl Options {
    fn cases(&self) -> Result<Vec<Case>> {
        let mut cases = cases::all();
        self.shared.select(&mut cases, |case| &case.name)?;
        if self.shared.case.is_none() {
            cases.retain(|case| case.quick || !self.shared.quick);
        }
        Ok(cases)
    }

    fn effort(&self) -> Effort {
        let rounds = |default| usize::from(self.rounds.unwrap_or(default));
        if self.shared.quick {
            Effort {
                rounds: rounds(1),
                seconds: 0.3,
                at_most: 1.0,
                check_seconds: 0.3,
            }
        } else {
            Effort {
                rounds: rounds(3),
                seconds: 3.0,
                at_most: 8.0,
                check_seconds: 3.0,
            }
        }
    }
}

/// Prepares what is missing, measures, and prints the table.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    match &options.part {
        Some(Part::Growth(growth)) => return growth::run(workspace, growth),
        Some(Part::Load(load)) => return load::run(workspace, load),
        Some(Part::Registry(registry)) => return registry::run(workspace, registry),
        Some(Part::Stream(stream)) => return stream::run(workspace, stream),
        None => {}
    }
    let shared = &options.shared;
    let cases = options.cases()?;
    let effort = options.effort();
    if shared.json {
        step::keep_stdout_clear();
    }
    let directory = workspace.target_directory()?.join("bench");
    let environments = Environments::prepare(workspace, &directory, shared.wheel.as_deref())?;
    let data = Data::prepare(
        workspace,
        &environments,
        &directory.join("data"),
        shared.cells_per_file(),
    )?;
    let machine = Machine::examine(workspace);
    let measurements = Measurements::take(&cases, &environments, &data, &effort);
    let rows = table::rows(&cases, &measurements, &machine);
    let results = Results {
        machine: &machine,
        data: &data,
        effort: &effort,
        measurements: &measurements,
        rows: &rows,
    };
    if shared.json {
        println!("{}", results.to_json());
    } else {
        println!("\n{}", table::markdown(&rows));
    }
    match measurements.failures() {
        0 => {}
        failures => return Err(format!("{failures} processes failed, as said above")),
    }
    if !shared.quick && shared.case.is_none() {
        let path = workspace.root().join("bench/RESULTS.md");
        let failed = |e| format!("{}: {e}", path.display());
        fs::create_dir_all(path.with_file_name("")).map_err(failed)?;
        fs::write(&path, results.markdown()).map_err(failed)?;
        eprintln!("written: {}", path.display());
    }
    Ok(())
}
