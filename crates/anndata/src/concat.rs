//! Concatenating AnnData along their observations, as `anndata.concat` does, straight from their
//! stores into the result: no part is ever held as a whole beside it.

mod columns;
mod dense;
mod frames;
mod matrices;
mod natural;
mod sparse;

use std::collections::BTreeMap;

use super::categorical::Categorical;
use super::column::{Column, Values};
use super::data_frame::DataFrame;
use super::in_memory::{AnnData, InMemoryElement, InMemoryMatrix, Raw};
use super::left_out::LeftOut;
use super::matrix::{Element, Matrix};
use super::variables::{Join, Panels, joined, maps};
use super::{BackedAnnData, BackedDataFrame, MatrixKey};
use anndex_store::Strings;
use anndex_store::error::{Error, Result};

use frames::FramePart;
use matrices::{ColumnMap, Part};

/// How AnnData are concatenated: the parameters of `anndata.concat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConcatOptions {
    join: Join,
    label: Option<String>,
    keys: Option<Vec<String>>,
    index_unique: Option<String>,
}

impl ConcatOptions {
    /// Joins variables, columns and keys like this.
    pub fn new(join: Join) -> Self {
        Self {
            join,
            label: None,
            keys: None,
            index_unique: None,
        }
    }

    /// Adds a column of this name to `obs`, which says from which AnnData an observation is. It
    /// takes the place of one that is there already.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// What the AnnData are called, in `label` and `index_unique`; without them `"0"`, `"1"`, ….
    pub fn keys<S: Into<String>>(mut self, keys: impl IntoIterator<Item = S>) -> Self {
        self.keys = Some(keys.into_iter().map(Into::into).collect());
        self
    }

    /// Makes the names of observations unique: each gets this and the key of its AnnData at its
    /// end. Without this they stay as they are.
    pub fn index_unique(mut self, separator: impl Into<String>) -> Self {
        self.index_unique = Some(separator.into());
        self
    }
}

/// Concatenates AnnData along their observations. What is not aligned to these is left out, as
/// without a `merge` in Python: the columns of `var`, `varm`, `varp`, `obsp` and `uns`.
///
/// Values that an AnnData lacks are 0 in sparse matrices and NaN in dense ones, which are float64
/// then; missing in `obs`. Types are promoted as NumPy does. Categories are united. `raw` is
/// concatenated if all have one. Layers, elements of `obsm`, columns and `raw` that can't be read are
/// left out: one warning names them.
///
/// # Errors
/// `InvalidInput` if there are no AnnData, the keys are not one for each, a variable occurs twice
/// in one of them, or if matrices or columns can't be put together: an array with a table, arrays
/// whose further axes differ, text with numbers. Else as [`BackedAnnData::read`].
pub fn concat(parts: &[BackedAnnData], options: &ConcatOptions) -> Result<AnnData> {
    let mut left_out = LeftOut::new();
    let keys = keys(parts, options)?;
    let mut data = concat_matrices(parts, options, &mut left_out)?;
    let frames: Vec<_> = parts.iter().map(|part| Some(part.obs())).collect();
    let rows = index(parts, &keys, options)?;
    data.obs = read_and_concat(parts, &frames, options.join, rows.clone(), &mut left_out)?;
    // What can't be read was left out with the matrices.
    let names = joined_names(parts, options.join, "obsm", &mut LeftOut::new())?;
    for name in names {
        let found = elements(parts, &MatrixKey::Obsm(name.clone()));
        let mut known = LeftOut::new();
        let Some(elements) = known.unless_unsupported("", "", found)? else {
            continue;
        };
        let tables = elements.iter().map(|element| match element {
            Some(Element::DataFrame(frame)) => Some(frame),
            _ => None,
        });
        let tables: Vec<_> = tables.collect();
        if tables.iter().any(Option::is_some) {
            let rows = rows.clone();
            let table = read_and_concat(parts, &tables, options.join, rows, &mut left_out)?;
            data.obsm.insert(name, InMemoryElement::DataFrame(table));
        }
    }
    if let Some(label) = &options.label {
        let column = label_column(parts, &keys)?;
        data.obs = data.obs.replacing_column(label, column)?;
    }
    data.check()?;
    left_out.warn();
    Ok(data)
}

