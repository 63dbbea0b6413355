//! `anndex collection`: makes collections of artifacts, lists, shows, versions and deletes them.

use anndex::{Artifact, Collection, Handle, Instance, Result, Visibility};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::artifact::{table as artifact_table, to_json};
use super::cache::{self, Get};
use super::delete::{self, Delete, Restore};
use super::features::{self, Features};
use super::lineage::{self, Lineage};
use super::load::{self, Load};
use super::select::{List, Search};
use super::{date, or_dash, page, select};
use crate::lookup::find;
use crate::quantity::nouns;
use crate::session::Session;
use crate::table::Table;

#[derive(Debug, Subcommand)]
pub(crate) enum CollectionCommand {
    Create(Create),
    /// List collections, the newest first
    List(List),
    /// Find collections by words of their names and descriptions, the best matches first
    Search(Search),
    Show(Show),
    Cache(Get),
    Features(Features),
    Lineage(Lineage),
    Load(Load),
    Versions(Versions),
    /// Move collections to the trash, or remove them permanently; artifacts stay
    Delete(Delete),
    /// Take collections out of the trash
    Restore(Restore),
}

/// Make a collection of artifacts, in the order given
///
/// Artifacts that are together in a collection already are not collected again: that collection
/// is given back, with the name that it has.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The name
    name: String,
    /// The artifacts: uids, the first characters of uids, or keys
    #[arg(required = true, value_name = "UID")]
    artifacts: Vec<String>,
    /// What it is, in words
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// The version, at most 30 characters
    #[arg(long)]
    version: Option<String>,
    /// The collection that it is a new version of, by uid or name
    #[arg(long, value_name = "COLLECTION")]
    new_version_of: Option<String>,
    /// An artifact that describes the collection
    #[arg(long, value_name = "UID")]
    meta: Option<String>,
    /// A reference, such as a URL
    #[arg(long)]
    reference: Option<String>,
    /// The type of the reference, such as "url"
    #[arg(long, value_name = "TYPE")]
    reference_type: Option<String>,
}

/// Show all about a collection, and its artifacts
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Its name, its uid or the beginning of it
    collection: String,
}

/// List all versions of a collection, the oldest first
#[derive(Debug, Args)]
pub(crate) struct Versions {
    /// The name or uid of any of them
    collection: String,
}

pub(crate) async fn run(session: &Session, command: CollectionCommand) -> Result<()> {
    let db = session.connect().await?;
    let done = match command {
        CollectionCommand::Create(arguments) => create(session, &db, arguments).await,
        CollectionCommand::List(arguments) => {
            let none = "there are none; anndex collection create NAME UID... makes one";
            let shown = |found: &[_]| print(session, found, none);
            select::list(session, db.collections(), &arguments, shown).await
        }
        CollectionCommand::Search(arguments) => {
            let found = select::search(db.collections(), &arguments).await;
            found.and_then(|found| print(session, &found, "none matches"))
        }
        CollectionCommand::Show(arguments) => show(session, &db, &arguments).await,
        CollectionCommand::Versions(arguments) => versions(session, &db, &arguments).await,
        CollectionCommand::Cache(arguments) => cache(session, &db, &arguments).await,
        CollectionCommand::Features(arguments) => features(session, &db, &arguments).await,
        CollectionCommand::Lineage(arguments) => {
            lineage::run(session, db.collections(), &arguments).await
        }
        CollectionCommand::Load(arguments) => load::run(session, &db, arguments).await,
        CollectionCommand::Delete(arguments) => {
            delete::run(session, db.collections(), &arguments).await
        }
        CollectionCommand::Restore(arguments) => {
            let restored = delete::restore(db.collections(), &arguments).await;
            restored.and_then(|restored| print(session, &restored, "there are none"))
        }
    };
    done.and(db.close().await)
}

async fn cache(session: &Session, db: &Instance, arguments: &Get) -> Result<()> {
    let collection = find(db.collections(), &arguments.dataset).await?;
    let paths = cache::with_bars(session, collection.cache())
        .paths()
        .await?;
    cache::print(session, &paths)
}

