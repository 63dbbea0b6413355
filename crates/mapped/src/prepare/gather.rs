//! Values of several stores in one order and of one type.

use std::borrow::Cow;

use crate::selection::Slot;
use anndex_anndata::{Column, Mask, Values};
use anndex_store::error::{Error, Result};
use anndex_store::{DataType, NumericArray, Strings};

/// What values become.
#[derive(Debug, Clone, Copy)]
pub(super) enum Gathered<'a> {
    Text,
    Numeric(&'a DataType),
}

/// Values of one store, converted; with the rows that are missing.
struct Part<'a> {
    values: Cow<'a, Values>,
    /// Which value each row has, where that is not the one at its own position.
    codes: Option<&'a [i32]>,
    missing: Option<&'a [bool]>,
}

impl Part<'_> {
    /// The position of a row's value; `None` if it is missing.
    fn position(&self, row: usize) -> Option<usize> {
        if self
            .missing
            .is_some_and(|missing| missing.get(row) == Some(&true))
        {
            return None;
        }
        match self.codes {
            None => Some(row),
            Some(codes) => usize::try_from(*codes.get(row)?).ok(),
        }
    }
}

/// One value for each slot, missing where its store has none. `reads` are the columns of the
/// groups, `None` where a store lacks it.
///
/// # Errors
/// `InvalidInput` if a value can't become what is asked for.
pub(super) fn gather(
    reads: &[Option<Column>],
    slots: &[Slot],
    wanted: &Gathered<'_>,
    nullable: bool,
) -> Result<Column> {
    let parts: Vec<Option<Part<'_>>> = reads
        .iter()
        .map(|read| read.as_ref().map(|column| part(column, wanted)).transpose())
        .collect::<Result<_>>()?;
    let find = |slot: &Slot| {
        let part = parts[slot.group as usize].as_ref()?;
        let position = part.position(slot.row as usize)?;
        Some((part, position))
    };
    let missing: Option<Mask> =
        nullable.then(|| slots.iter().map(|slot| find(slot).is_none()).collect());
    let values = match wanted {
        Gathered::Text => {
            let mut texts = Strings::new();
            for slot in slots {
                match find(slot) {
                    Some((part, position)) => match &*part.values {
                        Values::Strings(strings) => {
                            texts.push(strings.get(position).unwrap_or_default());
                        }
                        Values::Numeric(_) => return Err(wrong_type()),
                    },
                    None => texts.push(""),
                }
            }
            Values::Strings(texts)
        }
        Gathered::Numeric(data_type) => {
            let size = data_type.fixed_size()?;
            let mut values = NumericArray::zeros((*data_type).clone(), [slots.len()])?;
            let nan = nan(data_type)?;
            let rows = values.bytes_mut().chunks_exact_mut(size);
            for (out, slot) in rows.zip(slots) {
                match find(slot) {
                    Some((part, position)) => match &*part.values {
                        Values::Numeric(own) => {
                            let start = position * size;
                            out.copy_from_slice(&own.bytes()[start..start + size]);
                        }
                        Values::Strings(_) => return Err(wrong_type()),
                    },
                    None => out.copy_from_slice(nan.bytes()),
                }
            }
            Values::Numeric(values)
        }
    };
    Ok(Column::Values { values, missing })
}

/// What stands for a missing number: NaN, or 0 where there is none.
fn nan(data_type: &DataType) -> Result<NumericArray> {
    match data_type.is_float() {
        true => NumericArray::from_values([1], &[f64::NAN])?.cast(data_type),
        false => NumericArray::zeros(data_type.clone(), [1]),
    }
}

fn part<'a>(column: &'a Column, wanted: &Gathered<'_>) -> Result<Part<'a>> {
    let (values, codes, missing) = match column {
        Column::Values { values, missing } => (values, None, missing.as_deref()),
        Column::Categorical(categorical) => {
            (categorical.categories(), Some(categorical.codes()), None)
        }
    };
    let values = match (values, wanted) {
        (Values::Numeric(numbers), Gathered::Numeric(data_type))
            if numbers.data_type() != *data_type =>
        {
            Cow::Owned(Values::Numeric(numbers.clone().cast(data_type)?))
        }
        _ => Cow::Borrowed(values),
    };
    Ok(Part {
        values,
        codes,
        missing,
    })
}

fn wrong_type() -> Error {
    Error::corrupt("the column changed its type while it was read")
}