/// As [`concat()`], but for what is made of tables: `obs` stays empty, and `obsm` has its matrices only.
/// For callers that have tables concatenated by somebody else. What can't be read is noted in
/// `left_out`.
///
/// # Errors
/// As [`concat()`].
pub fn concat_matrices(
    parts: &[BackedAnnData],
    options: &ConcatOptions,
    left_out: &mut LeftOut,
) -> Result<AnnData> {
    keys(parts, options)?;
    let vars: Vec<_> = parts.iter().map(BackedAnnData::var).collect();
    let (var, var_maps) = join_variables(&vars, options.join)?;
    let mut data = AnnData {
        var,
        ..AnnData::default()
    };
    data.x = aligned(parts, options.join, &MatrixKey::X, &var_maps)?;
    for name in joined_names(parts, options.join, "layers", left_out)? {
        let key = MatrixKey::Layer(name.clone());
        let layer = aligned(parts, options.join, &key, &var_maps);
        if let Some(layer) = kept(left_out, &format!("layers/{name}"), layer)? {
            data.layers.insert(name, layer);
        }
    }
    for name in joined_names(parts, options.join, "obsm", left_out)? {
        let matrix = obsm(parts, options.join, &name);
        if let Some(matrix) = kept(left_out, &format!("obsm/{name}"), matrix)? {
            data.obsm.insert(name, matrix.into());
        }
    }
    data.raw = kept(left_out, "raw", raw(parts, options.join))?;
    Ok(data)
}

/// What was read of all AnnData; `None`, and a note that names the first that it can't be read of.
fn kept<T>(left_out: &mut LeftOut, path: &str, read: Result<Option<T>>) -> Result<Option<T>> {
    let first = read.as_ref().err().and_then(|error| error.context("path"));
    let first = first.unwrap_or("all files").to_owned();
    Ok(left_out.unless_unsupported(&first, path, read)?.flatten())
}

fn keys(parts: &[BackedAnnData], options: &ConcatOptions) -> Result<Vec<String>> {
    if parts.is_empty() {
        return Err(Error::invalid_input("there is nothing to concatenate"));
    }
    match &options.keys {
        None => Ok((0..parts.len()).map(|number| number.to_string()).collect()),
        Some(keys) if keys.len() == parts.len() => Ok(keys.clone()),
        Some(keys) => Err(Error::invalid_input(format!(
            "{} keys are given for {} AnnData",
            keys.len(),
            parts.len()
        ))),
    }
}

/// The joined variables, and where in them those of each AnnData are.
fn join_variables(vars: &[&BackedDataFrame], join: Join) -> Result<(DataFrame, Vec<ColumnMap>)> {
    let panels = Panels::read(vars, true)?;
    panels.check_unique(vars)?;
    let distinct = panels.distinct();
    let names = match distinct {
        [only] => (**only).clone(),
        _ => joined(distinct, join),
    };
    let of_lists = maps(distinct, &names)?
        .into_iter()
        .map(|map| match distinct {
            [_] => ColumnMap::Same(map.width),
            _ => ColumnMap::Names(map),
        });
    let of_lists: Vec<ColumnMap> = of_lists.collect();
    Ok((named(names, vars), panels.of_stores(&of_lists)))
}

/// A table without columns, whose index has the name that those of all `frames` have.
fn named(index: Strings, frames: &[&BackedDataFrame]) -> DataFrame {
    let mut names = frames.iter().map(|frame| frame.name_of_index());
    let first = names.next().flatten();
    match first {
        Some(name) if names.all(|other| other == first) => {
            DataFrame::new(index).with_index_name(name)
        }
        _ => DataFrame::new(index),
    }
}

/// The names of all observations, as a table without columns.
fn index(parts: &[BackedAnnData], keys: &[String], options: &ConcatOptions) -> Result<DataFrame> {
    let mut names = Strings::new();
    for (part, key) in parts.iter().zip(keys) {
        for name in part.obs().index()?.iter() {
            match &options.index_unique {
                None => names.push(name),
                Some(separator) => names.push(&format!("{name}{separator}{key}")),
            }
        }
    }
    let frames: Vec<_> = parts.iter().map(BackedAnnData::obs).collect();
    Ok(named(names, &frames))
}

/// The column that says from which AnnData an observation is.
fn label_column(parts: &[BackedAnnData], keys: &[String]) -> Result<Column> {
    let mut codes = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        let code = i32::try_from(number)
            .map_err(|_| Error::unsupported("more than 2^31 - 1 AnnData at once"))?;
        codes.resize(codes.len() + part.obs().len() as usize, code);
    }
    let categories = Values::Strings(keys.iter().collect());
    Categorical::new(codes, categories, false).map(Column::Categorical)
}

/// The names in a mapping that all AnnData have (inner) or any of them (outer). A mapping that
/// can't be read has none, which is noted.
fn joined_names(
    parts: &[BackedAnnData],
    join: Join,
    mapping: &str,
    left_out: &mut LeftOut,
) -> Result<Vec<String>> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for part in parts {
        let names = part.names_in(mapping, left_out)?;
        for name in names {
            *counts.entry(name).or_default() += 1;
        }
    }
    let wanted = counts
        .into_iter()
        .filter(|(_, count)| join == Join::Outer || *count == parts.len());
    Ok(wanted.map(|(name, _)| name).collect())
}

