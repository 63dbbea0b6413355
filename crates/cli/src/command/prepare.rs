//! `anndex prepare`: writes a collection anew, in an order and a layout for fast epochs.

use std::path::PathBuf;

use anndex::store::DataType;
use anndex::{Collection, Handle, PrepareOptions, PreparedCollection, Result, Shuffle};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::collection::with_artifacts;
use super::map::{JoinArgument, data_type};
use crate::lookup::find;
use crate::output::{Style, plain};
use crate::progress;
use crate::quantity::{self, nouns};
use crate::session::Session;

/// Prepare a collection: write it anew for the fastest epochs
///
/// Its observations come in random order, with joined genes, in sharded Zarr files whose chunks
/// are fast to read. The files are AnnData for everyone, DIR is a collection for annbatch (best
/// with a name that ends in .zarr), and they are registered as a new collection. Stopped at any
/// point, the same command continues.
#[derive(Debug, Args)]
pub(crate) struct Prepare {
    /// The name of the collection, its uid or the beginning of it
    collection: String,
    /// The directory for the files; it is made if it does not exist
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// A permutation of all cells; blocks of neighbours, and cells at random within windows of
    /// many blocks, which reads large collections once; or the order of the collection
    #[arg(long, value_enum, default_value_t = ShuffleArgument::Exact)]
    shuffle: ShuffleArgument,
    /// Each seed gives another order
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Cells of a block, for --shuffle block
    #[arg(long, value_name = "CELLS", default_value_t = 256,
          value_parser = clap::value_parser!(u64).range(1..))]
    block_size: u64,
    /// Cells of a window, for --shuffle block
    #[arg(long, value_name = "CELLS", default_value_t = 65_536,
          value_parser = clap::value_parser!(u64).range(1..))]
    window_size: u64,
    /// A layer to write: X or a name in layers; may be repeated. Default: X
    #[arg(long, value_name = "KEY")]
    layers: Vec<String>,
    /// A matrix of obsm to write; may be repeated
    #[arg(long, value_name = "KEY")]
    obsm: Vec<String>,
    /// A column of obs to write; may be repeated. Default: all
    #[arg(long, value_name = "KEY")]
    obs: Vec<String>,
    /// How genes are joined: those that all files have, those that any file has, or as stored
    #[arg(long, value_enum, default_value_t = JoinArgument::Inner)]
    join: JoinArgument,
    /// Convert matrices to this type, such as float32. Default: as stored
    #[arg(long, value_name = "TYPE", value_parser = data_type)]
    dtype: Option<DataType>,
    /// Cells of a file, at most
    #[arg(long, value_name = "CELLS", default_value_t = 1 << 20,
          value_parser = clap::value_parser!(u64).range(1..))]
    rows_per_file: u64,
    /// The memory that it may take, such as 2GiB. More of it means less to decode
    #[arg(long, value_name = "BYTES", default_value = "1GiB", value_parser = quantity::parse_bytes)]
    memory: u64,
    /// The name of the new collection. Default: that of the old one and "(prepared)"
    #[arg(long)]
    name: Option<String>,
    /// What it is, in words
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ShuffleArgument {
    Exact,
    Block,
    None,
}

impl Prepare {
    fn options(&self) -> PrepareOptions {
        let seed = self.seed;
        let mut options = PrepareOptions::default()
            .shuffle(match self.shuffle {
                ShuffleArgument::Exact => Shuffle::Exact { seed },
                ShuffleArgument::Block => Shuffle::Block {
                    seed,
                    rows: self.block_size,
                    window: self.window_size,
                },
                ShuffleArgument::None => Shuffle::None,
            })
            .obsm_keys(&self.obsm)
            .join(self.join.join())
            .dtype(self.dtype.clone())
            .rows_per_file(self.rows_per_file)
            .memory(self.memory);
        if !self.layers.is_empty() {
            options = options.layers_keys(&self.layers);
        }
        if !self.obs.is_empty() {
            options = options.obs_keys(&self.obs);
        }
        options
    }
}

pub(crate) async fn run(session: &Session, arguments: Prepare) -> Result<()> {
    let db = session.connect().await?;
    let collection = find(db.collections(), &arguments.collection).await;
    let done = match collection {
        Ok(collection) => prepare(session, &collection, arguments).await,
        Err(error) => Err(error),
    };
    done.and(db.close().await)
}

async fn prepare(
    session: &Session,
    collection: &Handle<Collection>,
    arguments: Prepare,
) -> Result<()> {
    let mut builder = collection
        .prepare(&arguments.out)
        .options(arguments.options());
    if let Some(name) = arguments.name {
        builder = builder.name(name);
    }
    if let Some(description) = arguments.description {
        builder = builder.description(description);
    }
    let bar = progress::counted(session.shows_progress(), 0, "cells");
    let (shown, interrupt) = (bar.clone(), session.interrupt.clone());
    let prepared = builder
        .save_with(move |progress| {
            interrupt.check()?;
            shown.set_length(progress.total);
            shown.set_position(progress.done);
            Ok(())
        })
        .await;
    bar.finish_and_clear();
    let prepared = prepared?;
    match session.output.is_json() {
        true => session.output.json(&document(&prepared).await?),
        false => print(session, &prepared),
    }
}

async fn document(prepared: &PreparedCollection) -> Result<Value> {
    let collection = &prepared.collection;
    let artifacts = collection.artifacts().await?;
    Ok(json!({
        "collection": with_artifacts(collection, &artifacts)?,
        "files": prepared.prepared.files,
        "n_obs": prepared.prepared.n_obs,
        "n_vars": prepared.prepared.n_vars,
        "files_found": prepared.prepared.n_found,
        "notices": prepared.notices,
    }))
}

fn print(session: &Session, made: &PreparedCollection) -> Result<()> {
    let output = &session.output;
    let (collection, prepared) = (&made.collection, &made.prepared);
    let name = plain(&collection.name);
    output.line(output.paint(Style::Heading, &format!("{name} {}", collection.uid)))?;
    let files = nouns(prepared.files.len() as u64, "file");
    let found = match prepared.n_found {
        0 => String::new(),
        found => format!(" ({} there before)", quantity::count(found)),
    };
    output.line(format!(
        "{} × {} in {files}{found}",
        nouns(prepared.n_obs, "observation"),
        nouns(prepared.n_vars, "variable"),
    ))?;
    for notice in &made.notices {
        output.line(output.paint(Style::Warning, &plain(notice)))?;
    }
    output.advice("next: anndex map NAME --csr")
}
