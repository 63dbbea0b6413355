//! What a check found, as tuples that the Python side names.

use anndex::CheckReport;

/// Artifacts, unreachable ones, those without a hash, copies, and the findings.
pub(crate) type Report = (u64, u64, u64, u64, Vec<Finding>);

/// Problem, path, uid, key, message, and what was done.
type Finding = (
    &'static str,
    String,
    Option<String>,
    Option<String>,
    String,
    Option<String>,
);

/// The report for Python.
pub(crate) fn report(report: CheckReport) -> Report {
    let findings = report.findings.into_iter().map(|finding| {
        (
            finding.problem.as_str(),
            finding.path,
            finding.uid,
            finding.key,
            finding.message,
            finding.repaired,
        )
    });
    (
        report.artifacts,
        report.unreachable,
        report.without_hash,
        report.copies,
        findings.collect(),
    )
}
