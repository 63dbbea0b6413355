//! `cargo xtask bench growth`: how opening, memory and speed change with the size of a collection,
//! and whether an epoch keeps to its budget on a collection that is much larger.
//!
//! Nothing is compared with others here. Large collections are few files, each of which stands in
//! the list of paths many times: every path is opened for itself, so that only the page cache
//! knows better.

mod cases;
mod files;
mod table;

use std::fs;

use clap::Args;
use serde_json::json;

use self::cases::Case;
use self::files::Files;
use self::table::Row;
use super::data::Data;
use super::environments::Environments;
use super::machine::Machine;
use super::{Shared, measurement};
use crate::workspace::Workspace;
use crate::{Result, step};

/// What `cargo xtask bench growth` takes.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    shared: Shared,
}

/// Prepares what is missing, measures, and prints the table.
pub(super) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let shared = &options.shared;
    if shared.json {
        step::keep_stdout_clear();
    }
    let directory = workspace.target_directory()?.join("bench");
    let environments = Environments::prepare(workspace, &directory, shared.wheel.as_deref())?;
    let data = directory.join("data");
    let main = Data::prepare(workspace, &environments, &data, shared.cells_per_file())?;
    let cells_of_index = if shared.quick { 1_000_000 } else { 10_000_000 };
    let own = files::prepare(workspace, &environments, &data, cells_of_index)?;
    let mut cases = cases::all(&Files {
        main: &main,
        own: &own,
        cells_of_index,
    });
    shared.select(&mut cases, |case| &case.name)?;
    let (seconds, at_most) = if shared.quick {
        (1.0, 3.0)
    } else {
        (5.0, 90.0)
    };
    let machine = Machine::examine(workspace);
    let measure = |case| {
        let specification = Case::specification(case, seconds, at_most);
        let outcome = measurement::start(case.reading.loader, &specification, &environments);
        match &outcome {
            Ok(outcome) => eprintln!("{}: {:.0} cells/s", case.name, outcome.cells_per_second),
            Err(message) => eprintln!("{}: FAILED: {message}", case.name),
        }
        (case, outcome)
    };
    let rows = table::rows(cases.iter().map(measure).collect());
    if shared.json {
        let rows: Vec<_> = rows.iter().map(Row::to_json).collect();
        println!("{}", json!({"machine": machine.to_json(), "rows": rows}));
    } else {
        println!("\n{}", table::markdown(&rows));
    }
    let failures = rows.iter().filter(|row| row.outcome.is_err()).count();
    if failures > 0 {
        return Err(format!("{failures} processes failed, as said above"));
    }
    if !shared.quick && shared.case.is_none() {
        let path = workspace.root().join("bench/GROWTH.md");
        let failed = |e| format!("{}: {e}", path.display());
        fs::create_dir_all(path.with_file_name("")).map_err(failed)?;
        fs::write(&path, page(&machine, &rows)).map_err(failed)?;
        eprintln!("written: {}", path.display());
    }
    let over: Vec<_> = rows.iter().filter(|row| row.is_over_budget()).collect();
    match over.as_slice() {
        [] => Ok(()),
        [row, ..] => Err(format!(
            "{} cases had more memory than they may, such as {}",
            over.len(),
            row.case.name
        )),
    }
}

/// A page for people: the table, and how to read it.
fn page(machine: &Machine, rows: &[Row<'_>]) -> String {
    format!(
        "# Growth\n\n\
         Written by `cargo xtask bench growth` on {date}, at commit {commit}.\n\n\
         - Machine: {processor}, {cores} cores, {memory:.0} GiB of memory.\n\
         - Our loader, in exactly shuffled order, with dense float32 batches of 128 as NumPy \
         arrays and one label column. Every case in a fresh process, the page cache warm. Whole \
         epochs for 5 s or more, an epoch that takes longer than 90 s up to there.\n\
         - The files are those of `cargo xtask bench`, listed again and again up to the number of \
         files, each of which is opened for itself. `index` is a file of 10 million nearly empty \
         rows, `small` and `small-genes` four files of 100 cells, with the same and with different \
         genes (joined: outer).\n\n\
         {table}\n\
         `opened` is what the process grew by until the collection was open, `bytes/cell` how much \
         of it a cell more takes than in the row above. `RSS` is the peak; `allowed` is what the \
         imports and opening took, the budget, two batches, and 64 MiB for code, buffers of \
         threads and the allocator. In `memory` the collection takes five times its budget.\n",
        date = machine.date,
        commit = machine.commit,
        processor = machine.processor,
        cores = machine.cores,
        memory = machine.memory as f64 / f64::from(1 << 30),
        table = table::markdown(rows),
    )
}
