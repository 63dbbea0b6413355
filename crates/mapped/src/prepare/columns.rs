//! The columns of `obs` over all stores, each with one type: what anndata's `concat` makes of them,
//! with missing values where a store lacks the column.

use std::collections::BTreeSet;

use super::gather::{Gathered, gather};
use crate::collection::MappedCollection;
use crate::obs_values::values_column;
use crate::selection::Selection;
use anndex_anndata::{BackedColumn, Categorical, Column, Label, Values};
use anndex_store::error::{Error, ErrorKind, Result};
use anndex_store::{DataType, Span, Strings, promote};

/// A column of obs with the type that it has in all parts.
#[derive(Debug)]
pub(super) struct ObsColumn {
    pub(super) name: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Text {
        nullable: bool,
    },
    Numeric {
        data_type: DataType,
        /// Whether there is a mask. Floats have NaN instead.
        nullable: bool,
    },
    Categorical {
        categories: Values,
        ordered: bool,
        /// For each store the code of each of its categories; `None` if it lacks the column.
        codes: Vec<Option<Vec<i32>>>,
    },
}

/// The chosen columns of obs, or all, in the order in which stores have them.
///
/// # Errors
/// `NotFound` if no store has a chosen one; `InvalidInput` if stores have text and numbers in one;
/// `Unsupported` or `Corrupt` if one can't be read.
pub(super) fn open(mapped: &MappedCollection, keys: Option<&[String]>) -> Result<Vec<ObsColumn>> {
    let mut known: BTreeSet<&str> = BTreeSet::new();
    let mut names = Vec::new();
    for source in mapped.sources.iter() {
        for name in source.data().obs().columns() {
            if known.insert(name) {
                names.push(name.clone());
            }
        }
    }
    if let Some(keys) = keys {
        if let Some(key) = keys.iter().find(|key| !known.contains(key.as_str())) {
            let there = match names.as_slice() {
                [] => "there are none".to_owned(),
                names => format!("there are: {}", names.join(", ")),
            };
            let message = format!("no store has this column of obs; {there}");
            return Err(Error::not_found(message).with("key", key));
        }
        names.retain(|name| keys.contains(name));
    }
    names
        .into_iter()
        .map(|name| {
            let kind = kind(mapped, &name).map_err(|e| e.with("key", &name))?;
            Ok(ObsColumn { name, kind })
        })
        .collect()
}

/// The column of each store; `None` where it lacks it.
fn backed(mapped: &MappedCollection, name: &str) -> Result<Vec<Option<BackedColumn>>> {
    let column = |source: &crate::source::Source| {
        let obs = source.data().obs();
        let has = obs.columns().iter().any(|column| column == name);
        has.then(|| obs.column(name)).transpose()
    };
    mapped.sources.iter().map(column).collect()
}

fn kind(mapped: &MappedCollection, name: &str) -> Result<Kind> {
    let columns = backed(mapped, name)?;
    let present = || columns.iter().flatten();
    if present().all(|column| column.encoding() == "categorical") {
        return categorical(mapped, &columns);
    }
    let nullable = columns.iter().any(|column| {
        column
            .as_ref()
            .is_none_or(|column| !["array", "string-array"].contains(&column.encoding()))
    });
    let mut has_text = false;
    let mut numeric: Option<DataType> = None;
    for column in present() {
        let data_type = column.data_type();
        if *data_type == DataType::String {
            has_text = true;
        } else {
            data_type.fixed_size()?;
            numeric = Some(match &numeric {
                None => data_type.clone(),
                Some(other) => promote(other, data_type)?,
            });
        }
    }
    match numeric {
        Some(_) if has_text => Err(mixed()),
        Some(data_type) => Ok(Kind::Numeric {
            nullable: nullable && !data_type.is_float(),
            data_type,
        }),
        None => Ok(Kind::Text { nullable }),
    }
}

fn mixed() -> Error {
    Error::invalid_input(
        "the column holds text in one store and numbers in another; store it with one type, or \
         choose the columns of obs without it",
    )
}

