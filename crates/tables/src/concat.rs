//! Tables one below the other.

use std::collections::HashMap;
use std::sync::Arc;

use anndex_anndata::Join;
use anndex_store::{DataType as Number, promote};
use anndex_store::{Error, Result};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::Table;
use crate::error::arrow;

/// Puts tables, each with a name for messages, one below the other: with the columns that all have
/// (inner, in the order of the first), or that any has (outer, as they first occur). Values that a
/// table lacks are null. Numbers are promoted as NumPy does. Nothing is copied but columns whose
/// type changes.
///
/// # Errors
/// `InvalidInput` if there are no tables, a table has two columns of one name, or no type holds a
/// column of all: the error names it, and the tables.
pub fn concat(tables: &[(String, Table)], join: Join) -> Result<Table> {
    let Some(((_, first), others)) = tables.split_first() else {
        return Err(Error::invalid_input("there is nothing to concatenate"));
    };
    if others
        .iter()
        .all(|(_, table)| table.schema() == first.schema())
    {
        let batches = tables
            .iter()
            .flat_map(|(_, table)| table.batches().to_vec());
        return Table::new(first.schema().clone(), batches.collect());
    }
    let schema = joined(tables, join)?;
    let mut batches = Vec::new();
    for (name, table) in tables {
        for batch in table.batches() {
            let fitted = fit(batch, &schema);
            batches.push(fitted.map_err(|error| error.with("path", name))?);
        }
    }
    Table::new(schema, batches)
}

/// The columns of the result.
fn joined(tables: &[(String, Table)], join: Join) -> Result<SchemaRef> {
    let mut fields: Vec<(Field, &str)> = Vec::new();
    let mut positions: HashMap<&str, usize> = HashMap::new();
    let mut counts: Vec<usize> = Vec::new();
    for (table_name, table) in tables {
        let mut own = std::collections::HashSet::new();
        for field in table.schema().fields() {
            if !own.insert(field.name()) {
                return Err(Error::invalid_input(
                    "the table has two columns of one name; rename one",
                )
                .with("column", field.name())
                .with("path", table_name));
            }
            match positions.get(field.name().as_str()) {
                None => {
                    positions.insert(field.name(), fields.len());
                    fields.push((field.as_ref().clone(), table_name));
                    counts.push(1);
                }
                Some(&position) => {
                    let (known, first) = &mut fields[position];
                    counts[position] += 1;
                    let data_type = common(known.data_type(), field.data_type());
                    let data_type = data_type.ok_or_else(|| {
                        Error::invalid_input(format!(
                            "the column is {} in {first} but {} in {table_name}, which no type \
                             holds; store it alike in all tables",
                            known.data_type(),
                            field.data_type()
                        ))
                        .with("column", field.name())
                    })?;
                    let nullable = known.is_nullable() || field.is_nullable();
                    *known = Field::new(field.name(), data_type, nullable);
                }
            }
        }
    }
    let wanted = fields
        .into_iter()
        .zip(counts)
        .filter_map(|((field, _), count)| {
            let in_all = count == tables.len();
            let nullable = field.is_nullable() || !in_all;
            (in_all || join == Join::Outer).then(|| field.with_nullable(nullable))
        });
    Ok(Arc::new(Schema::new(wanted.collect::<Vec<_>>())))
}

/// The type that holds the values of both.
fn common(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType::{Dictionary, LargeUtf8, Null, Utf8, Utf8View};
    let is_text = |t: &DataType| matches!(t, Utf8 | LargeUtf8 | Utf8View);
    match (a, b) {
        _ if a == b => Some(a.clone()),
        (Null, other) | (other, Null) => Some(other.clone()),
        // Categories beside plain values, or of other kinds.
        (Dictionary(_, a), Dictionary(_, b)) => common(a, b),
        (Dictionary(_, values), other) | (other, Dictionary(_, values)) => common(values, other),
        _ if is_text(a) && is_text(b) => Some(LargeUtf8),
        _ => from_number(&promote(&number(a)?, &number(b)?).ok()?),
    }
}

/// A numeric type in the words of stores; booleans are none, beside numbers.
fn number(data_type: &DataType) -> Option<Number> {
    Some(match data_type {
        DataType::Int8 => Number::Int8,
        DataType::Int16 => Number::Int16,
        DataType::Int32 => Number::Int32,
        DataType::Int64 => Number::Int64,
        DataType::UInt8 => Number::UInt8,
        DataType::UInt16 => Number::UInt16,
        DataType::UInt32 => Number::UInt32,
        DataType::UInt64 => Number::UInt64,
        DataType::Float16 => Number::Float16,
        DataType::Float32 => Number::Float32,
        DataType::Float64 => Number::Float64,
        _ => return None,
    })
}

fn from_number(number: &Number) -> Option<DataType> {
    Some(match number {
        Number::Int8 => DataType::Int8,
        Number::Int16 => DataType::Int16,
        Number::Int32 => DataType::Int32,
        Number::Int64 => DataType::Int64,
        Number::UInt8 => DataType::UInt8,
        Number::UInt16 => DataType::UInt16,
        Number::UInt32 => DataType::UInt32,
        Number::UInt64 => DataType::UInt64,
        Number::Float16 => DataType::Float16,
        Number::Float32 => DataType::Float32,
        Number::Float64 => DataType::Float64,
        _ => return None,
    })
}

/// The rows of a batch with the columns of the result.
fn fit(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = schema
        .fields()
        .iter()
        .map(|field| match batch.column_by_name(field.name()) {
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
            Some(column) if column.data_type() == field.data_type() => Ok(column.clone()),
            Some(column) => cast(column, field.data_type())
                .map_err(|error| arrow(error).with("column", field.name())),
        });
    let columns: Vec<ArrayRef> = columns.collect::<Result<_>>()?;
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &rows).map_err(arrow)
}
