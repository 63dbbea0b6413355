//! Values of obs from several stores as one column.

use anndex_anndata::{Column, Label, Mask, Values};
use anndex_store::error::{Error, Result};
use anndex_store::{DataType, NumericArray, Strings};

/// The type of a column that holds numbers.
pub(super) fn numeric_type(column: &Column) -> Option<&DataType> {
    let values = match column {
        Column::Values { values, .. } => values,
        Column::Categorical(categorical) => categorical.categories(),
    };
    match values {
        Values::Numeric(numbers) => Some(numbers.data_type()),
        Values::Strings(_) => None,
    }
}

/// A column of labels that come from several stores, in the given type if they are numbers.
pub(super) fn values_column(labels: &[Label], numeric: Option<DataType>) -> Result<Column> {
    let has_text = labels.iter().any(|label| matches!(label, Label::String(_)));
    let missing: Vec<bool> = labels.iter().map(Label::is_missing).collect();
    let missing = missing.contains(&true).then(|| Mask::from(missing));
    let Some(data_type) = numeric else {
        let mut strings = Strings::new();
        for label in labels {
            match label {
                Label::String(text) => strings.push(text),
                _ => strings.push(""),
            }
        }
        return Ok(Column::Values {
            values: Values::Strings(strings),
            missing,
        });
    };
    if has_text {
        return Err(Error::invalid_input(
            "the column holds text in one store and numbers in another; store it with one type",
        ));
    }
    let wide = if data_type == DataType::UInt64 {
        let value = |label: &Label| match label {
            Label::UInt(value) => *value,
            Label::Int(value) => u64::try_from(*value).unwrap_or_default(),
            Label::Bool(value) => u64::from(*value),
            _ => 0,
        };
        NumericArray::from_values(
            [labels.len()],
            &labels.iter().map(value).collect::<Vec<_>>(),
        )?
    } else if data_type.is_float() {
        let value = |label: &Label| match label {
            Label::Float(value) => *value,
            Label::Int(value) => *value as f64,
            Label::UInt(value) => *value as f64,
            Label::Bool(value) => f64::from(*value),
            _ => f64::NAN,
        };
        NumericArray::from_values(
            [labels.len()],
            &labels.iter().map(value).collect::<Vec<_>>(),
        )?
    } else {
        let value = |label: &Label| match label {
            Label::Int(value) => *value,
            Label::Bool(value) => i64::from(*value),
            _ => 0,
        };
        NumericArray::from_values(
            [labels.len()],
            &labels.iter().map(value).collect::<Vec<_>>(),
        )?
    };
    Ok(Column::Values {
        values: Values::Numeric(wide.cast(&data_type)?),
        missing,
    })
}
