//! Developer tooling, run as `cargo xtask`: one command per thing that must be repeatable.
//!
//! It uses the tools that are there (cargo, git, Python, PostgreSQL) and needs no crate of the
//! project but the one that starts servers, so that it builds in seconds and works while the
//! project itself does not compile.

mod bench;
mod circles;
mod dependencies;
mod fixtures;
mod lint;
mod package;
mod postgres;
mod public_api;
mod python;
mod refusals;
mod runner;
mod sources;
mod step;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// What a failed command says to people; nothing here is handled by kind.
type Result<T, E = String> = std::result::Result<T, E>;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Developer tooling of anndex")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run every check and every test, in order, up to the first failure.
    Test,
    /// Run the checks that read the source: rustfmt, ruff, typos, refusals and clippy.
    Lint,
    /// Write the listings of the public API anew, against which `lint` holds the sources.
    PublicApi,
    /// Write tests/fixtures anew with pinned versions of Python anndata, and their goldens.
    Fixtures,
    /// Run a PostgreSQL server for tests until Ctrl-C, and print its URL.
    Postgres,
    /// Build the Python package, check its types and run its tests: the last part of `test`.
    Python,
    /// Write the wheel of the Python package to target/dist, and import it with every Python here.
    Dist,
    /// Compare the loaders with those that people use today, on the same files, or measure growth
    /// or the registry.
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = Workspace::find().and_then(|workspace| match arguments.command {
        Command::Test => runner::run(&workspace),
        Command::Lint => lint::run(&workspace),
        Command::PublicApi => public_api::write(&workspace),
        Command::Fixtures => fixtures::run(&workspace),
        Command::Postgres => postgres::run(),
        Command::Python => {
            let server = postgres::TestServer::start()?;
            package::test(&workspace, &server, &mut Default::default())
        }
        Command::Dist => package::dist(&workspace),
        Command::Bench(options) => bench::run(&workspace, &options),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
