//! Text tables, with the types and missing values that `pandas.read_csv` finds in them.
//!
//! A file is looked through for where its records are, which is fast, then threads parse some
//! hundred records each, straight to where they stand in the result. What a column is, is guessed
//! from a few of its values; where that proves wrong, it is parsed a second time, as what fits.

mod fields;
mod fill;
mod kind;
mod scan;

use std::path::Path;
use std::sync::Arc;

use anndex_store::DataType as Number;
use anndex_store::operation::carried;
use anndex_store::{Error, Result};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, new_empty_array};
use arrow_schema::{DataType, Field, Schema};
use rayon::prelude::*;

use self::fill::{Parsed, Parser};
use self::kind::{Kind, Kinds};
use self::scan::{Chunk, Source};
use crate::Table;
use crate::error::{arrow, decoding};
use crate::stacked::{Block, Stacked, allocate, divide};

pub(crate) fn read(path: &Path, delimiter: u8) -> Result<Table> {
    let source = Source::open(path, delimiter)?;
    if source.rows() == 0 {
        // Without rows there is nothing that a type could fit.
        let fields = source.names.iter();
        let fields = fields.map(|name| Field::new(name, DataType::Null, true));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        return Table::new(Arc::new(schema), Vec::new());
    }
    let stacked = stack(&[source])?;
    let changed = || Error::corrupt("the file changed while it was read");
    stacked.ok_or_else(changed)?.into_table()
}

/// Tables whose columns have the same names, and values that fit together; `None` for others.
pub(crate) fn read_stacked<P: AsRef<Path> + Sync>(
    paths: &[P],
    delimiters: &[u8],
) -> Result<Option<Stacked>> {
    let sources = paths.par_iter().zip(delimiters);
    let sources = sources.map(|(path, delimiter)| Source::open(path.as_ref(), *delimiter));
    let sources: Vec<Source> = sources.collect::<Result<_>>()?;
    let are_alike = sources
        .iter()
        .all(|source| source.names == sources[0].names && source.rows() > 0);
    if are_alike { stack(&sources) } else { Ok(None) }
}

