//! The table of a run: one row per comparison, its verdicts, and the same for programs.

use serde_json::{Value, json};

use super::cases::{Case, Reading};
use super::machine::Machine;
use super::markdown;
use super::measurement::{Measurements, Outcome};
use crate::Result;

/// What a process may need besides its budget, in MiB: all that it imports, too.
const BESIDES_BUDGET: u64 = 300;
const MEBIBYTE: u64 = 1 << 20;

/// One row.
#[derive(Debug)]
pub(crate) struct Row {
    case: String,
    ours: Option<Summary>,
    /// In MiB; what our process may have at its peak follows from it.
    budget: Option<u32>,
    is_budget_given: bool,
    /// What our output is, as a part of what the machine can copy.
    copy_share: Option<f64>,
    against: Option<Against>,
}

/// The side that ours is compared with.
#[derive(Debug)]
struct Against {
    label: String,
    /// Whether it is this project's, too, so that its memory is not a measure.
    own: bool,
    summary: Option<Summary>,
    /// The median over the rounds of our speed divided by its.
    ratio: Option<f64>,
    at_least: Option<f64>,
}

/// A reading over all rounds.
#[derive(Debug)]
struct Summary {
    /// The median.
    cells_per_second: f64,
    bytes_per_second: f64,
    /// The highest.
    peak_memory: u64,
    /// What of it the imports took.
    imports: u64,
}

impl Summary {
    fn of(outcomes: &[Result<Outcome>]) -> Option<Self> {
        let good = || outcomes.iter().filter_map(|outcome| outcome.as_ref().ok());
        Some(Self {
            cells_per_second: median(good().map(|outcome| outcome.cells_per_second))?,
            bytes_per_second: median(good().map(|outcome| outcome.bytes_per_second))?,
            peak_memory: good().map(|outcome| outcome.peak_memory).max()?,
            imports: good().map(|outcome| outcome.imports).max()?,
        })
    }

    fn to_json(&self) -> Value {
        json!({
            "cells_per_second": self.cells_per_second,
            "bytes_per_second": self.bytes_per_second,
            "peak_rss": self.peak_memory,
            "imports_rss": self.imports,
        })
    }
}

/// Makes the rows of all cases: as many as each has peers, one if it has none.
pub(crate) fn rows(cases: &[Case], measured: &Measurements, machine: &Machine) -> Vec<Row> {
    let row = |case: &Case, peer: Option<&(Reading, Option<f64>)>| {
        let ours = Summary::of(measured.of(&case.ours));
        Row {
            case: case.name.clone(),
            copy_share: ours
                .as_ref()
                .map(|ours| ours.bytes_per_second / machine.copy_speed),
            ours,
            budget: case.ours.budget,
            is_budget_given: case.ours.is_budget_given,
            against: peer.map(|(peer, at_least)| Against {
                label: peer.label(),
                own: peer.loader == case.ours.loader,
                summary: Summary::of(measured.of(peer)),
                ratio: median(ratios(measured.of(&case.ours), measured.of(peer))),
                at_least: *at_least,
            }),
        }
    };
    let rows = cases.iter().flat_map(|case| {
        let peers = case.peers.iter().map(|peer| row(case, Some(peer)));
        let alone = case.peers.is_empty().then(|| row(case, None));
        peers.chain(alone).collect::<Vec<_>>()
    });
    rows.collect()
}

