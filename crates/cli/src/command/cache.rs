//! `anndex cache`: what is in the local cache, and how much may be. `anndex artifact cache` and
//! `anndex collection cache`: bringing what is at URLs into it.

use std::path::PathBuf;

use anndex::storage::{CacheEntry, Freed};
use anndex::{CacheBuilder, Data, Instance, Result, TransferBars};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde_json::json;

use super::{date, or_dash};
use crate::quantity::{self, parse_bytes};
use crate::session::Session;
use crate::table::Table;

#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// List the local copies of data at URLs, the least recently used first
    List,
    /// Remove all copies that no process uses
    Clear,
    Limit(Limit),
}

/// Show how much the copies may take together, or set it
///
/// If a new copy would exceed the limit, the least recently used copies are removed first. Copies
/// that a process uses stay.
#[derive(Debug, Args)]
pub(crate) struct Limit {
    /// A number of bytes such as 200GB, or "none"
    #[arg(value_name = "SIZE", value_parser = parse_limit)]
    limit: Option<NewLimit>,
}

/// What the limit is set to.
#[derive(Debug, Clone, Copy)]
struct NewLimit(Option<u64>);

fn parse_limit(text: &str) -> Result<NewLimit, String> {
    match text {
        "none" => Ok(NewLimit(None)),
        text => parse_bytes(text).map(|bytes| NewLimit(Some(bytes))),
    }
}

/// Bring what is at URLs into the local cache, and print the local paths
///
/// Only what is missing or was changed is moved. What was interrupted goes on where it stopped.
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// Its name or key, its uid or the beginning of it
    pub(super) dataset: String,
}

/// Shows how far it is.
pub(super) fn with_bars<R: Data>(session: &Session, cache: CacheBuilder<R>) -> CacheBuilder<R> {
    let bars = TransferBars::new(session.shows_progress());
    cache.progress(move |progress| bars.show(progress))
}

pub(crate) async fn run(session: &Session, command: CacheCommand) -> Result<()> {
    let db = session.connect().await?;
    let done = match command {
        CacheCommand::List => list(session, &db).await,
        CacheCommand::Clear => clear(session, &db),
        CacheCommand::Limit(arguments) => limit(session, &db, &arguments),
    };
    done.and(db.close().await)
}

async fn list(session: &Session, db: &Instance) -> Result<()> {
    let (output, entries) = (&session.output, db.cache().list()?);
    let limit = db.cache().limit()?;
    let total: u64 = entries.iter().map(|entry| entry.size).sum();
    if output.is_json() {
        let copies: Vec<_> = entries.iter().map(document).collect();
        return output.json(&json!({"copies": copies, "bytes": total, "limit": limit}));
    }
    if entries.is_empty() {
        return output.advice("there are none; anndex collection cache NAME makes some");
    }
    let mut table = Table::new(["uid", "key", ">size", "last used", "state"]);
    for entry in &entries {
        let artifact = db.artifacts().with_trash().get(entry.name.as_str()).await;
        let key = artifact.ok().and_then(|artifact| artifact.key.clone());
        table.row([
            entry.name.clone(),
            or_dash(key.as_deref()),
            quantity::bytes(entry.size as f64),
            date(DateTime::<Utc>::from(entry.last_used)),
            state(entry).to_owned(),
        ]);
    }
    output.table(&table)?;
    let of = limit.map_or_else(String::new, |limit| {
        format!(" of {}", quantity::bytes(limit as f64))
    });
    output.advice(format!("{}{of}", quantity::bytes(total as f64)))
}

fn state(entry: &CacheEntry) -> &'static str {
    match (entry.is_complete, entry.is_used) {
        (false, _) => "partial",
        (true, true) => "in use",
        (true, false) => "",
    }
}

fn document(entry: &CacheEntry) -> serde_json::Value {
    json!({
        "uid": entry.name,
        "path": entry.path,
        "size": entry.size,
        "is_complete": entry.is_complete,
        "is_used": entry.is_used,
        "last_used": DateTime::<Utc>::from(entry.last_used),
    })
}

fn clear(session: &Session, db: &Instance) -> Result<()> {
    let (output, cleared) = (&session.output, db.cache().clear()?);
    if output.is_json() {
        return output.json(&json!({
            "copies": cleared.freed.copies,
            "bytes": cleared.freed.bytes,
            "used": cleared.used,
        }));
    }
    output.line(removed(cleared.freed))?;
    match cleared.used {
        0 => Ok(()),
        used => output.line(format!("in use and not removed: {}", quantity::count(used))),
    }
}

fn limit(session: &Session, db: &Instance, arguments: &Limit) -> Result<()> {
    let (output, cache) = (&session.output, db.cache());
    let freed = match arguments.limit {
        Some(NewLimit(limit)) => cache.set_limit(limit)?,
        None => Freed::default(),
    };
    let limit = cache.limit()?;
    if output.is_json() {
        return output.json(&json!({"limit": limit, "copies": freed.copies, "bytes": freed.bytes}));
    }
    let shown = limit.map_or_else(|| "none".to_owned(), |limit| quantity::bytes(limit as f64));
    output.line(shown)?;
    match freed.copies {
        0 => Ok(()),
        _ => output.advice(removed(freed)),
    }
}

fn removed(freed: Freed) -> String {
    let bytes = quantity::bytes(freed.bytes as f64);
    format!("removed: {}, {bytes}", quantity::count(freed.copies))
}

/// Prints the local paths of a dataset.
pub(super) fn print(session: &Session, paths: &[PathBuf]) -> Result<()> {
    let output = &session.output;
    match output.is_json() {
        true => output.json(&paths),
        false => paths
            .iter()
            .try_for_each(|path| output.line(path.to_string_lossy())),
    }
}
