//! `cargo xtask bench stream`: an epoch from a server beside the same epoch from local files.

use std::fs;

use clap::Args;
use serde_json::{Value, json};

use super::data::Data;
use super::environments::Environments;
use super::machine::Machine;
use super::{Shared, markdown};
use crate::workspace::{Workspace, output};
use crate::{Result, step};

/// What `cargo xtask bench stream` takes.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    shared: Shared,
}

/// Prepares what is missing, measures, prints the table and writes it to a page.
pub(super) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let shared = &options.shared;
    if shared.json {
        step::keep_stdout_clear();
    }
    let directory = workspace.target_directory()?.join("bench");
    let environments = Environments::prepare(workspace, &directory, shared.wheel.as_deref())?;
    let data = directory.join("data");
    let data = Data::prepare(workspace, &environments, &data, shared.cells_per_file())?;
    let machine = Machine::examine(workspace);
    let mut command = workspace.cargo();
    command
        .args(["bench", "-p", "anndex-tests", "--bench", "streaming"])
        .env("ANNDEX_BENCH_DATA", &data.directory);
    if let Some(case) = &shared.case {
        command.env("ANNDEX_BENCH_CASE", case);
    }
    let printed = output(&mut command)?;
    let lines = printed.lines().filter(|line| line.starts_with('{'));
    let lines: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).map_err(|e| format!("{line}: {e}")))
        .collect::<Result<_, _>>()?;
    if shared.json {
        let document = json!({ "machine": machine.to_json(), "rounds": lines });
        println!("{document:#}");
        return Ok(());
    }
    let table = table(&lines);
    println!("\n{table}");
    if !shared.quick && shared.case.is_none() {
        let path = workspace.root().join("bench/STREAM.md");
        let failed = |e| format!("{}: {e}", path.display());
        fs::write(&path, page(&machine, &table)).map_err(failed)?;
        eprintln!("written: {}", path.display());
    }
    Ok(())
}

/// One row for each format: medians over its rounds.
fn table(lines: &[Value]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in lines.iter().filter_map(|line| line["name"].as_str()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let row = |name: &str| {
        let own: Vec<&Value> = lines.iter().filter(|line| line["name"] == name).collect();
        let median = |of: &dyn Fn(&Value) -> f64| {
            let mut values: Vec<f64> = own.iter().map(|line| of(line)).collect();
            values.sort_unstable_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
        };
        let number = |line: &Value, key: &str| line[key].as_f64().unwrap_or(f64::NAN);
        let field = |key: &'static str| median(&|line| number(line, key));
        let part = |of: &'static str, key: &'static str| {
            median(&|line| number(line, of) / number(line, key))
        };
        let rate = |key| median(&|line| number(line, "cells") / number(line, key));
        [
            name.to_owned(),
            format!("{:.0}", rate("local_seconds")),
            known(rate("disk_seconds"), 0),
            format!("{:.0}", rate("streamed_seconds")),
            format!("{:.2}", part("local_seconds", "streamed_seconds")),
            known(part("disk_seconds", "streamed_seconds"), 2),
            known(part("download_seconds", "streamed_seconds"), 2),
            format!("{:.2}", part("bytes", "needed_bytes")),
            format!("{:.0}", field("requests")),
            format!("{:.1}", field("opening_seconds")),
            format!("{:.0}", field("opening_requests")),
        ]
    };
    let head = [
        "format",
        "local cells/s",
        "from disk",
        "streamed",
        "of local",
        "of disk",
        "of the network",
        "bytes",
        "requests",
        "opening s",
        "requests to open",
    ];
    let body: Vec<_> = names.into_iter().map(row).collect();
    markdown::table(head, &[0], &body)
}

/// A number with so many decimals; a dash if it was not measured.
fn known(number: f64, decimals: usize) -> String {
    match number.is_nan() {
        true => "–".to_owned(),
        false => format!("{number:.decimals$}"),
    }
}

/// A page for people: the table, and how to read it.
fn page(machine: &Machine, table: &str) -> String {
    format!(
        "# Streaming\n\n\
         Written by `cargo xtask bench stream` on {date}, at commit {commit}.\n\n\
         - Machine: {processor}, {cores} cores, {memory:.0} GiB of memory.\n\
         - The files of `cargo xtask bench`, which rclone serves by HTTP on the same machine, behind \
         a proxy that holds each request up for 50 ms and closes the connection after it. Server, \
         proxy and loader share the cores.\n\
         - The first epoch of a loader, blocks of 256 cells in windows of 16,384, sparse batches of \
         128, 1 GiB, 64 requests at the same time, gaps of 64 KiB; the page cache is warm but for the \
         epoch `from disk`. Medians of 3 rounds.\n\n\
         {table}\n\
         `of local` is the speed of the streamed epoch as a part of that from local files, `of disk` \
         as a part of that from local files that are not in the page cache, `of the \
         network` the time in which as many bytes come by requests of 2 MiB with nothing done to \
         them, as a part of the streamed epoch's time. `bytes` are those that came, as a part of the \
         chunks that an epoch needs. Opening looks at every file and reads its structure.\n",
        date = machine.date,
        commit = machine.commit,
        processor = machine.processor,
        cores = machine.cores,
        memory = machine.memory as f64 / f64::from(1 << 30),
    )
}