fn stack(sources: &[Source]) -> Result<Option<Stacked>> {
    let guessed: Vec<(usize, Kind)> = guess(sources)?.into_iter().enumerate().collect();
    let mut first = parse(sources, &guessed)?;
    let found: Option<Vec<Kind>> = (0..guessed.len())
        .map(|column| joined(sources, &first.kinds, column))
        .collect();
    let Some(found) = found else {
        return Ok(None);
    };
    let wrong = guessed.iter().zip(&found);
    let wrong: Vec<(usize, Kind)> = wrong
        .filter(|((_, guess), kind)| guess != *kind)
        .map(|((column, _), kind)| (*column, *kind))
        .collect();
    if !wrong.is_empty() {
        let is_wrong = |column: usize| wrong.iter().any(|(other, _)| *other == column);
        for column in first.blocks.iter_mut().flat_map(|block| &mut block.columns) {
            *column = column.filter(|&column| !is_wrong(column));
        }
        first.arrays.retain(|(column, _)| !is_wrong(*column));
        let second = parse(sources, &wrong)?;
        let still = (0..wrong.len()).map(|number| joined(sources, &second.kinds, number));
        if still
            .zip(&wrong)
            .any(|(found, (_, kind))| found != Some(*kind))
        {
            return Err(sources[0].at(Error::corrupt("the files changed while they were read")));
        }
        first.blocks.extend(second.blocks);
        first.arrays.extend(second.arrays);
    }
    first.arrays.sort_by_key(|(column, _)| *column);
    let (others, arrays): (Vec<usize>, Vec<ArrayRef>) = first.arrays.into_iter().unzip();
    let names = sources.first().map(|source| source.names.clone());
    let names = names.unwrap_or_default();
    let fields = others.iter().zip(&arrays);
    let fields =
        fields.map(|(column, array)| Field::new(&names[*column], array.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let rows: Vec<usize> = sources.iter().map(Source::rows).collect();
    let all = RecordBatchOptions::new().with_row_count(Some(rows.iter().sum()));
    let batch = RecordBatch::try_new_with_options(schema.clone(), arrays, &all).map_err(arrow)?;
    Ok(Some(Stacked {
        names,
        rows,
        blocks: first.blocks,
        others,
        rest: Table::new(schema, vec![batch])?,
    }))
}

/// What columns may be: what fits the first values of each file, and the first of its last chunk.
fn guess(sources: &[Source]) -> Result<Vec<Kind>> {
    let sampled = sources.par_iter().map(|source| {
        let mut parser = Parser::new(source.names.len());
        let mut kinds = vec![Kinds::NONE; source.names.len()];
        let ends = [source.chunks.first(), source.chunks.last()];
        for chunk in ends.into_iter().flatten() {
            let sample = parser.sample(source, chunk)?;
            for (known, more) in kinds.iter_mut().zip(sample) {
                *known = known.and(more);
            }
        }
        Ok(kinds)
    });
    let sampled: Vec<Vec<Kinds>> = sampled.collect::<Result<_>>()?;
    let mut guessed: Vec<Option<Kind>> = Vec::new();
    for kinds in sampled {
        let kinds = kinds.into_iter().map(Kinds::kind);
        guessed = match guessed.is_empty() {
            true => kinds.map(Some).collect(),
            false => kinds
                .zip(&guessed)
                .map(|(kind, known)| known.and_then(|known| known.with(kind)))
                .collect(),
        };
    }
    Ok(guessed
        .into_iter()
        .map(|kind| kind.unwrap_or(Kind::Text))
        .collect())
}

/// What a column, the so-manieth of those parsed, is in all files; `None` if no type fits.
fn joined(sources: &[Source], kinds: &[Vec<Kinds>], number: usize) -> Option<Kind> {
    let mut chunks = kinds.iter();
    let mut joined = None;
    for source in sources {
        let own = chunks.by_ref().take(source.chunks.len());
        let own = own.fold(Kinds::NONE, |known, more| known.and(more[number]));
        joined = Some(match joined {
            None => own.kind(),
            Some(known) => own.kind().with(known)?,
        });
    }
    joined
}

/// Columns of all files.
struct Columns {
    blocks: Vec<Block>,
    /// The values that no block takes.
    arrays: Vec<(usize, ArrayRef)>,
    /// For each chunk, which types fit each column.
    kinds: Vec<Vec<Kinds>>,
}

fn parse(sources: &[Source], columns: &[(usize, Kind)]) -> Result<Columns> {
    let chunks = || {
        let chunks = sources.iter();
        chunks.flat_map(|source| source.chunks.iter().map(move |chunk| (source, chunk)))
    };
    let numbers = columns.iter().filter_map(|(column, kind)| {
        let number = match kind {
            Kind::Boolean => Number::Bool,
            Kind::Integer => Number::Int64,
            Kind::Unsigned => Number::UInt64,
            Kind::Float => Number::Float64,
            Kind::Flags | Kind::Text => return None,
        };
        Some((*column, number))
    });
    let rows = sources.iter().map(Source::rows).sum();
    let mut blocks = allocate(&numbers.collect::<Vec<_>>(), rows)?;
    let records = sources.iter().flat_map(|source| &source.chunks);
    let places = divide(&mut blocks, records.map(|chunk| chunk.records));
    let width = sources.first().map_or(0, |source| source.names.len());
    let tasks: Vec<((&Source, &Chunk), _)> = chunks().zip(places).collect();
    // So that few parsers are made, whose memory is used again and again.
    let least = tasks.len() / (rayon::current_num_threads() * 4) + 1;
    let go_on = carried(|()| Ok(()));
    let parsed = tasks.into_par_iter().with_min_len(least).map_init(
        || Parser::new(width),
        |parser, ((source, chunk), places)| {
            go_on(())?;
            decoding(|| parser.parse(source, chunk, columns, places))
        },
    );
    let parsed: Vec<Parsed> = parsed.collect::<Result<_>>()?;
    let (mut kinds, mut pieces) = (Vec::new(), Vec::new());
    for one in parsed {
        kinds.push(one.kinds);
        pieces.push(one.arrays.into_iter());
    }
    let has_no_block = |kind: &Kind| matches!(kind, Kind::Flags | Kind::Text);
    let mut arrays = Vec::new();
    for (column, _) in columns.iter().filter(|(_, kind)| has_no_block(kind)) {
        let own: Vec<ArrayRef> = pieces.iter_mut().filter_map(Iterator::next).collect();
        let own: Vec<_> = own.iter().map(AsRef::as_ref).collect();
        let whole = match own.is_empty() {
            true => new_empty_array(&DataType::Null),
            false => arrow_select::concat::concat(&own).map_err(arrow)?,
        };
        arrays.push((*column, whole));
    }
    Ok(Columns {
        blocks,
        arrays,
        kinds,
    })
}
