//! Cutting text into the fields of records.

use anndex_store::{Error, Result};
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

/// How many bytes are examined together: their counts fit into a byte, so that the compiler compares
/// many at once.
const RUN: usize = 128;

/// How many bytes are looked at together where fields end.
const WORD: usize = 8;
/// The lowest bit of each byte of a word.
const ONES: u64 = 0x0101_0101_0101_0101;

/// The reader wants room behind what it writes.
const ROOM: usize = 2;

/// How a text can be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Each line is a record, and each delimiter ends a field.
    Plain,
    /// The same, but fields may be in quotes.
    Quoted,
    /// Only byte by byte.
    Any,
}

/// How many lines end in a text, and how those can be cut.
pub(super) fn examine(text: &[u8], delimiter: u8) -> (usize, Shape) {
    let Some((&last, rest)) = text.split_last() else {
        return (0, Shape::Plain);
    };
    let mut lines = usize::from(last == b'\n');
    let mut has_quotes = last == b'"';
    // Lines may be blank, or ended by carriage returns.
    let mut is_odd = text[0] <= b' ' || last == b'\r';
    for (run, next) in rest.chunks(RUN).zip(text[1..].chunks(RUN)) {
        let (mut ended, mut quotes, mut odd) = (0, 0, 0);
        for (&byte, &next) in run.iter().zip(next) {
            ended += u8::from(byte == b'\n');
            quotes |= u8::from(byte == b'"');
            odd |= (u8::from(byte == b'\n') & u8::from(next <= b' '))
                | (u8::from(byte == b'\r') & u8::from(next != b'\n'));
        }
        lines += usize::from(ended);
        has_quotes |= quotes != 0;
        is_odd |= odd != 0;
    }
    let shape = match (is_odd, has_quotes) {
        (true, _) => Shape::Any,
        (false, false) => Shape::Plain,
        (false, true) if quotes_are_around_fields(text, delimiter) => Shape::Quoted,
        (false, true) => Shape::Any,
    };
    (lines, shape)
}

/// Whether every quote is at the start or end of a field that is all in quotes, and in which nothing
/// could be taken for the end of a field.
fn quotes_are_around_fields(text: &[u8], delimiter: u8) -> bool {
    let ends_field = |byte: &u8| *byte == delimiter || matches!(byte, b'\n' | b'\r');
    let mut rest = text;
    let mut is_start = true;
    while let Some(open) = rest.iter().position(|&byte| byte == b'"') {
        is_start = open
            .checked_sub(1)
            .map_or(is_start, |before| ends_field(&rest[before]));
        let quoted = &rest[open + 1..];
        let Some(close) = quoted
            .iter()
            .position(|byte| *byte == b'"' || ends_field(byte))
        else {
            return false;
        };
        let (end, behind) = (quoted[close], &quoted[close + 1..]);
        if !is_start || end != b'"' || !behind.first().is_none_or(ends_field) {
            return false;
        }
        (rest, is_start) = (behind, false);
    }
    true
}

/// The fields of whole records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    text: &'a [u8],
    /// Where each field ends, behind where the first begins less the gap.
    ends: &'a [u32],
    width: usize,
    shape: Shape,
}

impl<'a> Fields<'a> {
    /// The same of few records at a time, in their order.
    pub(super) fn in_runs(self, records: usize) -> impl Iterator<Item = Self> {
        let step = (records * self.width).max(1);
        (0..self.ends.len() - 1).step_by(step).map(move |start| {
            let end = self.ends.len().min(start + step + 1);
            Self {
                ends: &self.ends[start..end],
                ..self
            }
        })
    }

    /// The fields of a column.
    pub(super) fn column(self, column: usize) -> impl Iterator<Item = &'a [u8]> + Clone {
        // Cut byte by byte, one follows the other without a delimiter.
        let gap = u32::from(self.shape != Shape::Any);
        let may_return = gap > 0 && column + 1 == self.width;
        let is_quoted = self.shape == Shape::Quoted;
        let own = self.ends.get(column..).unwrap_or_default();
        own.windows(2).step_by(self.width).map(move |bounds| {
            let (start, end) = (bounds[0].wrapping_add(gap), bounds[1]);
            let mut field = &self.text[start as usize..end as usize];
            if may_return {
                field = field.strip_suffix(b"\r").unwrap_or(field);
            }
            if is_quoted {
                field = field.strip_prefix(b"\"").unwrap_or(field);
                field = field.strip_suffix(b"\"").unwrap_or(field);
            }
            field
        })
    }
}

/// Cuts records of a number of fields, in memory that it keeps for the next.
#[derive(Debug)]
pub(super) struct Cutter {
    width: usize,
    ends: Vec<u32>,
    /// The fields without their quotes.
    unquoted: Vec<u8>,
    /// Where the fields of one record end.
    record: Vec<usize>,
}

impl Cutter {
    pub(super) fn new(width: usize) -> Self {
        Self {
            width,
            ends: Vec::new(),
            unquoted: Vec::new(),
            record: vec![0; width + 1],
        }
    }

