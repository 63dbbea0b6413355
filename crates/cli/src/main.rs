//! The `anndex` command: register, version and map AnnData files.
//!
//! Results go to standard output, as tables for people or with `--json` as one JSON document for
//! programs; errors, warnings and progress go to standard error. [`failure`] says what the exit
//! codes mean.

mod arguments;
mod command;
mod demo;
mod failure;
mod global;
mod interrupt;
mod lookup;
mod output;
mod progress;
mod quantity;
mod session;
mod table;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Command};
use crate::session::Session;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return failure::usage(&error),
    };
    session::log_to_stderr(&arguments.global);
    let json = arguments.global.json;
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failure::report(&anndex::Error::io("threads", error), json),
    };
    let result = runtime.block_on(run(arguments));
    // What was stopped may still be ending.
    runtime.shutdown_background();
    match result {
        Ok(code) => code,
        Err(error) => failure::report(&error, json),
    }
}

async fn run(arguments: Arguments) -> anndex::Result<ExitCode> {
    let session = Session::new(arguments.global);
    let done = match arguments.command {
        Command::Check(check) => return command::check::run(&session, &check).await,
        Command::Import(import) => return command::import::run(&session, import).await,
        Command::Artifact(artifact) => return command::artifact::run(&session, artifact).await,
        Command::Init(init) => command::init::run(&session, init).await,
        Command::Collection(collection) => command::collection::run(&session, collection).await,
        Command::Cache(cache) => command::cache::run(&session, cache).await,
        Command::List(list) => command::records::run(&session, &list).await,
        Command::Inspect(inspect) => command::inspect::run(&session, &inspect),
        Command::Map(map) => command::map::run(&session, map).await,
        Command::Prepare(prepare) => command::prepare::run(&session, prepare).await,
        Command::Demo(demo) => demo::run(&session, demo).await,
    };
    done.map(|()| ExitCode::SUCCESS)
}
