//! The joined variables with the annotations that all stores agree on.

use std::collections::HashMap;

use crate::collection::MappedCollection;
use anndex_anndata::{Column, DataFrame, Label, Values};
use anndex_store::error::{Error, Result};
use anndex_store::{NumericArray, Strings};

/// The joined variables. A column is kept if all stores have it, with the same value for each of
/// them, as anndata's `concat(merge="same")` does; the names of others are given, too.
///
/// # Errors
/// `InvalidInput` if variables are not joined and differ; `Corrupt` or `Storage` if they can't be
/// read.
pub(super) fn joined(mapped: &MappedCollection) -> Result<(DataFrame, Vec<String>)> {
    let lists = mapped.var_list()?;
    let names = match (mapped.var_joint(), lists.split_first()) {
        (Some(joint), _) => joint.clone(),
        (None, Some((first, rest))) if rest.iter().all(|list| list == first) => (**first).clone(),
        _ => {
            return Err(Error::invalid_input(
                "the stores have different variables, which can't stand in one matrix as stored; \
                 choose an inner or outer join",
            ));
        }
    };
    let rows: Vec<Option<Vec<usize>>> = lists.iter().map(|list| rows(list, &names)).collect();
    let mut frame = DataFrame::new(names);
    let mut left_out = Vec::new();
    let Some(first) = mapped.sources.first() else {
        return Ok((frame, left_out));
    };
    for name in first.data().var().columns() {
        match agreed(mapped, name, &rows)? {
            Some(column) => frame = frame.with_column(name, column)?,
            None => left_out.push(name.clone()),
        }
    }
    Ok((frame, left_out))
}

/// Where a store has each of the joined variables; `None` if it lacks one.
fn rows(own: &Strings, joint: &Strings) -> Option<Vec<usize>> {
    if own == joint {
        return Some((0..joint.len()).collect());
    }
    let positions: HashMap<&str, usize> = own.iter().zip(0..).collect();
    joint
        .iter()
        .map(|name| positions.get(name).copied())
        .collect()
}

/// A column of var as all stores have it; `None` if they do not agree.
fn agreed(
    mapped: &MappedCollection,
    name: &str,
    rows: &[Option<Vec<usize>>],
) -> Result<Option<Column>> {
    let mut agreed: Option<(Column, Vec<Label>)> = None;
    for (source, rows) in mapped.sources.iter().zip(rows) {
        let var = source.data().var();
        let has = var.columns().iter().any(|column| column == name);
        let (Some(rows), true) = (rows, has) else {
            return Ok(None);
        };
        let column = var.read_column(name).map_err(|e| source.locate(e))?;
        let labels: Vec<Label> = rows.iter().map(|&row| column.label(row)).collect();
        match &agreed {
            None => agreed = Some((take(&column, rows)?, labels)),
            Some((_, first)) if *first == labels => {}
            Some(_) => return Ok(None),
        }
    }
    Ok(agreed.map(|(column, _)| column))
}

/// Some rows of a column.
fn take(column: &Column, rows: &[usize]) -> Result<Column> {
    Ok(match column {
        Column::Categorical(categorical) => {
            let codes = categorical.codes();
            let codes = rows.iter().map(|&row| codes[row]).collect();
            let categories = categorical.categories().clone();
            let ordered = categorical.ordered();
            Column::Categorical(anndex_anndata::Categorical::new(
                codes, categories, ordered,
            )?)
        }
        Column::Values { values, missing } => {
            let values = match values {
                Values::Strings(texts) => {
                    let text = |&row: &usize| texts.get(row).unwrap_or_default();
                    Values::Strings(rows.iter().map(text).collect())
                }
                Values::Numeric(numbers) => {
                    let size = numbers.data_type().fixed_size()?;
                    let bytes: Vec<u8> = rows
                        .iter()
                        .flat_map(|&row| &numbers.bytes()[row * size..(row + 1) * size])
                        .copied()
                        .collect();
                    let data_type = numbers.data_type().clone();
                    Values::Numeric(NumericArray::from_bytes(data_type, [rows.len()], &bytes)?)
                }
            };
            let missing = missing.as_ref();
            Column::Values {
                values,
                missing: missing.map(|missing| rows.iter().map(|&row| missing[row]).collect()),
            }
        }
    })
}
