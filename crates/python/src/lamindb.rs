//! What an import did, as tuples that the Python side names.

use std::collections::BTreeMap;

use anndex::{ImportReport, LeftOut};
use anndex_core::record::Kind;

/// New and known records by kind, links added, different records and those left out.
pub(crate) type Report = (
    BTreeMap<&'static str, u64>,
    BTreeMap<&'static str, u64>,
    u64,
    Vec<Record>,
    Vec<Record>,
);

/// Kind, uid, title and reason.
type Record = (&'static str, String, Option<String>, String);

/// The report for Python.
pub(crate) fn report(report: ImportReport) -> Report {
    let counts = |counts: BTreeMap<Kind, u64>| {
        let named = counts
            .into_iter()
            .map(|(kind, count)| (kind.as_str(), count));
        named.collect()
    };
    let records = |records: Vec<LeftOut>| {
        let named = records.into_iter().map(|one| {
            let kind = one.kind.as_str();
            (kind, one.uid, one.title, one.reason)
        });
        named.collect()
    };
    (
        counts(report.created),
        counts(report.known),
        report.links_added,
        records(report.different),
        records(report.left_out),
    )
}
