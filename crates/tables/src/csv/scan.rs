//! Finding where the records of a file are, so that each thread can parse some of them and knows
//! beforehand where their rows stand.

use std::collections::HashSet;
use std::path::Path;

use anndex_store::storage::{LocalFile, ReadAt};
use anndex_store::{Error, Result};

use super::fields::{Cutter, Shape, examine, header};

/// How many bytes are parsed together: with their fields and numbers they fit into a core's cache.
const CHUNK: usize = 1 << 18;
/// No record is longer than this.
const LONGEST: usize = 1 << 30;

/// A file that was looked through.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: String,
    pub(super) file: LocalFile,
    pub(super) delimiter: u8,
    pub(super) names: Vec<String>,
    pub(super) chunks: Vec<Chunk>,
}

/// Some records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk {
    start: u64,
    length: usize,
    pub(super) records: usize,
    pub(super) shape: Shape,
}

impl Source {
    pub(super) fn open(path: &Path, delimiter: u8) -> Result<Self> {
        let file = LocalFile::open(path)?;
        let mut source = Self {
            path: path.display().to_string(),
            file,
            delimiter,
            names: Vec::new(),
            chunks: Vec::new(),
        };
        source.scan().map_err(|error| source.at(error))?;
        Ok(source)
    }

    /// An error of this file.
    pub(super) fn at(&self, error: Error) -> Error {
        error.with("path", &self.path)
    }

    pub(super) fn rows(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.records).sum()
    }

    /// Reads the text of a chunk.
    pub(super) fn read(&self, chunk: &Chunk, text: &mut Vec<u8>) -> Result<()> {
        self.read_at(chunk.start, chunk.length, text)
    }

    fn read_at(&self, start: u64, length: usize, text: &mut Vec<u8>) -> Result<()> {
        text.resize(length, 0);
        let read = self.file.read_exact_at(start, text);
        read.map_err(|error| Error::io(&self.path, error))
    }

    /// Reads from a position, so many bytes or up to the end; whether it is the end.
    fn read_up_to(&self, start: u64, length: usize, text: &mut Vec<u8>) -> Result<bool> {
        let rest = self.file.len().saturating_sub(start);
        let rest = usize::try_from(rest).unwrap_or(usize::MAX);
        self.read_at(start, rest.min(length), text)?;
        Ok(rest <= length)
    }

    fn scan(&mut self) -> Result<()> {
        let mut text = Vec::new();
        let mut start = self.read_names(&mut text)?;
        let mut cutter = Cutter::new(self.names.len());
        let mut length = CHUNK;
        while start < self.file.len() {
            let is_end = self.read_up_to(start, length, &mut text)?;
            let newline = text.iter().rposition(|&byte| byte == b'\n');
            let end = match newline {
                Some(newline) if !is_end => newline + 1,
                _ => text.len(),
            };
            let (lines, shape) = examine(&text[..end], self.delimiter);
            let is_unended = newline != Some(end - 1);
            let (records, end) = match shape {
                Shape::Any => cutter.unquote(self.delimiter, &text, is_end)?,
                // The line goes on.
                _ if is_unended && !is_end => (0, 0),
                _ => (lines + usize::from(is_unended), end),
            };
            if is_end && records == 0 {
                break;
            }
            if end == 0 {
                length = longer(length)?;
                continue;
            }
            self.chunks.push(Chunk {
                start,
                length: end,
                records,
                shape,
            });
            start += end as u64;
            length = CHUNK;
        }
        Ok(())
    }

    /// Reads the first record; returns where the others begin.
    fn read_names(&mut self, text: &mut Vec<u8>) -> Result<u64> {
        let mut length = CHUNK;
        loop {
            let is_end = self.read_up_to(0, length, text)?;
            if let Some((names, end)) = header(text, self.delimiter, is_end)? {
                let mut seen = HashSet::new();
                if let Some(twice) = names.iter().find(|name| !seen.insert(*name)) {
                    return Err(Error::invalid_input(
                        "the table has two columns of one name; rename one",
                    )
                    .with("column", twice));
                }
                let names = names.into_iter().enumerate();
                // As pandas calls the index that it has written itself.
                let names = names.map(|(position, name)| match name.is_empty() {
                    true => format!("Unnamed: {position}"),
                    false => name,
                });
                self.names = names.collect();
                return Ok(end as u64);
            }
            if is_end {
                return Err(Error::corrupt(
                    "the file is empty: its first line must name the columns",
                ));
            }
            length = longer(length)?;
        }
    }
}

fn longer(length: usize) -> Result<usize> {
    if length >= LONGEST {
        return Err(Error::corrupt(
            "a row is longer than 1 GiB; a quote may not have been closed",
        ));
    }
    Ok(length * 2)
}
