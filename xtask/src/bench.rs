//! `cargo xtask bench`: this project's loader against those that people use today, on the same
//! files, in one table.
//!
//! Everything that it makes stands below the target directory and is made once: the environments
//! of the loaders and the data. Speed is compared within a run only, as the median of ratios.

mod cases;
mod data;
mod environments;
mod machine;
mod measurement;
mod registry;
mod results;
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
pub(crate) struct Options {
    #[command(subcommand)]
    part: Option<Part>,
    /// Use smaller files, fewer cases and one short round: under 3 minutes once everything is made.
    #[arg(long)]
    quick: bool,
    /// Print JSON instead of the table: its rows, and what every process reported.
    #[arg(long)]
    json: bool,
    /// Run only the cases whose name contains this.
    #[arg(long, value_name = "NAME")]
    case: Option<String>,
    /// How often each reading is measured, each time in a fresh process.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
    /// Measure this wheel of the Python package instead of building one.
    #[arg(long, value_name = "FILE")]
    wheel: Option<PathBuf>,
}

/// What can be measured instead of the comparison.
#[derive(Debug, Subcommand)]
enum Part {
    /// Measure the registry with 100,000 artifacts, beside lamindb with fewer.
    Registry(registry::Options),
}

impl Options {
    fn cases(&self) -> Result<Vec<Case>> {
        let mut cases = cases::all();
        let names: Vec<_> = cases.iter().map(|case| case.name.clone()).collect();
        match &self.case {
            Some(name) => cases.retain(|case| case.name.contains(name.as_str())),
            None => cases.retain(|case| case.quick || !self.quick),
        }
        if cases.is_empty() {
            return Err(format!("no such case; there are: {}", names.join(", ")));
        }
        Ok(cases)
    }

    fn effort(&self) -> Effort {
        let rounds = |default| usize::from(self.rounds.unwrap_or(default));
        if self.quick {
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
                at_most: 12.0,
                check_seconds: 3.0,
            }
        }
    }

    fn cells_per_file(&self) -> u32 {
        if self.quick { 3_000 } else { 30_000 }
    }
}

/// Prepares what is missing, measures, and prints the table.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    if let Some(Part::Registry(registry)) = &options.part {
        return registry::run(workspace, registry);
    }
    let cases = options.cases()?;
    let effort = options.effort();
    if options.json {
        step::keep_stdout_clear();
    }
    let directory = workspace.target_directory()?.join("bench");
    let environments = Environments::prepare(workspace, &directory, options.wheel.as_deref())?;
    let data = Data::prepare(
        workspace,
        &environments,
        &directory.join("data"),
        options.cells_per_file(),
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
    if options.json {
        println!("{}", results.to_json());
    } else {
        println!("\n{}", table::markdown(&rows));
    }
    match measurements.failures() {
        0 => {}
        failures => return Err(format!("{failures} processes failed, as said above")),
    }
    if !options.quick && options.case.is_none() {
        let path = workspace.root().join("bench/RESULTS.md");
        let failed = |e| format!("{}: {e}", path.display());
        fs::create_dir_all(path.with_file_name("")).map_err(failed)?;
        fs::write(&path, results.markdown()).map_err(failed)?;
        eprintln!("written: {}", path.display());
    }
    Ok(())
}