    /// The fields of a chunk whose records were counted.
    pub(super) fn cut<'a>(
        &'a mut self,
        delimiter: u8,
        text: &'a [u8],
        records: usize,
        shape: Shape,
    ) -> Result<Fields<'a>> {
        let (text, count) = if shape == Shape::Any {
            self.unquote(delimiter, text, true)?;
            (self.unquoted.as_slice(), self.ends.len())
        } else {
            (text, self.split(delimiter, text))
        };
        let fields = Fields {
            text,
            ends: &self.ends[..count],
            width: self.width,
            shape,
        };
        if count != records * self.width + 1 || (shape != Shape::Any && !ends_lines(text, fields)) {
            return Err(ragged(self.width));
        }
        Ok(fields)
    }

    /// Finds the fields of plain text; returns how many bounds there are.
    fn split(&mut self, delimiter: u8, text: &[u8]) -> usize {
        if self.ends.len() < text.len() + WORD + 2 {
            self.ends.resize(text.len() + WORD + 2, 0);
        }
        self.ends[0] = u32::MAX;
        let mut count = 1;
        let (words, rest) = text.as_chunks::<WORD>();
        for (number, word) in words.iter().enumerate() {
            let mut found = matches(*word, delimiter) | matches(*word, b'\n');
            // How many there are can't be foreseen: of a word with more fields than most, the others
            // are written over what was written in vain.
            let (first, others) = self.ends[count..count + WORD].split_at_mut(WORD / 2);
            let ended = ((found >> 7).wrapping_mul(ONES) >> 56) as usize;
            let mut write = |end: &mut u32| {
                *end = (number * WORD) as u32 + found.trailing_zeros() / 8;
                found &= found.wrapping_sub(1);
            };
            first.iter_mut().for_each(&mut write);
            if ended > WORD / 2 {
                others.iter_mut().for_each(write);
            }
            count += ended;
        }
        let start = text.len() - rest.len();
        for (at, &byte) in rest.iter().enumerate() {
            self.ends[count] = (start + at) as u32;
            count += usize::from((byte == delimiter) | (byte == b'\n'));
        }
        if text.last().is_some_and(|&last| last != b'\n') {
            self.ends[count] = text.len() as u32;
            count += 1;
        }
        count
    }

    /// Takes the quotes from all records that are whole; at the end of a file the last one is. Returns
    /// how many there are, and where they end.
    pub(super) fn unquote(
        &mut self,
        delimiter: u8,
        text: &[u8],
        is_last: bool,
    ) -> Result<(usize, usize)> {
        let mut reader = reader(delimiter);
        self.unquoted.resize(text.len() + ROOM, 0);
        self.ends.clear();
        self.ends.push(0);
        let (mut records, mut end) = (0, 0);
        let (mut read, mut start, mut written, mut fields) = (0, 0, 0, 0);
        loop {
            let (result, n_read, n_written, n_fields) = reader.read_record(
                &text[read..],
                &mut self.unquoted[written..],
                &mut self.record[fields..],
            );
            (read, written, fields) = (read + n_read, written + n_written, fields + n_fields);
            match result {
                ReadRecordResult::Record => {
                    let is_blank = fields == 1
                        && written > start
                        && self.unquoted[start..written].iter().all(is_space);
                    if is_blank {
                        written = start;
                    } else if fields == self.width {
                        let ends = self.record[..fields].iter();
                        self.ends.extend(ends.map(|end| (start + end) as u32));
                        records += 1;
                    } else {
                        return Err(ragged(self.width));
                    }
                    (start, fields, end) = (written, 0, read);
                }
                // With nothing more to read, it gives the last record.
                ReadRecordResult::InputEmpty if is_last => {}
                ReadRecordResult::InputEmpty | ReadRecordResult::End => break,
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    return Err(ragged(self.width));
                }
            }
        }
        self.unquoted.truncate(start);
        Ok((records, end))
    }
}

/// The reader of one record after the other.
fn reader(delimiter: u8) -> Reader {
    ReaderBuilder::new().delimiter(delimiter).build()
}

/// The first record, and where it ends; `None` if there is none, or if more must be read.
pub(super) fn header(
    text: &[u8],
    delimiter: u8,
    is_last: bool,
) -> Result<Option<(Vec<String>, usize)>> {
    let mut reader = reader(delimiter);
    let (mut names, mut ends) = (vec![0; text.len() + ROOM], vec![0; text.len() + ROOM]);
    let (mut read, mut written, mut fields) = (0, 0, 0);
    loop {
        let (result, n_read, n_written, n_fields) =
            reader.read_record(&text[read..], &mut names[written..], &mut ends[fields..]);
        (read, written, fields) = (read + n_read, written + n_written, fields + n_fields);
        match result {
            ReadRecordResult::Record => break,
            ReadRecordResult::InputEmpty if is_last => {}
            _ => return Ok(None),
        }
    }
    // The other half of what ends the line.
    if text[..read].ends_with(b"\r") && text[read..].starts_with(b"\n") {
        read += 1;
    }
    let mut start = 0;
    let names = ends[..fields].iter().map(|&end| {
        let name = std::str::from_utf8(&names[start..end]);
        start = end;
        let name = name.map_err(|error| {
            Error::corrupt("the names of the columns are not UTF-8").source_error(error)
        });
        name.map(str::to_owned)
    });
    Ok(Some((names.collect::<Result<_>>()?, read)))
}

fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The highest bit of each byte of a word that is the one looked for.
fn matches(word: [u8; WORD], byte: u8) -> u64 {
    const LOW: u64 = 0x7f * ONES;
    let other = u64::from_le_bytes(word) ^ (u64::from(byte) * ONES);
    !(((other & LOW) + LOW) | other | LOW)
}

/// Whether the last field of each record ends a line.
fn ends_lines(text: &[u8], fields: Fields<'_>) -> bool {
    let last = fields.ends.iter().skip(fields.width).step_by(fields.width);
    let mut last = last.map(|&end| text.get(end as usize));
    last.all(|byte| byte.is_none_or(|&byte| byte == b'\n'))
}

fn ragged(width: usize) -> Error {
    Error::corrupt(format!(
        "a row does not have {width} values, as there are names of columns"
    ))
}
