//! What goes to standard output: text for people, coloured on a terminal, or one JSON document.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use anndex::{Error, Result};
use serde::Serialize;

use crate::table::Table;

/// The name of standard output in errors, by which a closed pipe is known.
pub(crate) const STANDARD_OUTPUT: &str = "standard output";

/// How a piece of text looks on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Heading,
    Faint,
    Good,
    Warning,
}

/// Standard output.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    color: bool,
}

impl Output {
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        Self {
            json,
            quiet,
            color: uses_color(io::stdout().is_terminal()),
        }
    }

    /// Whether a JSON document is asked for.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints the one JSON document of the command.
    pub(crate) fn json(&self, document: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(document).map_err(|e| {
            Error::invalid_input("the result can't be written as JSON").source_error(e)
        })?;
        write(&text)
    }

    /// Prints a line.
    pub(crate) fn line(&self, text: impl AsRef<str>) -> Result<()> {
        write(text.as_ref())
    }

    /// Prints a line of advice, unless only results are asked for.
    pub(crate) fn advice(&self, text: impl AsRef<str>) -> Result<()> {
        if self.quiet {
            return Ok(());
        }
        write(&self.paint(Style::Faint, text.as_ref()))
    }

    /// Prints a table.
    pub(crate) fn table(&self, table: &Table) -> Result<()> {
        table
            .lines()
            .enumerate()
            .try_for_each(|(index, line)| match index {
                0 => write(&self.paint(Style::Faint, &line)),
                _ => write(&line),
            })
    }

    /// Text as it looks in a style.
    pub(crate) fn paint(&self, style: Style, text: &str) -> String {
        if !self.color || text.is_empty() {
            return text.to_owned();
        }
        let code = match style {
            Style::Heading => "1;36",
            Style::Faint => "2",
            Style::Good => "32",
            Style::Warning => "33",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Whether to colour what goes to a stream; see <https://no-color.org>.
pub(crate) fn uses_color(is_terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    is_terminal && set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
}

/// Text without control characters, which names in files could use to play with the terminal.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        Cow::Owned(text.replace(char::is_control, "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

fn write(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .map_err(|e| Error::io(STANDARD_OUTPUT, e))
}
