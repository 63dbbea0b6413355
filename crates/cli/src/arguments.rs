//! The command line: the list of commands. Each command's own arguments stand in its module, those
//! that all share in `global`.

use clap::{Parser, Subcommand};

use crate::command::{
    artifact::ArtifactCommand, cache::CacheCommand, check::Check, collection::CollectionCommand,
    import::ImportCommand, init::Init, inspect::Inspect, map::Map, prepare::Prepare,
    records::ListRecords,
};
use crate::demo::Demo;
use crate::global::Global;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  reading, writing or the database failed
  2  the command line or an argument is wrong
  3  a record, file or key was not found
  4  it exists already, or somebody else changed it meanwhile
  5  a file is damaged, or this build can't read it
  6  a check found what is wrong and still is, or an import left something out
  130  stopped with Ctrl-C";

/// Registers, versions and maps AnnData files (.h5ad, .zarr).
///
/// Commands work in the instance that the current directory belongs to; `anndex init` makes one.
/// `anndex demo` shows the whole story in a temporary one.
#[derive(Debug, Parser)]
#[command(name = "anndex", version, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(Init),
    /// Register files and directories, list and delete them
    #[command(subcommand)]
    Artifact(ArtifactCommand),
    /// Make collections of artifacts, list, version and delete them
    #[command(subcommand)]
    Collection(CollectionCommand),
    /// Show what is in the local cache of data at URLs, clear it and limit it
    #[command(subcommand)]
    Cache(CacheCommand),
    List(ListRecords),
    Inspect(Inspect),
    Map(Map),
    Prepare(Prepare),
    Check(Check),
    /// Take over the registry of another program
    #[command(subcommand)]
    Import(ImportCommand),
    Demo(Demo),
}
