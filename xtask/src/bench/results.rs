//! What a full run leaves in the repository, `bench/RESULTS.md`, and what `--json` prints.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::data::Data;
use super::machine::Machine;
use super::measurement::{Effort, Measurements};
use super::table::{self, Row};

/// One run with everything that belongs to it.
#[derive(Debug)]
pub(crate) struct Results<'a> {
    pub(crate) machine: &'a Machine,
    pub(crate) data: &'a Data,
    pub(crate) effort: &'a Effort,
    pub(crate) measurements: &'a Measurements,
    pub(crate) rows: &'a [Row],
}

impl Results<'_> {
    /// All of it for programs: the rows, and every process's own report.
    pub(crate) fn to_json(&self) -> Value {
        let readings = self
            .measurements
            .readings
            .iter()
            .map(|(reading, outcomes)| {
                let reports = outcomes.iter().map(|outcome| match outcome {
                    Ok(outcome) => outcome.report.clone(),
                    Err(message) => json!({ "error": message }),
                });
                json!({
                    "loader": reading.loader,
                    "reading": reading.specification(),
                    "rounds": reports.collect::<Vec<_>>(),
                })
            });
        json!({
            "machine": self.machine.to_json(),
            "data": self.data.summary,
            "rows": self.rows.iter().map(Row::to_json).collect::<Vec<_>>(),
            "readings": readings.collect::<Vec<_>>(),
        })
    }

    /// A page for people: where, when and with what it was measured, the table, and how to read it.
    pub(crate) fn markdown(&self) -> String {
        let machine = self.machine;
        let data = &self.data.summary;
        let versions = self.versions();
        let versions = versions
            .iter()
            .map(|(name, version)| format!("{name} {version}"));
        format!(
            "# Benchmark\n\n\
             Written by `cargo xtask bench` on {date}, at commit {commit}.\n\n\
             - Machine: {processor}, {cores} cores, {memory:.0} GiB of memory, which all cores \
             together copy at {copying:.1} GB/s.\n\
             - Data: {files} files with {cells} cells in all, {genes} genes each, \
             {nonzeros:.0} values other than 0 per cell.\n\
             - Versions: {versions}.\n\
             - Rounds: {rounds}, one for what is compared with nothing; every reading in a fresh \
             process, the page cache warm. Whole \
             epochs for {seconds} s or more, an epoch that takes longer than {at_most} s up to \
             there.\n\n\
             {table}\n\
             `ratio` is the median over the rounds of our speed divided by the peer's, speeds are \
             medians, memory is the highest peak. `of copying` is the size of our batches as a \
             part of what the machine can copy in the same time. `RSS` is the peak, with what \
             the libraries took when they were imported. `memory` is kept if our process has no \
             more than that, its budget and 300 MiB, and where no budget was given no more than the \
             peer's. The time of cases that end in `-kept` begins after one epoch, as that of SciPy \
             begins after everything was read. Every process of the first round has shown that its cells are those that \
             were written.\n",
            date = machine.date,
            commit = machine.commit,
            processor = machine.processor,
            cores = machine.cores,
            memory = machine.memory as f64 / f64::from(1 << 30),
            copying = machine.copy_speed / 1e9,
            files = data["files"],
            cells = data["cells"],
            genes = data["genes"],
            nonzeros = data["nonzeros_per_cell"].as_f64().unwrap_or_default(),
            versions = versions.collect::<Vec<_>>().join(", "),
            rounds = self.effort.rounds,
            seconds = self.effort.seconds,
            at_most = self.effort.at_most,
            table = table::markdown(self.rows),
        )
    }

    /// The version of each package; where environments differ, all of them.
    fn versions(&self) -> BTreeMap<String, String> {
        let mut found: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        let outcomes = self.measurements.readings.iter().flat_map(|(_, all)| all);
        for outcome in outcomes.flatten() {
            for (name, version) in outcome.report["versions"].as_object().into_iter().flatten() {
                let versions = found.entry(name.clone()).or_default();
                let version = version.as_str().unwrap_or_default();
                if !versions.contains(&version) {
                    versions.push(version);
                }
            }
        }
        let joined = found
            .into_iter()
            .map(|(name, all)| (name, all.join(" and ")));
        joined.collect()
    }
}
