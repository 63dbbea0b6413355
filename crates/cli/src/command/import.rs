//! `anndex import`: takes over the registries of other programs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anndex::{ImportReport, Instance, LeftOut, Result};
use clap::{Args, Subcommand};

use super::artifact::to_json;
use crate::failure::INCONSISTENT;
use crate::output::{Output, Style};
#[cfg(feature = "lamindb")]
use crate::progress;
use crate::quantity::{self, nouns};
use crate::session::Session;
use crate::table::Table;

#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    Lamindb(ImportLamindb),
}

/// Copy users, storages, transforms, runs, labels, artifacts and collections from lamindb
///
/// Records are matched by uid, so an import can be repeated, and then adds what is new. Nothing
/// in the lamindb instance is changed, and files stay where they are. Exits with 0 if all was
/// taken, and with 6 if something was left out.
#[derive(Debug, Args)]
pub(crate) struct ImportLamindb {
    /// The lamindb instance: its SQLite file, the directory of its storage, or the postgres:// URL
    /// of its database
    location: PathBuf,
}

pub(crate) async fn run(session: &Session, command: ImportCommand) -> Result<ExitCode> {
    let ImportCommand::Lamindb(arguments) = command;
    let db = session.connect().await?;
    let report = import(session, &db, &arguments).await;
    let closed = db.close().await;
    let report = report?;
    closed?;
    print(&session.output, &report)?;
    Ok(match report.left_out.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(INCONSISTENT),
    })
}

#[cfg(feature = "lamindb")]
async fn import(
    session: &Session,
    db: &Instance,
    arguments: &ImportLamindb,
) -> Result<ImportReport> {
    let source = anndex::lamindb::open(&arguments.location).await?;
    let counter = progress::counter(session.shows_progress(), "records");
    let (shown, interrupt) = (counter.clone(), session.interrupt.clone());
    let imported = db.import(source).progress(move |report| {
        interrupt.check()?;
        shown.set_position(report.total());
        Ok(())
    });
    let imported = imported.run().await;
    counter.finish_and_clear();
    imported
}

#[cfg(not(feature = "lamindb"))]
async fn import(
    _session: &Session,
    _db: &Instance,
    _arguments: &ImportLamindb,
) -> Result<ImportReport> {
    Err(anndex::Error::unsupported(
        "this build imports nothing from lamindb; enable the feature `lamindb`",
    ))
}

fn print(output: &Output, report: &ImportReport) -> Result<()> {
    if output.is_json() {
        return output.json(&to_json(report)?);
    }
    let mut table = Table::new(["kind", ">new", ">known"]);
    let mut kinds: Vec<_> = report.created.keys().chain(report.known.keys()).collect();
    kinds.sort();
    kinds.dedup();
    for kind in kinds {
        let count =
            |counts: &BTreeMap<_, u64>| quantity::count(counts.get(kind).copied().unwrap_or(0));
        table.row([
            kind.to_string(),
            count(&report.created),
            count(&report.known),
        ]);
    }
    output.table(&table)?;
    if report.links_added > 0 {
        let links = nouns(report.links_added, "link");
        output.line(format!("{links} of known records added"))?;
    }
    for different in &report.different {
        left_out(output, "different", different)?;
    }
    for left in &report.left_out {
        left_out(output, "left out", left)?;
    }
    match report.left_out.len() as u64 {
        0 => output.line(output.paint(Style::Good, "all is here")),
        number => {
            let message = format!("{} left out", nouns(number, "record"));
            output.line(output.paint(Style::Warning, &message))
        }
    }
}

fn left_out(output: &Output, how: &str, record: &LeftOut) -> Result<()> {
    let title = match &record.title {
        Some(title) => format!(" {title}"),
        None => String::new(),
    };
    let how = output.paint(Style::Warning, how);
    output.line(how.and(format!("  {} {}{title}", record.kind, record.uid)))?;
    output.line(format!("  {}", record.reason))
}
