//! The commands, one module each, and what they share.

pub(crate) mod artifact;
pub(crate) mod cache;
pub(crate) mod check;
pub(crate) mod collection;
mod delete;
pub(crate) mod epoch;
mod features;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod inspect;
mod lineage;
pub(crate) mod load;
pub(crate) mod map;
pub(crate) mod prepare;
pub(crate) mod records;
mod select;

use anndex::Result;
use chrono::{DateTime, Utc};

use crate::output::{Output, Style};

/// A value, or a dash where there is none.
fn or_dash(value: Option<&str>) -> String {
    value.unwrap_or("-").to_owned()
}

/// A time to the minute.
fn date(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M").to_string()
}

/// Prints a page of text whose first line is its heading.
fn page(output: &Output, text: &str) -> Result<()> {
    for (index, line) in text.lines().enumerate() {
        match index {
            0 => output.line(output.paint(Style::Heading, line))?,
            _ => output.line(line)?,
        }
    }
    Ok(())
}