async fn create(session: &Session, db: &Instance, arguments: Create) -> Result<()> {
    let mut artifacts = Vec::new();
    for artifact in &arguments.artifacts {
        artifacts.push(find(db.artifacts(), artifact).await?);
    }
    let mut builder = db.collection(artifacts).name(arguments.name);
    if let Some(old) = &arguments.new_version_of {
        builder = builder.is_new_version_of(&find(db.collections(), old).await?);
    }
    if let Some(meta) = &arguments.meta {
        builder = builder.meta(&find(db.artifacts(), meta).await?);
    }
    if let Some(description) = arguments.description {
        builder = builder.description(description);
    }
    if let Some(version) = arguments.version {
        builder = builder.version(version);
    }
    if let Some(reference) = arguments.reference {
        builder = builder.reference(reference);
    }
    if let Some(reference_type) = arguments.reference_type {
        builder = builder.reference_type(reference_type);
    }
    let collection = builder.save().await?;
    let output = &session.output;
    if output.is_json() {
        let mut document = with_artifacts(&collection, &collection.artifacts().await?)?;
        if let Some(fields) = document.as_object_mut() {
            fields.insert("is_new".to_owned(), json!(collection.is_new()));
        }
        return output.json(&document);
    }
    output.table(&table(std::slice::from_ref(&collection)))?;
    if !collection.is_new() {
        output.advice("it was known already")?;
    }
    output.advice("next: anndex map NAME --obs KEY")
}

async fn versions(session: &Session, db: &Instance, arguments: &Versions) -> Result<()> {
    let collection = find(db.collections(), &arguments.collection).await?;
    print(session, &collection.versions().await?, "there are none")
}

async fn features(session: &Session, db: &Instance, arguments: &Features) -> Result<()> {
    let collection = find(db.collections(), &arguments.dataset).await?;
    features::print(session, &collection.compute_features().await?)
}

async fn show(session: &Session, db: &Instance, arguments: &Show) -> Result<()> {
    let collection = find(db.collections(), &arguments.collection).await?;
    let artifacts = collection.artifacts().await?;
    let output = &session.output;
    if output.is_json() {
        let mut document = with_artifacts(&collection, &artifacts)?;
        let input_of = collection.input_of().await?;
        let run = collection.run().await?;
        let transform = collection.transform().await?;
        if let Some(fields) = document.as_object_mut() {
            let uids: Vec<_> = input_of.iter().map(|run| run.uid.as_str()).collect();
            fields.insert("input_of".to_owned(), json!(uids));
            let sets = collection.feature_sets().await?;
            fields.insert("feature_sets".to_owned(), features::document(&sets)?);
            fields.insert("run".to_owned(), json!(run.map(|run| run.uid.clone())));
            let transform = transform.map(|transform| transform.uid.clone());
            fields.insert("transform".to_owned(), json!(transform));
        }
        return output.json(&document);
    }
    page(output, &collection.describe().await?)?;
    output.line(nouns(artifacts.len() as u64, "artifact"))?;
    output.table(&artifact_table(&artifacts))
}

fn print(session: &Session, collections: &[Handle<Collection>], none: &str) -> Result<()> {
    let output = &session.output;
    if output.is_json() {
        let records: Vec<_> = collections.iter().map(Handle::record).collect();
        return output.json(&records);
    }
    let table = table(collections);
    match table.is_empty() {
        true => output.advice(none),
        false => output.table(&table),
    }
}

/// A collection's record with those of its artifacts.
pub(super) fn with_artifacts(
    collection: &Handle<Collection>,
    artifacts: &[Handle<Artifact>],
) -> Result<Value> {
    let mut document = to_json(collection.record())?;
    if let Some(fields) = document.as_object_mut() {
        let records: Vec<_> = artifacts.iter().map(Handle::record).collect();
        fields.insert("artifacts".to_owned(), to_json(&records)?);
    }
    Ok(document)
}

/// Collections with what tells them apart.
pub(crate) fn table(collections: &[Handle<Collection>]) -> Table {
    let mut table = Table::new(["uid", "name", "version", "created", "", "description"]);
    for collection in collections {
        table.row([
            collection.uid.clone(),
            collection.name.clone(),
            or_dash(collection.version.as_deref()),
            date(collection.created_at),
            match collection.visibility {
                Visibility::Default => "",
                Visibility::Hidden => "hidden",
                Visibility::Trash => "trash",
            }
            .to_owned(),
            collection.description.clone().unwrap_or_default(),
        ]);
    }
    table
}
