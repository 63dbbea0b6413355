//! Columns one below the other: what type holds the values of all files.

use std::collections::HashMap;

use super::natural;
use crate::{Categorical, Column, Label, Mask, Values};
use anndex_store::error::{Error, Result};
use anndex_store::{DataType, NumericArray, Strings, promote};

/// The rows of one AnnData.
#[derive(Debug)]
pub(super) struct ColumnPart<'a> {
    /// `None` if it lacks the column.
    pub(super) column: Option<&'a Column>,
    pub(super) len: usize,
    pub(super) location: &'a str,
}

/// Puts the parts one below the other. Categories are united in natural order, unless some are
/// ordered: then the column stays categorical if all have the same ones, and is plain if not. Plain
/// numbers are promoted; where some are missing, integers become float64 and booleans get a mask.
///
/// # Errors
/// `InvalidInput` if some parts are text and others are numbers.
pub(super) fn concat(parts: &[ColumnPart<'_>]) -> Result<Column> {
    check_kinds(parts)?;
    let categoricals = parts.iter().filter_map(|part| part.column);
    let categoricals: Option<Vec<&Categorical>> = categoricals
        .map(|column| match column {
            Column::Categorical(categorical) => Some(categorical),
            Column::Values { .. } => None,
        })
        .collect();
    if let Some(categoricals) = categoricals
        && let Some((categories, ordered)) = unite(&categoricals)?
    {
        return coded(parts, categories, ordered);
    }
    let is_text = values_of(parts).any(|values| matches!(values, Values::Strings(_)));
    if is_text { text(parts) } else { numbers(parts) }
}

/// The values, or categories, of all parts.
fn values_of<'a>(parts: &'a [ColumnPart<'_>]) -> impl Iterator<Item = &'a Values> {
    let columns = parts.iter().filter_map(|part| part.column);
    columns.map(|column| match column {
        Column::Values { values, .. } => values,
        Column::Categorical(categorical) => categorical.categories(),
    })
}

fn check_kinds(parts: &[ColumnPart<'_>]) -> Result<()> {
    // No categories are of any kind.
    let kind = |part: &ColumnPart<'_>| match part.column? {
        Column::Values { values, .. } => Some(matches!(values, Values::Strings(_))),
        Column::Categorical(categorical) => {
            let values = categorical.categories();
            (!values.is_empty()).then_some(matches!(values, Values::Strings(_)))
        }
    };
    let find = |text: bool| parts.iter().find(|part| kind(part) == Some(text));
    match (find(true), find(false)) {
        (Some(text), Some(numbers)) => Err(Error::invalid_input(format!(
            "the column is text in {} but numbers in {}, which no type holds; store it alike in \
             all files",
            text.location, numbers.location
        ))),
        _ => Ok(()),
    }
}

/// The categories of the result, and whether they are ordered; `None` if it has none.
fn unite(categoricals: &[&Categorical]) -> Result<Option<(Values, bool)>> {
    if categoricals.iter().any(|one| one.ordered()) {
        let mut filled = categoricals
            .iter()
            .filter(|one| !one.categories().is_empty());
        let Some(first) = filled.next() else {
            return Ok(None);
        };
        let same = |one: &&Categorical| one.ordered() && one.categories() == first.categories();
        let same = first.ordered() && filled.all(same);
        return Ok(same.then(|| (first.categories().clone(), true)));
    }
    let filled = categoricals
        .iter()
        .filter(|one| !one.categories().is_empty());
    let filled: Vec<&Values> = filled.map(|one| one.categories()).collect();
    let mut distinct: Vec<Label> = Vec::new();
    let mut seen: HashMap<Label, ()> = HashMap::new();
    for label in filled
        .iter()
        .flat_map(|values| (0..values.len()).map(|row| values.label(row)))
    {
        if seen.insert(label.clone(), ()).is_none() {
            distinct.push(label);
        }
    }
    distinct.sort_by(|a, b| match (a, b) {
        (Label::String(a), Label::String(b)) => natural::compare(a, b),
        _ => a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal),
    });
    let types = filled.iter().filter_map(|values| match values {
        Values::Numeric(numbers) => Some(numbers.data_type()),
        Values::Strings(_) => None,
    });
    let united = match common(types)? {
        None => Values::Strings(distinct.iter().map(Label::to_string).collect()),
        Some(data_type) => {
            let mut bytes = Vec::new();
            let positions = positions(&filled);
            for label in &distinct {
                let (values, row) = positions.get(label).copied().unwrap_or_default();
                let Some(Values::Numeric(numbers)) = filled.get(values) else {
                    continue;
                };
                let size = numbers.data_type().fixed_size()?;
                let one = &numbers.bytes()[row * size..(row + 1) * size];
                let one = NumericArray::from_bytes(numbers.data_type().clone(), [1], one)?;
                bytes.extend_from_slice(one.cast(&data_type)?.bytes());
            }
            Values::Numeric(NumericArray::from_bytes(
                data_type,
                [distinct.len()],
                &bytes,
            )?)
        }
    };
    Ok(Some((united, false)))
}

/// Where each label is: in which of the lists, and at which row.
fn positions(lists: &[&Values]) -> HashMap<Label, (usize, usize)> {
    let mut found = HashMap::new();
    for (number, values) in lists.iter().enumerate() {
        for row in 0..values.len() {
            found.entry(values.label(row)).or_insert((number, row));
        }
    }
    found
}

/// The type that holds all of `types`; `None` if there are none.
fn common<'a>(mut types: impl Iterator<Item = &'a DataType>) -> Result<Option<DataType>> {
    let Some(first) = types.next() else {
        return Ok(None);
    };
    types
        .try_fold(first.clone(), |a, b| promote(&a, b))
        .map(Some)
}

