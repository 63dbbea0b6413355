//! Running readings, each in a fresh process, round after round.

use std::process::Stdio;
use std::time::Instant;

use serde_json::{Value, json};

use super::cases::{Case, Reading};
use super::data::Data;
use super::environments::Environments;
use crate::Result;
use crate::workspace::output;

/// How long and how often to measure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) rounds: usize,
    /// Whole epochs are timed until so many seconds have gone by.
    pub(crate) seconds: f64,
    /// An epoch that lasts longer than this is left.
    pub(crate) at_most: f64,
    /// How long the cells of another epoch are checked in the first round.
    pub(crate) check_seconds: f64,
}

/// What a runner reported.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) cells_per_second: f64,
    /// Bytes of batches per second.
    pub(crate) bytes_per_second: f64,
    /// Peak resident memory of the process and the biggest of its workers, in bytes.
    pub(crate) peak_memory: u64,
    /// Resident memory after everything was imported, in bytes.
    pub(crate) imports: u64,
    /// The whole report.
    pub(crate) report: Value,
}

impl Outcome {
    fn parse(line: &str) -> Option<Self> {
        let report: Value = serde_json::from_str(line).ok()?;
        let number = |key: &str| report[key].as_f64();
        let seconds = number("seconds").filter(|seconds| *seconds > 0.0)?;
        let own = report["peak_rss"].as_u64()?;
        let workers = report["worker_peak_rss"].as_u64()?;
        Some(Self {
            cells_per_second: number("cells")? / seconds,
            bytes_per_second: number("bytes")? / seconds,
            peak_memory: own.max(workers),
            imports: report["baseline_rss"].as_u64()?,
            report,
        })
    }
}

/// Everything that was measured.
#[derive(Debug, Default)]
pub(crate) struct Measurements {
    /// Each reading once, with its outcome or error in each round.
    pub(crate) readings: Vec<(Reading, Vec<Result<Outcome>>)>,
}

impl Measurements {
    /// Measures all readings of the cases; those that are compared with nothing once.
    ///
    /// Readings that are compared come one after the other, in every second round the other way
    /// round, so that what changes on the machine changes for both.
    pub(crate) fn take(
        cases: &[Case],
        environments: &Environments,
        data: &Data,
        effort: &Effort,
    ) -> Self {
        let mut readings: Vec<(Reading, Vec<_>)> = Vec::new();
        for case in cases {
            let peers = case.peers.iter().map(|(peer, _)| *peer);
            for reading in std::iter::once(case.ours).chain(peers) {
                if readings.iter().all(|(known, _)| *known != reading) {
                    readings.push((reading, Vec::new()));
                }
            }
        }
        let is_compared = |reading: &Reading| {
            let mut compared = cases.iter().filter(|case| !case.peers.is_empty());
            compared.any(|case| {
                case.ours == *reading || case.peers.iter().any(|(peer, _)| peer == reading)
            })
        };
        for round in 0..effort.rounds {
            let number = readings.len();
            for position in 0..number {
                let position = match round % 2 {
                    0 => position,
                    _ => number - 1 - position,
                };
                let (reading, outcomes) = &mut readings[position];
                if round > 0 && !is_compared(reading) {
                    continue;
                }
                let check_seconds = if round == 0 {
                    effort.check_seconds
                } else {
                    0.0
                };
                let started = Instant::now();
                let outcome = run(reading, environments, data, effort, check_seconds);
                let said = match &outcome {
                    Ok(outcome) => format!("{:.0} cells/s", outcome.cells_per_second),
                    Err(message) => format!("FAILED: {message}"),
                };
                // On stderr, so that stdout is the table or the JSON alone.
                eprintln!(
                    "round {} of {}, {}: {said} ({:.0} s in all)",
                    round + 1,
                    effort.rounds,
                    reading.label(),
                    started.elapsed().as_secs_f64()
                );
                outcomes.push(outcome);
            }
        }
        Self { readings }
    }

    /// The outcomes of a reading; empty if it is none of those measured.
    pub(crate) fn of(&self, reading: &Reading) -> &[Result<Outcome>] {
        let found = self.readings.iter().find(|(known, _)| known == reading);
        found.map_or(&[], |(_, outcomes)| outcomes)
    }

    /// How many processes failed.
    pub(crate) fn failures(&self) -> usize {
        let outcomes = self.readings.iter().flat_map(|(_, outcomes)| outcomes);
        outcomes.filter(|outcome| outcome.is_err()).count()
    }
}

fn run(
    reading: &Reading,
    environments: &Environments,
    data: &Data,
    effort: &Effort,
    check_seconds: f64,
) -> Result<Outcome> {
    let mut specification = reading.specification();
    specification["data"] = json!(data.directory);
    specification["seconds"] = json!(effort.seconds);
    specification["at_most"] = json!(effort.at_most);
    specification["check_seconds"] = json!(check_seconds);
    start(reading.loader, &specification, environments)
}

/// Runs the runner of a loader in a fresh process and takes what it reports.
pub(super) fn start(
    loader: &str,
    specification: &Value,
    environments: &Environments,
) -> Result<Outcome> {
    let mut command = environments.script(&format!("run_{loader}"));
    command.arg(specification.to_string()).stdin(Stdio::null());
    let printed = output(&mut command)?;
    let line = printed.lines().last().unwrap_or_default();
    Outcome::parse(line).ok_or(format!("{loader} printed no result: {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_becomes_speeds() {
        let line = r#"{"cells": 300, "seconds": 1.5, "bytes": 600, "peak_rss": 7,
                       "worker_peak_rss": 9, "baseline_rss": 5}"#;
        let outcome = Outcome::parse(line).unwrap();
        assert_eq!(outcome.cells_per_second, 200.0);
        assert_eq!(outcome.bytes_per_second, 400.0);
        assert_eq!((outcome.peak_memory, outcome.imports), (9, 5));
        assert!(Outcome::parse("Killed").is_none());
        let stopped = line.replace("1.5", "0");
        assert!(Outcome::parse(&stopped).is_none());
    }
}
