//! What goes to standard output: text for people, coloured on a terminal, or one JSON document.
//!
//! Names come from files and databases, so no text reaches a terminal as it is: every line goes
//! through [`plain`], and colours are added behind that.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use anndex::{Error, Result, shown};
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

/// A line in pieces, each of which has a style or none.
#[derive(Debug, Clone)]
pub(crate) struct Line(Vec<(Option<Style>, String)>);

impl Line {
    /// The line, and more text behind it.
    pub(crate) fn and(mut self, more: impl Into<Self>) -> Self {
        self.0.append(&mut more.into().0);
        self
    }
}

impl From<&str> for Line {
    fn from(text: &str) -> Self {
        Self(vec![(None, text.to_owned())])
    }
}

impl From<String> for Line {
    fn from(text: String) -> Self {
        Self(vec![(None, text)])
    }
}

impl From<Cow<'_, str>> for Line {
    fn from(text: Cow<'_, str>) -> Self {
        text.into_owned().into()
    }
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

    /// Prints what another program reads, as it is.
    pub(crate) fn document(&self, text: &str) -> Result<()> {
        write(text)
    }

    /// Prints a line.
    pub(crate) fn line(&self, line: impl Into<Line>) -> Result<()> {
        write(&self.rendered(&line.into()))
    }

    /// Prints a line of advice, unless only results are asked for.
    pub(crate) fn advice(&self, text: impl AsRef<str>) -> Result<()> {
        if self.quiet {
            return Ok(());
        }
        self.line(self.paint(Style::Faint, text.as_ref()))
    }

    /// Prints a table.
    pub(crate) fn table(&self, table: &Table) -> Result<()> {
        table
            .lines()
            .enumerate()
            .try_for_each(|(index, line)| match index {
                0 => self.line(self.paint(Style::Faint, &line)),
                _ => self.line(line),
            })
    }

    /// Text in a style.
    pub(crate) fn paint(&self, style: Style, text: &str) -> Line {
        Line(vec![(Some(style).filter(|_| self.color), text.to_owned())])
    }

    fn rendered(&self, line: &Line) -> String {
        let pieces = line.0.iter().map(|(style, text)| {
            let text = plain(text);
            let code = match style {
                None => return text.into_owned(),
                Some(_) if text.is_empty() => return String::new(),
                Some(Style::Heading) => "1;36",
                Some(Style::Faint) => "2",
                Some(Style::Good) => "32",
                Some(Style::Warning) => "33",
            };
            format!("\x1b[{code}m{text}\x1b[0m")
        });
        pieces.collect()
    }
}

/// Whether to colour what goes to a stream; see <https://no-color.org>.
pub(crate) fn uses_color(is_terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    is_terminal && set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
}

/// Text in which names can't play with the terminal, nor URLs give a secret away.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    shown::sentence(text)
}

fn write(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .map_err(|e| Error::io(STANDARD_OUTPUT, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_obeys_what_is_in_a_name() {
        let output = Output {
            json: false,
            quiet: false,
            color: true,
        };
        let name = "a\u{1b}[2Jb";
        let line = output.paint(Style::Heading, name).and(name);
        let expected = "\u{1b}[1;36ma\u{fffd}[2Jb\u{1b}[0ma\u{fffd}[2Jb";
        assert_eq!(output.rendered(&line), expected);
    }
}