/// A categorical column of parts that all are.
fn coded(parts: &[ColumnPart<'_>], categories: Values, ordered: bool) -> Result<Column> {
    let codes_of = positions(&[&categories]);
    let mut codes: Vec<i32> = Vec::with_capacity(parts.iter().map(|part| part.len).sum());
    for part in parts {
        let Some(Column::Categorical(own)) = part.column else {
            codes.resize(codes.len() + part.len, -1);
            continue;
        };
        let new = (0..own.categories().len()).map(|row| {
            let position = codes_of.get(&own.categories().label(row));
            position.map_or(-1, |&(_, row)| row as i32)
        });
        let new: Vec<i32> = new.collect();
        let recoded = own.codes().iter().map(|&code| {
            let new = usize::try_from(code).ok().and_then(|code| new.get(code));
            new.copied().unwrap_or(-1)
        });
        codes.extend(recoded);
    }
    Categorical::new(codes, categories, ordered).map(Column::Categorical)
}

/// A column of text.
fn text(parts: &[ColumnPart<'_>]) -> Result<Column> {
    let mut texts = Strings::new();
    let mut missing = Vec::new();
    for part in parts {
        for row in 0..part.len {
            match part.column.map(|column| column.label(row)) {
                Some(Label::String(text)) => {
                    texts.push(&text);
                    missing.push(false);
                }
                _ => {
                    texts.push("");
                    missing.push(true);
                }
            }
        }
    }
    let masks = || {
        parts.iter().filter_map(|part| match part.column {
            Some(Column::Values { missing, .. }) => missing.as_ref(),
            _ => None,
        })
    };
    let was_masked = masks().next().is_some() || missing.contains(&true);
    let mask = match masks().all(Mask::is_nan) {
        true => Mask::nan(missing),
        false => Mask::from(missing),
    };
    Ok(Column::Values {
        values: Values::Strings(texts),
        missing: was_masked.then_some(mask),
    })
}

fn is_masked(parts: &[ColumnPart<'_>]) -> bool {
    let masked = |part: &ColumnPart<'_>| {
        matches!(
            part.column,
            Some(Column::Values {
                missing: Some(_),
                ..
            })
        )
    };
    parts.iter().any(masked)
}

/// A column of numbers or booleans.
fn numbers(parts: &[ColumnPart<'_>]) -> Result<Column> {
    let types = values_of(parts).filter_map(|values| match values {
        Values::Numeric(numbers) => Some(numbers.data_type()),
        // It has no categories.
        Values::Strings(_) => None,
    });
    let mut data_type = common(types)?.unwrap_or(DataType::Float64);
    let lacks = |part: &ColumnPart<'_>| match part.column {
        None => true,
        Some(Column::Categorical(categorical)) => categorical.codes().contains(&-1),
        Some(Column::Values { .. }) => false,
    };
    let masked = is_masked(parts);
    let lacks = parts.iter().any(lacks);
    if lacks && !masked && data_type.is_integer() {
        data_type = DataType::Float64;
    }
    let mut bytes = Vec::new();
    let mut missing: Vec<bool> = Vec::new();
    for part in parts {
        let size = data_type.fixed_size()?;
        match part.column {
            Some(Column::Values {
                values: Values::Numeric(numbers),
                missing: own,
            }) => {
                bytes.extend_from_slice(numbers.clone().cast(&data_type)?.bytes());
                match own {
                    Some(own) => missing.extend_from_slice(own),
                    None => missing.resize(missing.len() + part.len, false),
                }
            }
            Some(Column::Categorical(categorical)) => {
                let categories = match categorical.categories() {
                    Values::Numeric(numbers) => numbers.clone().cast(&data_type)?,
                    Values::Strings(_) => NumericArray::zeros(data_type.clone(), [0])?,
                };
                for &code in categorical.codes() {
                    let at = usize::try_from(code).ok().map(|code| code * size);
                    let value = at.and_then(|at| categories.bytes().get(at..at + size));
                    missing.push(value.is_none());
                    match value {
                        Some(value) => bytes.extend_from_slice(value),
                        None => bytes.resize(bytes.len() + size, 0),
                    }
                }
            }
            _ => {
                bytes.resize(bytes.len() + part.len * size, 0);
                missing.resize(missing.len() + part.len, true);
            }
        }
    }
    let mut values = NumericArray::from_bytes(data_type.clone(), [missing.len()], &bytes)?;
    if data_type.is_float() {
        fill_nan(&mut values, &missing);
        return Column::numeric(values);
    }
    Ok(Column::Values {
        values: Values::Numeric(values),
        missing: (masked || lacks).then(|| missing.into()),
    })
}

/// Puts NaN where a value is missing.
fn fill_nan(values: &mut NumericArray, missing: &[bool]) {
    if let Some(values) = values.as_mut_slice::<half::f16>() {
        fill(values, missing, half::f16::NAN);
    } else if let Some(values) = values.as_mut_slice::<f32>() {
        fill(values, missing, f32::NAN);
    } else if let Some(values) = values.as_mut_slice::<f64>() {
        fill(values, missing, f64::NAN);
    }
}

fn fill<T: Copy>(values: &mut [T], missing: &[bool], with: T) {
    for (value, _) in values
        .iter_mut()
        .zip(missing)
        .filter(|(_, missing)| **missing)
    {
        *value = with;
    }
}
