//! Parsing the values of a chunk to their places.

use std::sync::Arc;

use anndex_store::{Error, Result};
use arrow_array::builder::{BooleanBuilder, LargeBinaryBuilder};
use arrow_array::{ArrayRef, LargeStringArray, new_empty_array};
use arrow_schema::DataType;
use bytemuck::{Pod, cast_slice_mut};

use super::fields::{Cutter, Fields};
use super::kind::{Kind, Kinds, boolean, float, integer, is_missing, unsigned};
use super::scan::{Chunk, Source};

/// What a thread keeps from one chunk to the next.
#[derive(Debug)]
pub(super) struct Parser {
    text: Vec<u8>,
    cutter: Cutter,
}

/// What was found in a chunk, for each column that was asked for.
#[derive(Debug)]
pub(super) struct Parsed {
    /// Which types fit its values.
    pub(super) kinds: Vec<Kinds>,
    /// The values that have no place, which are text and booleans that may be missing.
    pub(super) arrays: Vec<ArrayRef>,
}

impl Parser {
    pub(super) fn new(width: usize) -> Self {
        Self {
            text: Vec::new(),
            cutter: Cutter::new(width),
        }
    }

    /// Parses columns of a chunk as what they are said to be. If the values of one are something else,
    /// its kinds say so, and what was parsed is of no use.
    pub(super) fn parse(
        &mut self,
        source: &Source,
        chunk: &Chunk,
        columns: &[(usize, Kind)],
        places: Vec<(usize, &mut [u8])>,
    ) -> Result<Parsed> {
        // Their fields and text stay in the first cache while one column after the other is parsed.
        const RUN: usize = 16;
        let fields = self.cut(source, chunk)?;
        let mut found = vec![Some(Kinds::NONE); columns.len()];
        let mut places: Vec<&mut [u8]> = places.into_iter().map(|(_, place)| place).collect();
        let mut left = chunk.records;
        for run in fields.in_runs(RUN) {
            let records = left.min(RUN);
            let mut places = places.iter_mut();
            for (&(column, kind), found) in columns.iter().zip(&mut found) {
                let fill = match kind {
                    Kind::Boolean => booleans,
                    Kind::Integer => integers,
                    Kind::Unsigned => unsigneds,
                    Kind::Float => floats,
                    Kind::Flags | Kind::Text => continue,
                };
                let Some(place) = places.next() else { continue };
                let size = place.len() / left;
                let own = place.split_off_mut(..records * size).unwrap_or_default();
                *found = found.and_then(|known| Some(known.and(fill(run.column(column), own)?)));
            }
            left -= records;
        }
        let mut parsed = Parsed {
            kinds: Vec::with_capacity(columns.len()),
            arrays: Vec::new(),
        };
        for (&(column, kind), found) in columns.iter().zip(found) {
            let texts = fields.column(column);
            let found = match kind {
                Kind::Flags => {
                    let (array, found) = flags(texts.clone(), chunk.records);
                    parsed.arrays.push(array);
                    found
                }
                Kind::Text => {
                    let array = strings(texts.clone(), chunk.records);
                    parsed.arrays.push(array.map_err(|error| source.at(error))?);
                    None
                }
                _ => found,
            };
            parsed.kinds.push(found.unwrap_or_else(|| Kinds::of(texts)));
        }
        Ok(parsed)
    }

    /// Which types fit the values of all columns in the first records of a chunk.
    pub(super) fn sample(&mut self, source: &Source, chunk: &Chunk) -> Result<Vec<Kinds>> {
        const RECORDS: usize = 64;
        let fields = self.cut(source, chunk)?;
        let columns = 0..source.names.len();
        Ok(columns
            .map(|column| Kinds::of(fields.column(column).take(RECORDS)))
            .collect())
    }

    fn cut(&mut self, source: &Source, chunk: &Chunk) -> Result<Fields<'_>> {
        source.read(chunk, &mut self.text)?;
        let fields = self
            .cutter
            .cut(source.delimiter, &self.text, chunk.records, chunk.shape);
        fields.map_err(|error| source.at(error))
    }
}

/// Parses numbers to their places up to the first that is none; whether there is none such.
fn fill<'a, T: Pod>(
    texts: impl Iterator<Item = &'a [u8]>,
    places: &mut [T],
    parse: impl Fn(&'a [u8]) -> Option<T>,
) -> bool {
    let mut texts = places.iter_mut().zip(texts);
    texts.all(|(place, text)| match parse(text) {
        Some(value) => {
            *place = value;
            true
        }
        None => false,
    })
}

fn booleans<'a, T: Iterator<Item = &'a [u8]>>(texts: T, places: &mut [u8]) -> Option<Kinds> {
    let fits = fill(texts, places, |text| boolean(text).map(u8::from));
    fits.then(|| Kinds::booleans(true, false))
}

fn integers<'a, T: Iterator<Item = &'a [u8]>>(texts: T, places: &mut [u8]) -> Option<Kinds> {
    let places: &mut [i64] = cast_slice_mut(places);
    let fits = fill(texts, places, integer);
    fits.then(|| Kinds::integers(places.iter().any(|&value| value < 0)))
}

fn unsigneds<'a, T: Iterator<Item = &'a [u8]>>(texts: T, places: &mut [u8]) -> Option<Kinds> {
    let places: &mut [u64] = cast_slice_mut(places);
    let fits = fill(texts, places, unsigned);
    fits.then(|| Kinds::unsigned(places.iter().any(|&value| i64::try_from(value).is_err())))
}

fn floats<'a, T: Iterator<Item = &'a [u8]>>(texts: T, places: &mut [u8]) -> Option<Kinds> {
    let places: &mut [f64] = cast_slice_mut(places);
    let parse = |text| float(text).or_else(|| is_missing(text).then_some(f64::NAN));
    if !fill(texts, places, parse) {
        return None;
    }
    let missing = places.iter().filter(|value| value.is_nan()).count();
    Some(Kinds::floats(missing < places.len(), missing > 0))
}

fn flags<'a>(texts: impl Iterator<Item = &'a [u8]>, records: usize) -> (ArrayRef, Option<Kinds>) {
    let mut array = BooleanBuilder::with_capacity(records);
    let (mut has_values, mut has_missing) = (false, false);
    for text in texts {
        let flag = boolean(text);
        has_values |= flag.is_some();
        if flag.is_none() {
            if !is_missing(text) {
                return (new_empty_array(&DataType::Boolean), None);
            }
            has_missing = true;
        }
        array.append_option(flag);
    }
    let kinds = Kinds::booleans(has_values, has_missing);
    (Arc::new(array.finish()), Some(kinds))
}

fn strings<'a>(texts: impl Iterator<Item = &'a [u8]> + Clone, records: usize) -> Result<ArrayRef> {
    let bytes = texts.clone().map(<[u8]>::len).sum();
    let mut array = LargeBinaryBuilder::with_capacity(records, bytes);
    for text in texts {
        array.append_option((!is_missing(text)).then_some(text));
    }
    let checked = LargeStringArray::try_from_binary(array.finish());
    let checked =
        checked.map_err(|error| Error::corrupt("the text is not UTF-8").source_error(error))?;
    Ok(Arc::new(checked))
}
