//! The table of growth: one row per collection, and the same for programs.

use serde_json::{Value, json};

use super::cases::Case;
use crate::Result;
use crate::bench::markdown;
use crate::bench::measurement::Outcome;

const MEBIBYTE: u64 = 1 << 20;
/// What a process may have at its peak besides imports, what opening keeps, the budget and two
/// batches: buffers of threads, the code of this package, and what the allocator does not give
/// back.
const BESIDES: u64 = 64 * MEBIBYTE;

/// A case with what was seen.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) case: &'a Case,
    pub(super) outcome: Result<Outcome>,
    /// What a cell more takes once the collection is opened, in bytes: the difference to the case
    /// before it in its series.
    bytes_per_cell: Option<f64>,
}

/// Rows for cases in order.
pub(super) fn rows(measured: Vec<(&Case, Result<Outcome>)>) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for (case, outcome) in measured {
        let before = rows
            .last()
            .filter(|row| row.case.series() == case.series() && row.case.cells < case.cells);
        let bytes_per_cell = before.and_then(|before| {
            let (less, more) = (before.opened()?, opened(outcome.as_ref().ok()?));
            Some((more as f64 - less as f64) / (case.cells - before.case.cells) as f64)
        });
        rows.push(Row {
            case,
            outcome,
            bytes_per_cell,
        });
    }
    rows
}

/// What opening added to the process, in bytes.
fn opened(outcome: &Outcome) -> u64 {
    let after = outcome.report["opened_rss"].as_u64().unwrap_or_default();
    after.saturating_sub(outcome.imports)
}

impl Row<'_> {
    fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref().ok()
    }

    fn opened(&self) -> Option<u64> {
        self.outcome().map(opened)
    }

    /// The most that the process may have at its peak.
    fn allowed_memory(&self) -> Option<u64> {
        let outcome = self.outcome()?;
        let budget = u64::from(self.case.reading.budget?) * MEBIBYTE;
        let batch = u64::from(self.case.reading.batch_size) * self.case.genes * 4;
        Some(outcome.imports + opened(outcome) + budget + 2 * batch + BESIDES)
    }

    fn keeps_budget(&self) -> Option<bool> {
        Some(self.outcome()?.peak_memory <= self.allowed_memory()?)
    }

    /// Whether the process had more memory than it may.
    pub(super) fn is_over_budget(&self) -> bool {
        self.keeps_budget() == Some(false)
    }

    /// The row for programs; what was not measured is null.
    pub(super) fn to_json(&self) -> Value {
        let outcome = self.outcome();
        json!({
            "case": self.case.name,
            "paths": self.case.paths,
            "cells": self.case.cells,
            "opening_seconds": outcome.map(|outcome| &outcome.report["opening_seconds"]),
            "opened_rss_growth": self.opened(),
            "bytes_per_cell": self.bytes_per_cell,
            "cells_per_second": outcome.map(|outcome| outcome.cells_per_second),
            "budget_bytes": self.case.reading.budget.map(|budget| u64::from(budget) * MEBIBYTE),
            "exceeds_budget": self.case.overflows,
            "peak_rss": outcome.map(|outcome| outcome.peak_memory),
            "allowed_peak_rss": self.allowed_memory(),
            "kept": self.keeps_budget(),
            "reason": self.case.reason,
            "report": outcome.map(|outcome| &outcome.report),
            "error": self.outcome.as_ref().err(),
        })
    }

    fn cells(&self) -> [String; COLUMNS.len()] {
        let dash = || "–".to_owned();
        let mebibytes =
            |bytes: Option<u64>| bytes.map_or_else(dash, |bytes| (bytes / MEBIBYTE).to_string());
        let outcome = self.outcome();
        let opening = outcome.and_then(|outcome| outcome.report["opening_seconds"].as_f64());
        [
            self.case.name.clone(),
            self.case.paths.to_string(),
            self.case.cells.to_string(),
            opening.map_or_else(dash, |seconds| format!("{seconds:.2}")),
            mebibytes(self.opened()),
            self.bytes_per_cell
                .map_or_else(dash, |bytes| format!("{bytes:.1}")),
            outcome.map_or_else(dash, |outcome| format!("{:.0}", outcome.cells_per_second)),
            self.case
                .reading
                .budget
                .map_or_else(dash, |budget| budget.to_string()),
            mebibytes(outcome.map(|outcome| outcome.peak_memory)),
            mebibytes(self.allowed_memory()),
            match self.keeps_budget() {
                None => dash(),
                Some(true) => "kept".to_owned(),
                Some(false) => "over budget".to_owned(),
            },
            self.case.reason.to_owned(),
        ]
    }
}

const COLUMNS: [&str; 12] = [
    "case",
    "files",
    "cells",
    "opening s",
    "opened MiB",
    "bytes/cell",
    "cells/s",
    "budget MiB",
    "RSS MiB",
    "allowed",
    "memory",
    "why",
];

/// The table in Markdown.
pub(super) fn markdown(rows: &[Row<'_>]) -> String {
    let lines: Vec<_> = rows.iter().map(Row::cells).collect();
    markdown::table(COLUMNS, &[0, 11], &lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::cases::Reading;

    fn case(name: &str, cells: u64) -> Case {
        Case {
            name: name.to_owned(),
            reading: Reading::OURS.within(1),
            directory: Value::Null,
            paths: 1,
            cells,
            genes: 1024,
            overflows: true,
            reason: "",
        }
    }

    fn outcome(opened: u64, peak: u64) -> Result<Outcome> {
        Ok(Outcome {
            cells_per_second: 1.0,
            bytes_per_second: 1.0,
            peak_memory: peak,
            imports: 1000,
            report: json!({"opened_rss": 1000 + opened, "opening_seconds": 0.5}),
        })
    }

    #[test]
    fn slopes_are_those_between_sizes_of_one_series() {
        let cases = [case("a/1", 100), case("a/2", 300), case("b/1", 900)];
        let seen = [outcome(5000, 0), outcome(7400, 0), outcome(9000, 0)];
        let rows = rows(cases.iter().zip(seen).collect());
        let slopes: Vec<_> = rows.iter().map(|row| row.bytes_per_cell).collect();
        assert_eq!(slopes, [None, Some(12.0), None]);
    }

    #[test]
    fn a_peak_is_measured_by_everything_that_may_be_there() {
        let allowed = 1000 + 5000 + MEBIBYTE + 2 * 128 * 1024 * 4 + BESIDES;
        let cases = [case("a/1", 1), case("a/1", 1)];
        let seen = [outcome(5000, allowed), outcome(5000, allowed + 1)];
        let rows = rows(cases.iter().zip(seen).collect());
        assert_eq!(rows[0].allowed_memory(), Some(allowed));
        assert!(!rows[0].is_over_budget() && rows[1].is_over_budget());
        assert_eq!(rows[1].to_json()["kept"], false);
    }
}