/// Equal categories stay as they are; others are united and sorted, and lose their order.
fn categorical(mapped: &MappedCollection, columns: &[Option<BackedColumn>]) -> Result<Kind> {
    let mut stored = Vec::with_capacity(columns.len());
    for (source, column) in mapped.sources.iter().zip(columns) {
        let read = match column {
            // The categories without any codes.
            Some(column) => column.read(Some(&[])).map_err(|e| source.locate(e))?,
            None => {
                stored.push(None);
                continue;
            }
        };
        let Column::Categorical(categorical) = read else {
            return Err(Error::new(
                ErrorKind::Corrupt,
                "the column is not categorical",
            ));
        };
        stored.push(Some(categorical));
    }
    let mut present = stored.iter().flatten();
    let Some(first) = present.next() else {
        return Err(Error::not_found("no store has this column of obs"));
    };
    let same = |other: &Categorical| {
        other.categories() == first.categories() && other.ordered() == first.ordered()
    };
    let (categories, ordered) = match present.all(same) {
        true => (first.categories().clone(), first.ordered()),
        false => (united(stored.iter().flatten())?, false),
    };
    let labels: std::collections::HashMap<Label, i32> = (0..categories.len())
        .map(|at| categories.label(at))
        .zip(0..)
        .collect();
    let codes = stored.iter().map(|categorical| {
        let own = categorical.as_ref()?.categories();
        let code = |at| labels.get(&own.label(at)).copied().unwrap_or(-1);
        Some((0..own.len()).map(code).collect())
    });
    Ok(Kind::Categorical {
        codes: codes.collect(),
        categories,
        ordered,
    })
}

/// The sorted distinct categories of several columns.
fn united<'a>(columns: impl Iterator<Item = &'a Categorical> + Clone) -> Result<Values> {
    let mut labels = std::collections::HashSet::new();
    let mut numeric: Option<DataType> = None;
    for column in columns {
        let own = column.categories();
        labels.extend((0..own.len()).map(|at| own.label(at)));
        if let Values::Numeric(values) = own {
            numeric = Some(match &numeric {
                None => values.data_type().clone(),
                Some(other) => promote(other, values.data_type())?,
            });
        }
    }
    let mut labels: Vec<Label> = labels.into_iter().collect();
    Label::sort(&mut labels).map_err(|_| mixed())?;
    match values_column(&labels, numeric)? {
        Column::Values { values, .. } => Ok(values),
        Column::Categorical(categorical) => Ok(categorical.categories().clone()),
    }
}

impl ObsColumn {
    /// The values of some observations.
    ///
    /// # Errors
    /// `Corrupt`, `Unsupported` or `Storage` if they can't be read.
    pub(super) fn read(&self, mapped: &MappedCollection, selection: &Selection) -> Result<Column> {
        let columns = backed(mapped, &self.name)?;
        let mut reads = Vec::with_capacity(selection.groups().len());
        for group in selection.groups() {
            let column = columns.get(group.source).and_then(Option::as_ref);
            let spans = spans(&group.rows);
            let read = column.map(|column| column.read(Some(&spans))).transpose();
            let located = |e: Error| mapped.sources[group.source].locate(e);
            reads.push(read.map_err(|e| located(e).with("key", &self.name))?);
        }
        let slots = selection.slots();
        match &self.kind {
            Kind::Text { nullable } => gather(&reads, slots, &Gathered::Text, *nullable),
            Kind::Numeric {
                data_type,
                nullable,
            } => gather(&reads, slots, &Gathered::Numeric(data_type), *nullable),
            Kind::Categorical {
                categories,
                ordered,
                codes,
            } => {
                let code = |slot: &crate::selection::Slot| {
                    let group = slot.group as usize;
                    let own = codes[selection.groups()[group].source].as_ref()?;
                    let Some(Column::Categorical(read)) = &reads[group] else {
                        return None;
                    };
                    let stored = usize::try_from(*read.codes().get(slot.row as usize)?).ok()?;
                    own.get(stored).copied()
                };
                let codes = slots.iter().map(|slot| code(slot).unwrap_or(-1)).collect();
                Categorical::new(codes, categories.clone(), *ordered).map(Column::Categorical)
            }
        }
    }
}

/// The names of some observations.
///
/// # Errors
/// As [`ObsColumn::read`].
pub(super) fn names(mapped: &MappedCollection, selection: &Selection) -> Result<Strings> {
    let mut reads = Vec::with_capacity(selection.groups().len());
    for group in selection.groups() {
        let source = &mapped.sources[group.source];
        let obs = source.data().obs();
        let read = obs
            .column(obs.index_name())
            .and_then(|column| column.read(Some(&spans(&group.rows))));
        reads.push(read.map_err(|e| source.locate(e))?.into_text());
    }
    let name = |slot: &crate::selection::Slot| {
        let names = &reads[slot.group as usize];
        names.get(slot.row as usize).unwrap_or_default()
    };
    Ok(selection.slots().iter().map(name).collect())
}

/// Sorted distinct rows, neighbours in one span.
fn spans(rows: &[u64]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for &row in rows {
        match spans.last_mut() {
            Some(last) if last.end == row => last.end += 1,
            _ => spans.push(Span::new(row, row + 1)),
        }
    }
    spans
}