fn elements(parts: &[BackedAnnData], key: &MatrixKey) -> Result<Vec<Option<Element>>> {
    let found = parts.iter().map(|part| {
        let element = part.element(key);
        element.map_err(|error| error.with("path", part.store().location()))
    });
    found.collect()
}

/// A matrix of observations × the joined variables; `None` if it is not to be there.
fn aligned(
    parts: &[BackedAnnData],
    join: Join,
    key: &MatrixKey,
    maps: &[ColumnMap],
) -> Result<Option<InMemoryMatrix>> {
    let found = parts.iter().map(|part| part.matrix(key));
    let matrices: Vec<Option<Matrix>> = found.collect::<Result<_>>()?;
    let has = matrices.iter().flatten().count();
    if has == 0 || join == Join::Inner && has < parts.len() {
        return Ok(None);
    }
    let of_parts = parts.iter().zip(&matrices).zip(maps);
    let of_parts =
        of_parts.map(|((data, matrix), map)| Part::new(data, matrix.as_ref(), map.clone()));
    matrices::concat(&of_parts.collect::<Vec<_>>(), key).map(Some)
}

/// A matrix of `obsm`, of which the first columns that all have (inner), or as many as any has
/// (outer) are taken; `None` if it is a table.
fn obsm(parts: &[BackedAnnData], join: Join, name: &str) -> Result<Option<InMemoryMatrix>> {
    let key = MatrixKey::Obsm(name.to_owned());
    let elements = elements(parts, &key)?;
    let mut widths = Vec::new();
    let mut tables = 0;
    for (part, element) in parts.iter().zip(&elements) {
        match element {
            None => {}
            Some(Element::DataFrame(_)) => tables += 1,
            Some(Element::Matrix(matrix)) => match matrix.shape().get(1) {
                Some(&width) => widths.push(width as usize),
                None => {
                    return Err(Error::invalid_input(format!(
                        "`{key}` has one dimension only, so it can't be concatenated"
                    ))
                    .with("path", part.store().location()));
                }
            },
        }
    }
    if widths.is_empty() {
        return Ok(None);
    }
    if tables > 0 {
        return Err(Error::invalid_input(format!(
            "`{key}` is a table in some files and an array in others, so it can't be \
             concatenated; store it alike in all"
        )));
    }
    let width = match join {
        Join::Inner => widths.iter().min(),
        Join::Outer => widths.iter().max(),
    };
    let width = width.copied().unwrap_or_default();
    let of_parts = parts
        .iter()
        .zip(&elements)
        .map(|(data, element)| match element {
            Some(Element::Matrix(matrix)) => Part::new(data, Some(matrix), ColumnMap::First(width)),
            _ => Part::new(data, None, ColumnMap::First(width)),
        });
    matrices::concat(&of_parts.collect::<Vec<_>>(), &key).map(Some)
}

/// `raw`, if all AnnData have one.
fn raw(parts: &[BackedAnnData], join: Join) -> Result<Option<Raw>> {
    let vars = parts.iter().map(BackedAnnData::raw_var);
    let vars: Vec<Option<BackedDataFrame>> = vars.collect::<Result<_>>()?;
    let present: Vec<&BackedDataFrame> = vars.iter().flatten().collect();
    if present.len() < parts.len() {
        if !present.is_empty() {
            tracing::warn!(
                "only some of the AnnData have `raw`, so it is left out of their concatenation"
            );
        }
        return Ok(None);
    }
    let (var, maps) = join_variables(&present, join)?;
    let x = aligned(parts, join, &MatrixKey::RawX, &maps)?;
    Ok(x.map(|x| Raw {
        x,
        var,
        varm: BTreeMap::new(),
    }))
}

/// Reads tables and concatenates them; an AnnData that has none has rows without values. `rows` has
/// the index of the result.
fn read_and_concat(
    parts: &[BackedAnnData],
    tables: &[Option<&BackedDataFrame>],
    join: Join,
    rows: DataFrame,
    left_out: &mut LeftOut,
) -> Result<DataFrame> {
    let mut read = Vec::with_capacity(parts.len());
    for (part, table) in parts.iter().zip(tables) {
        let frame = table.map(|table| table.read_noting(left_out));
        read.push(FramePart {
            frame: frame.transpose()?,
            len: part.n_obs() as usize,
            location: part.store().location(),
        });
    }
    frames::concat(&read, join, rows)
}
