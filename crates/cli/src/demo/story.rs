//! How the demo tells its story: numbered steps, each with a line that explains it, or all of
//! them as one JSON document.

use std::cell::RefCell;

use anndex::Result;
use serde::Serialize;

use crate::output::{Line, Output, Style};
use crate::table::Table;

#[derive(Debug, Default, Serialize)]
struct Step {
    title: String,
    explanation: String,
    lines: Vec<String>,
}

/// The steps told so far.
#[derive(Debug)]
pub(super) struct Story<'a> {
    output: &'a Output,
    steps: RefCell<Vec<Step>>,
}

impl<'a> Story<'a> {
    pub(super) fn new(output: &'a Output) -> Self {
        Self {
            output,
            steps: RefCell::default(),
        }
    }

    /// Begins a step: what is done, and why.
    pub(super) fn step(&self, title: &str, explanation: &str) -> Result<()> {
        self.steps.borrow_mut().push(Step {
            title: title.to_owned(),
            explanation: explanation.to_owned(),
            lines: Vec::new(),
        });
        if self.output.is_json() {
            return Ok(());
        }
        let number = self.steps.borrow().len();
        let heading = format!("{number}. {title}");
        if number > 1 {
            self.output.line("")?;
        }
        self.output
            .line(self.output.paint(Style::Heading, &heading))?;
        self.output.line(format!("   {explanation}"))
    }

    /// Shows the command that does the same.
    pub(super) fn command(&self, command: &str) -> Result<()> {
        self.say(&format!("$ {command}"), Some(Style::Faint))
    }

    /// Tells what came out.
    pub(super) fn line(&self, text: &str) -> Result<()> {
        self.say(text, None)
    }

    /// Tells that something went as it should.
    pub(super) fn good(&self, text: &str) -> Result<()> {
        self.say(text, Some(Style::Good))
    }

    /// Tells what can't be done, and why.
    pub(super) fn warning(&self, text: &str) -> Result<()> {
        self.say(text, Some(Style::Warning))
    }

    /// Shows a table.
    pub(super) fn table(&self, table: &Table) -> Result<()> {
        table
            .lines()
            .enumerate()
            .try_for_each(|(index, line)| match index {
                0 => self.say(&line, Some(Style::Faint)),
                _ => self.say(&line, None),
            })
    }

    /// Prints the document, if it is to be one.
    pub(super) fn end(self) -> Result<()> {
        if !self.output.is_json() {
            return Ok(());
        }
        self.output
            .json(&serde_json::json!({"steps": self.steps.into_inner()}))
    }

    fn say(&self, text: &str, style: Option<Style>) -> Result<()> {
        if let Some(step) = self.steps.borrow_mut().last_mut() {
            step.lines.push(text.to_owned());
        }
        if self.output.is_json() {
            return Ok(());
        }
        let text = match style {
            Some(style) => self.output.paint(style, text),
            None => text.into(),
        };
        self.output.line(Line::from("     ").and(text))
    }
}
