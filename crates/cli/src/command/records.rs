//! `anndex list`: records of any kind, so that a filter on runs, labels or users has something to
//! name.

use anndex::{Handle, Instance, Registry, Result};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::select::{self, List};
use super::{artifact, collection, date};
use crate::session::Session;
use crate::table::Table;

/// List records of any kind, the newest first
///
/// Runs, transforms, labels, users, storages and feature sets are what filters of artifacts and
/// collections name: `anndex list run --filter transform=train.py`, then
/// `anndex artifact list --filter run=UID`.
#[derive(Debug, Args)]
pub(crate) struct ListRecords {
    /// The kind of records
    #[arg(value_enum)]
    kind: KindArgument,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum KindArgument {
    User,
    Storage,
    Transform,
    Run,
    Artifact,
    Collection,
    Ulabel,
    FeatureSet,
}

pub(crate) async fn run(session: &Session, arguments: &ListRecords) -> Result<()> {
    let db = session.connect().await?;
    let done = list(session, &db, arguments).await;
    done.and(db.close().await)
}

async fn list(session: &Session, db: &Instance, arguments: &ListRecords) -> Result<()> {
    let list = &arguments.list;
    match arguments.kind {
        KindArgument::User => titled(session, db.users(), list).await,
        KindArgument::Storage => titled(session, db.storages(), list).await,
        KindArgument::Transform => titled(session, db.transforms(), list).await,
        KindArgument::Run => titled(session, db.runs(), list).await,
        KindArgument::Ulabel => titled(session, db.ulabels(), list).await,
        KindArgument::FeatureSet => titled(session, db.feature_sets(), list).await,
        KindArgument::Artifact => {
            let shown = |found: &[_]| print(session, found, |found| artifact::table(found));
            select::list(session, db.artifacts(), list, shown).await
        }
        KindArgument::Collection => {
            let shown = |found: &[_]| print(session, found, collection::table);
            select::list(session, db.collections(), list, shown).await
        }
    }
}

async fn titled<R: Registry + Serialize>(
    session: &Session,
    records: anndex::QuerySet<R>,
    arguments: &List,
) -> Result<()> {
    let shown = |found: &[_]| print(session, found, table);
    select::list(session, records, arguments, shown).await
}

fn print<R: Registry + Serialize>(
    session: &Session,
    found: &[Handle<R>],
    table: impl FnOnce(&[Handle<R>]) -> Table,
) -> Result<()> {
    let output = &session.output;
    if output.is_json() {
        let records: Vec<_> = found.iter().map(Handle::record).collect();
        return output.json(&records);
    }
    match found.is_empty() {
        true => output.advice("there are none"),
        false => output.table(&table(found)),
    }
}

/// Records with what people know them by.
fn table<R: Registry>(records: &[Handle<R>]) -> Table {
    let name = R::NAME_FIELD.map_or("", |field| field.name());
    let mut table = Table::new(["uid", name, "created"]);
    for record in records {
        table.row([
            record.uid().to_owned(),
            record.title().unwrap_or_else(|| "-".to_owned()),
            date(record.created_at()),
        ]);
    }
    table
}
