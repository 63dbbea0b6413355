//! `anndex artifact`: registers files and directories, lists, shows and deletes them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anndex::storage::StorageUrl;
use anndex::{Artifact, Handle, Instance, Result};
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::cache::{self, Get};
use super::delete::{self, Delete, Restore};
use super::features::{self, Features};
use super::lineage::{self, Lineage};
use super::select::{List, Search};
use super::{date, or_dash, select};
use crate::lookup::find;
use crate::output::Style;
use crate::session::Session;
use crate::table::Table;
use crate::{failure, progress, quantity};

#[derive(Debug, Subcommand)]
pub(crate) enum ArtifactCommand {
    Add(Add),
    /// List artifacts, the newest first
    List(List),
    /// Find artifacts by words of their keys and descriptions, the best matches first
    Search(Search),
    Show(Show),
    Cache(Get),
    Features(Features),
    Lineage(Lineage),
    /// Move artifacts to the trash, or remove them permanently
    ///
    /// Removing permanently also removes the copy that the instance made; a file that was
    /// registered where it is stays. What a collection holds can't be removed.
    Delete(Delete),
    /// Take artifacts out of the trash
    Restore(Restore),
}

/// How many files are registered together; Ctrl-C stops after them.
const TOGETHER: usize = 1_000;

/// Register files and directories, here or at URLs
///
/// What is inside the storage (usually the directory of the instance) is registered where it is,
/// with its relative path as key, and so is what is at a URL such as s3://bucket/a.h5ad. Any other
/// file is copied to `.anndex/artifacts` in the storage; the original is not needed any more. Content
/// that is known, under whatever name, is not registered again: its record is given back, with a
/// warning if that has another key. Files are read in parallel and registered by the thousand; if one
/// can't be registered, the others still are. If the command is stopped, what was registered stays,
/// and the same command continues.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// Files or directories such as .h5ad and .zarr, or their URLs
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A path-like name; for one file. Default: the file's name or place
    #[arg(long)]
    key: Option<String>,
    /// What it is, in words
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// The version; for one file
    #[arg(long)]
    version: Option<String>,
    /// Copy them there and not into the default storage: a directory, or a URL such as
    /// s3://bucket/cells
    #[arg(long, value_name = "STORAGE")]
    storage: Option<PathBuf>,
    /// The artifact that it is a new version of, by uid or key; for one file
    #[arg(long, value_name = "ARTIFACT")]
    new_version_of: Option<String>,
}

/// Show all about an artifact
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Its uid, the beginning of it, or its key
    artifact: String,
}

/// An artifact in JSON.
#[derive(Debug, Serialize)]
struct Added<'a> {
    #[serde(flatten)]
    record: &'a Artifact,
    /// The argument whose content it is.
    file: String,
    /// Whether it was registered now; else the content was known, maybe under another key.
    is_new: bool,
}

pub(crate) async fn run(session: &Session, command: ArtifactCommand) -> Result<ExitCode> {
    let db = session.connect().await?;
    let done = match command {
        ArtifactCommand::Add(arguments) => {
            let added = add(session, &db, arguments).await;
            let closed = db.close().await;
            return added.and_then(|code| closed.map(|()| code));
        }
        ArtifactCommand::List(arguments) => {
            let none = "there are none; anndex artifact add FILE... registers files";
            let shown = |found: &[_]| print(session, found, none);
            select::list(session, db.artifacts(), &arguments, shown).await
        }
        ArtifactCommand::Search(arguments) => {
            let found = select::search(db.artifacts(), &arguments).await;
            found.and_then(|found| print(session, &found, "none matches"))
        }
        ArtifactCommand::Show(arguments) => show(session, &db, &arguments).await,
        ArtifactCommand::Cache(arguments) => cache(session, &db, &arguments).await,
        ArtifactCommand::Features(arguments) => features(session, &db, &arguments).await,
        ArtifactCommand::Lineage(arguments) => {
            lineage::run(session, db.artifacts(), &arguments).await
        }
        ArtifactCommand::Delete(arguments) => {
            delete::run(session, db.artifacts(), &arguments).await
        }
        ArtifactCommand::Restore(arguments) => {
            let restored = delete::restore(db.artifacts(), &arguments).await;
            restored.and_then(|restored| print(session, &restored, "there are none"))
        }
    };
    done.and(db.close().await).map(|()| ExitCode::SUCCESS)
}