/// Our speed divided by the peer's, in each round in which both came through.
fn ratios(ours: &[Result<Outcome>], peer: &[Result<Outcome>]) -> impl Iterator<Item = f64> {
    let rounds = ours.iter().zip(peer);
    rounds.filter_map(|(ours, peer)| {
        let (ours, peer) = (ours.as_ref().ok()?, peer.as_ref().ok()?);
        (peer.cells_per_second > 0.0).then(|| ours.cells_per_second / peer.cells_per_second)
    })
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        _ if values.is_empty() => None,
        1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

impl Row {
    /// Whether ours is as fast as it must be; `None` if nothing is asked or was measured.
    fn is_fast_enough(&self) -> Option<bool> {
        let against = self.against.as_ref()?;
        Some(against.ratio? >= against.at_least?)
    }

    /// The most that our process may have at its peak, in bytes. What torch takes once it is
    /// imported counts, and stands in a column of its own.
    fn allowed_memory(&self) -> Option<u64> {
        Some((u64::from(self.budget?) + BESIDES_BUDGET) * MEBIBYTE)
    }

    /// Whether our process stays within what it may have, and below the peer's if it was given
    /// no budget.
    fn memory_verdict(&self) -> Option<&'static str> {
        let own = self.ours.as_ref()?.peak_memory;
        let peer = self.against.as_ref().filter(|peer| !peer.own);
        let peers = peer.and_then(|peer| Some(peer.summary.as_ref()?.peak_memory));
        let over_budget = self.allowed_memory().is_some_and(|allowed| own > allowed);
        let over_peer = !self.is_budget_given && peers.is_some_and(|peers| own > peers);
        Some(match (over_budget, over_peer) {
            (true, _) => "over budget",
            (false, true) => "over peer",
            (false, false) => "kept",
        })
    }

    /// The row for programs; what was not measured is null.
    pub(crate) fn to_json(&self) -> Value {
        let against = self.against.as_ref();
        let summary = against.and_then(|against| against.summary.as_ref());
        json!({
            "case": self.case,
            "ours": self.ours.as_ref().map(Summary::to_json),
            "budget_bytes": self.budget.map(|budget| u64::from(budget) * MEBIBYTE),
            "allowed_peak_rss": self.allowed_memory(),
            "share_of_copy_speed": self.copy_share,
            "against": against.map(|against| &against.label),
            "peer": summary.map(Summary::to_json),
            "ratio": against.and_then(|against| against.ratio),
            "at_least": against.and_then(|against| against.at_least),
            "fast_enough": self.is_fast_enough(),
            "memory": self.memory_verdict(),
        })
    }

    fn cells(&self) -> [String; COLUMNS.len()] {
        let dash = || "–".to_owned();
        let speed = |summary: Option<&Summary>| {
            summary.map_or_else(dash, |summary| format!("{:.0}", summary.cells_per_second))
        };
        let mebibytes =
            |bytes: Option<u64>| bytes.map_or_else(dash, |bytes| (bytes / MEBIBYTE).to_string());
        let against = self.against.as_ref();
        let peer = against.and_then(|against| against.summary.as_ref());
        let ratio = |ratio: Option<f64>| ratio.map_or_else(dash, |ratio| format!("{ratio:.2}x"));
        let verdict = |good| if good { "yes" } else { "NO" }.to_owned();
        [
            self.case.clone(),
            against.map_or_else(dash, |against| against.label.clone()),
            speed(self.ours.as_ref()),
            speed(peer),
            ratio(against.and_then(|against| against.ratio)),
            ratio(against.and_then(|against| against.at_least)),
            self.is_fast_enough().map_or_else(dash, verdict),
            self.copy_share
                .map_or_else(dash, |share| format!("{:.0} %", share * 100.0)),
            self.budget.map_or_else(dash, |budget| budget.to_string()),
            mebibytes(self.ours.as_ref().map(|ours| ours.imports)),
            mebibytes(self.ours.as_ref().map(|ours| ours.peak_memory)),
            mebibytes(peer.map(|peer| peer.peak_memory)),
            self.memory_verdict().map_or_else(dash, str::to_owned),
        ]
    }
}

const COLUMNS: [&str; 13] = [
    "case",
    "against",
    "cells/s",
    "peer's",
    "ratio",
    "at least",
    "reached",
    "of copying",
    "budget MiB",
    "imports MiB",
    "RSS MiB",
    "peer's",
    "memory",
];

/// The table in Markdown.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let lines: Vec<_> = rows.iter().map(Row::cells).collect();
    markdown::table(COLUMNS, &[0, 1], &lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(cells_per_second: f64) -> Result<Outcome> {
        Ok(Outcome {
            cells_per_second,
            bytes_per_second: cells_per_second * 8.0,
            peak_memory: 100 * MEBIBYTE,
            imports: 50 * MEBIBYTE,
            report: Value::Null,
        })
    }

    #[test]
    fn medians_are_of_the_ratios_of_rounds_in_which_both_came_through() {
        let ours = [outcome(30.0), outcome(100.0), outcome(20.0), outcome(8.0)];
        let peer = [
            outcome(10.0),
            Err("killed".into()),
            outcome(5.0),
            outcome(1.0),
        ];
        assert_eq!(ratios(&ours, &peer).collect::<Vec<_>>(), [3.0, 4.0, 8.0]);
        assert_eq!(median(ratios(&ours, &peer)), Some(4.0));
        assert_eq!(median([1.0, 4.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
    }

    #[test]
    fn rows_say_what_was_reached() {
        let machine = Machine {
            processor: String::new(),
            cores: 1,
            memory: 0,
            copy_speed: 1600.0,
            date: String::new(),
            commit: String::new(),
        };
        let mut cases = super::super::cases::all();
        cases.truncate(1);
        cases[0].peers.truncate(1);
        let (peer, at_least) = cases[0].peers[0];
        let measured = Measurements {
            readings: vec![
                (cases[0].ours, vec![outcome(100.0)]),
                (peer, vec![outcome(50.0)]),
            ],
        };
        let rows = rows(&cases, &measured, &machine);
        let row = rows[0].to_json();
        assert_eq!(row["ratio"], 2.0);
        assert_eq!(row["fast_enough"], 2.0 >= at_least.unwrap());
        assert_eq!(row["share_of_copy_speed"], 0.5);
        assert_eq!(row["memory"], "kept");
        assert_eq!(markdown(&rows).lines().count(), 3);
    }
}
