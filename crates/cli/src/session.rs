//! What one call of the command works with: its global options, its output, its instance.

use std::io::{self, BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use anndex::{Error, Instance, Result};
use tracing_subscriber::filter::LevelFilter;

use crate::failure;
use crate::global::Global;
use crate::interrupt::Interrupt;
use crate::output::{Output, plain, uses_color};

/// One call of the command.
#[derive(Debug)]
pub(crate) struct Session {
    global: Global,
    pub(crate) output: Output,
    pub(crate) interrupt: Interrupt,
}

impl Session {
    /// Needs a tokio runtime.
    pub(crate) fn new(global: Global) -> Self {
        Self {
            output: Output::new(global.json, global.quiet),
            interrupt: Interrupt::listen(),
            global,
        }
    }

    /// Where the instance is that `--db` or the surroundings name.
    pub(crate) fn location(&self) -> Result<PathBuf> {
        match &self.global.db {
            Some(location) => Ok(PathBuf::from(location)),
            None => anndex::discover(),
        }
    }

    /// The location that `--db` names.
    pub(crate) fn given_location(&self) -> Option<&Path> {
        self.global.db.as_deref().map(Path::new)
    }

    /// Opens the instance.
    pub(crate) async fn connect(&self) -> Result<Instance> {
        anndex::connect(self.location()?).await
    }

    /// Whether progress is shown.
    pub(crate) fn shows_progress(&self) -> bool {
        !self.global.quiet && io::stderr().is_terminal()
    }

    /// Asks a question that is answered by yes or no; `None` where there is nobody to ask.
    pub(crate) fn confirm(&self, question: &str) -> Result<Option<bool>> {
        let asks = io::stdin().is_terminal() && io::stderr().is_terminal();
        if !asks || self.output.is_json() || self.global.quiet {
            return Ok(None);
        }
        failure::print(&format!("{} [y/N] ", plain(question)));
        let mut answer = String::new();
        io::stdin()
            .lock()
            .read_line(&mut answer)
            .map_err(|e| Error::io("standard input", e))?;
        let answer = answer.trim().to_lowercase();
        Ok(Some(matches!(answer.as_str(), "y" | "yes")))
    }
}

/// Prints warnings, and more if that is asked for. With `--json` warnings are left out, so that
/// standard error is one document, too.
pub(crate) fn log_to_stderr(global: &Global) {
    let level = match global.verbose {
        0 if global.quiet || global.json => LevelFilter::OFF,
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .with_ansi(uses_color(io::stderr().is_terminal()))
        .with_target(global.verbose > 1)
        .without_time()
        .init();
}
