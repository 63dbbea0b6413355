//! `anndex check`: whether storage has what the database says, and putting right what a killed
//! process left.

use std::process::ExitCode;

use anndex::{CheckReport, Finding, Instance, Problem, Result};
use clap::Args;

use super::artifact::to_json;
use crate::failure::INCONSISTENT;
use crate::output::{Line, Style};
use crate::session::Session;
use crate::{progress, quantity};

/// Find artifacts that are missing, changed or half-written, and copies that are left over
///
/// Compares the size of everything, in the trash too, with what was registered. Exits with 0 if
/// all is well, or was put right, and with 6 if not. Without --repair nothing is changed.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Read all content and compare its hashes, too
    #[arg(long)]
    deep: bool,
    /// Complete or remove what a stopped process left half-done, and say each thing that was done
    ///
    /// Files of yours are never removed, and neither is what somebody is saving at the moment.
    #[arg(long)]
    repair: bool,
}

pub(crate) async fn run(session: &Session, arguments: &Check) -> Result<ExitCode> {
    let db = session.connect().await?;
    let report = check(session, &db, arguments).await;
    let closed = db.close().await;
    let report = report?;
    closed?;
    print(session, &report)?;
    Ok(match report.is_consistent() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(INCONSISTENT),
    })
}

async fn check(session: &Session, db: &Instance, arguments: &Check) -> Result<CheckReport> {
    let total = db.artifacts().with_trash().count().await?;
    let bar = progress::counted(session.shows_progress(), total, "artifacts");
    let counter = bar.clone();
    let report = db
        .check()
        .deep(arguments.deep)
        .repair(arguments.repair)
        .progress(move |artifacts| counter.inc(artifacts))
        .run()
        .await;
    bar.finish_and_clear();
    report
}

fn print(session: &Session, report: &CheckReport) -> Result<()> {
    let output = &session.output;
    if output.is_json() {
        let mut document = to_json(report)?;
        if let Some(fields) = document.as_object_mut() {
            fields.insert("is_consistent".to_owned(), report.is_consistent().into());
        }
        return output.json(&document);
    }
    for finding in &report.findings {
        let (style, text) = match &finding.repaired {
            Some(done) => (Style::Good, format!("{}: {done}", finding.message)),
            None => (Style::Warning, finding.message.clone()),
        };
        let label = output.paint(style, label(finding));
        output.line(label.and(format!("  {}", name(finding))))?;
        output.line(format!("  {text}"))?;
    }
    let mut summary = format!(
        "{} and {} checked",
        quantity::nouns(report.artifacts, "artifact"),
        quantity::nouns(report.copies, "managed file")
    );
    if report.unreachable > 0 {
        let unreachable = quantity::nouns(report.unreachable, "artifact");
        summary.push_str(&format!(
            "; {unreachable} in storages that can't be looked into"
        ));
    }
    if report.without_hash > 0 {
        let without = quantity::nouns(report.without_hash, "artifact");
        summary.push_str(&format!("; {without} without a hash to compare"));
    }
    let left = report
        .findings
        .iter()
        .filter(|f| f.repaired.is_none())
        .count() as u64;
    let repaired = report.findings.len() as u64 - left;
    if repaired > 0 {
        summary.push_str(&format!(
            "; {} put right",
            quantity::nouns(repaired, "problem")
        ));
    }
    let (style, end) = match left {
        0 => (Style::Good, "all is well".to_owned()),
        _ => (
            Style::Warning,
            format!("{} left", quantity::nouns(left, "problem")),
        ),
    };
    output.line(Line::from(format!("{summary}; ")).and(output.paint(style, &end)))
}

fn label(finding: &Finding) -> &'static str {
    match finding.problem {
        Problem::StorageGone => "storage gone",
        other => other.as_str(),
    }
}

fn name(finding: &Finding) -> String {
    match &finding.uid {
        Some(uid) => format!("{uid} {}", finding.path),
        None => finding.path.clone(),
    }
}