async fn add(session: &Session, db: &Instance, arguments: Add) -> Result<ExitCode> {
    let one_file = [
        ("--key", arguments.key.is_some()),
        ("--version", arguments.version.is_some()),
        ("--new-version-of", arguments.new_version_of.is_some()),
    ];
    if let Some((option, _)) = one_file.iter().find(|(_, given)| *given)
        && arguments.files.len() > 1
    {
        return Err(anndex::Error::invalid_input(format!(
            "{option} is for one file; add the files one by one"
        )));
    }
    let old = match &arguments.new_version_of {
        Some(old) => Some(find(db.artifacts(), old).await?),
        None => None,
    };
    let storage = match &arguments.storage {
        Some(root) => Some(db.add_storage(root).await?),
        None => None,
    };
    // What can't be read becomes an error of its own when it is registered.
    let sizes = arguments.files.iter().map(|file| size(file).unwrap_or(0));
    let bar = progress::bytes(session.shows_progress(), sizes.sum());
    let build = |file: &PathBuf| {
        let bar = bar.clone();
        let mut builder = db.artifact(file).progress(move |bytes| bar.inc(bytes));
        if let Some(key) = &arguments.key {
            builder = builder.key(key);
        }
        if let Some(description) = &arguments.description {
            builder = builder.description(description);
        }
        if let Some(version) = &arguments.version {
            builder = builder.version(version);
        }
        if let Some(storage) = &storage {
            builder = builder.storage(storage);
        }
        if let Some(old) = &old {
            builder = builder.is_new_version_of(old);
        }
        builder
    };
    let mut added = Vec::new();
    let mut failures = Vec::new();
    for files in arguments.files.chunks(TOGETHER) {
        session.interrupt.check()?;
        if let Some(first) = files.first() {
            bar.set_message(crate::output::plain(&first.to_string_lossy()).into_owned());
        }
        let saved = db.save_artifacts(files.iter().map(build).collect::<Vec<_>>());
        for (file, saved) in files.iter().zip(saved.await) {
            match saved {
                Ok(artifact) => added.push((file, artifact)),
                Err(error) => failures.push(error),
            }
        }
    }
    bar.finish_and_clear();
    if !added.is_empty() {
        print_added(session, &added)?;
    }
    let total = arguments.files.len();
    Ok(failure::report_several(
        &failures,
        total,
        session.output.is_json(),
    ))
}

fn print_added(session: &Session, added: &[(&PathBuf, Handle<Artifact>)]) -> Result<()> {
    let output = &session.output;
    if output.is_json() {
        let records = added.iter().map(|(file, artifact)| Added {
            record: artifact.record(),
            file: shown(file),
            is_new: artifact.is_new(),
        });
        return output.json(&records.collect::<Vec<_>>());
    }
    // Files of equal content are one artifact.
    let mut seen = HashSet::new();
    let once = added
        .iter()
        .filter(|(_, artifact)| seen.insert(artifact.id()));
    output.table(&table(once.map(|(_, artifact)| artifact)))?;
    let known = added.iter().filter(|(_, artifact)| !artifact.is_new());
    match known.count() {
        0 => {}
        known => output.advice(format!("{known} of {} were known already", added.len()))?,
    }
    output.advice("next: anndex collection create NAME UID...")
}

/// A path, or a URL as messages show it.
fn shown(file: &Path) -> String {
    let url = file.to_str().filter(|text| StorageUrl::is_one(text));
    match url.and_then(|text| StorageUrl::parse(text).ok()) {
        Some(url) => url.to_string(),
        None => file.display().to_string(),
    }
}

/// The bytes of a file, or of all files in a directory; none for a URL, which is looked at later.
fn size(path: &Path) -> Result<u64> {
    if path.to_str().is_some_and(StorageUrl::is_one) {
        return Ok(0);
    }
    let at = |e| anndex::Error::io(path.display(), e).operation("add artifact");
    let metadata = path.metadata().map_err(at)?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    let mut total = 0;
    for file in anndex::registry::hash::files_of(path)? {
        total += file
            .metadata()
            .map_err(|e| anndex::Error::io(file.display(), e))?
            .len();
    }
    Ok(total)
}

fn print(session: &Session, artifacts: &[Handle<Artifact>], none: &str) -> Result<()> {
    let output = &session.output;
    if output.is_json() {
        let records: Vec<_> = artifacts.iter().map(Handle::record).collect();
        return output.json(&records);
    }
    let table = self::table(artifacts);
    match table.is_empty() {
        true => output.advice(none),
        false => output.table(&table),
    }
}

async fn cache(session: &Session, db: &Instance, arguments: &Get) -> Result<()> {
    let artifact = find(db.artifacts(), &arguments.dataset).await?;
    let path = cache::with_bars(session, artifact.cache()).path().await?;
    cache::print(session, &[path])
}

async fn features(session: &Session, db: &Instance, arguments: &Features) -> Result<()> {
    let artifact = find(db.artifacts(), &arguments.dataset).await?;
    features::print(session, &artifact.compute_features().await?)
}

async fn show(session: &Session, db: &Instance, arguments: &Show) -> Result<()> {
    let artifact = find(db.artifacts(), &arguments.artifact).await?;
    // A file that is gone is worth knowing, but no reason not to show the record.
    let url = artifact.url().await?.map(|url| url.to_string());
    let (path, problem) = match artifact.path().await {
        _ if url.is_some() => (None, None),
        Ok(path) => (Some(path), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let output = &session.output;
    if output.is_json() {
        let collections = artifact.collections().await?;
        let mut document = to_json(artifact.record())?;
        if let Some(fields) = document.as_object_mut() {
            fields.insert("path".to_owned(), json!(path));
            fields.insert("url".to_owned(), json!(url));
            fields.insert("problem".to_owned(), json!(problem));
            let sets = artifact.feature_sets().await?;
            fields.insert("feature_sets".to_owned(), features::document(&sets)?);
            let uids: Vec<_> = collections.iter().map(|c| c.uid.as_str()).collect();
            fields.insert("collections".to_owned(), json!(uids));
        }
        return output.json(&document);
    }
    super::page(output, &artifact.describe().await?)?;
    if let Some(problem) = problem {
        output.line(output.paint(Style::Warning, &format!("  {problem}")))?;
    }
    Ok(())
}

/// A record as a JSON object to which more can be added.
pub(super) fn to_json(record: &impl Serialize) -> Result<serde_json::Value> {
    serde_json::to_value(record).map_err(|e| {
        anndex::Error::invalid_input("the record can't be written as JSON").source_error(e)
    })
}

/// Artifacts with what tells them apart.
pub(crate) fn table<'a>(artifacts: impl IntoIterator<Item = &'a Handle<Artifact>>) -> Table {
    let mut table = Table::new([
        "uid",
        "key",
        "version",
        ">cells",
        ">size",
        "created",
        "description",
    ]);
    for artifact in artifacts {
        table.row([
            artifact.uid.clone(),
            or_dash(artifact.key.as_deref()),
            or_dash(artifact.version.as_deref()),
            unsigned(artifact.n_observations).map_or_else(|| "-".to_owned(), quantity::count),
            unsigned(artifact.size)
                .map_or_else(|| "-".to_owned(), |size| quantity::bytes(size as f64)),
            date(artifact.created_at),
            artifact.description.clone().unwrap_or_default(),
        ]);
    }
    table
}

fn unsigned(number: Option<i64>) -> Option<u64> {
    number.and_then(|number| u64::try_from(number).ok())
}
