//! Putting packed values of a sparse row into a dense one: the innermost loops of everything dense.

use super::stretch::{ColumnStretch, ValueStretch, wide};
use crate::pack::Small;
use anndex_anndata::VarMap;

/// The number of columns that have the same high byte.
const RUN_COLUMNS: usize = 1 << 8;

/// Writes `values` into `out` at `columns`, or where `map` has them.
pub(super) fn scatter<T: Small>(
    columns: &ColumnStretch<'_>,
    values: ValueStretch<'_>,
    map: Option<&VarMap>,
    out: &mut [T],
) {
    match values {
        ValueStretch::U8(values, larger) => {
            let byte = |value: u8| T::of_small(value.into());
            put_all(columns, values, byte, map, out);
            for (position, value) in larger.iter() {
                let column = columns.part(position..position + 1);
                put_all(&column, &[value], T::of_small, map, out);
            }
        }
        ValueStretch::U16(values) => put_all(columns, values, T::of_small, map, out),
        ValueStretch::Wide(values, range) => {
            put_all(columns, &wide(values)[range], |value| value, map, out);
        }
    }
}

fn put_all<V: Copy, T>(
    columns: &ColumnStretch<'_>,
    values: &[V],
    convert: impl Fn(V) -> T,
    map: Option<&VarMap>,
    out: &mut [T],
) {
    match columns {
        ColumnStretch::U8(runs, range) => {
            let mut rest = values;
            for (base, lowest) in runs.within(range.clone()) {
                let (values, others) = rest.split_at(lowest.len());
                put_run(base as usize, lowest, values, &convert, map, out);
                rest = others;
            }
        }
        ColumnStretch::U16(columns) => put(columns, u32::from, values, convert, map, out),
        ColumnStretch::U32(columns) => put(columns, |column| column, values, convert, map, out),
    }
}

/// Writes a run of columns that begin with the same high byte. What is past the end of `out` is not
/// there.
fn put_run<V: Copy, T>(
    base: usize,
    lowest: &[u8],
    values: &[V],
    convert: impl Fn(V) -> T,
    map: Option<&VarMap>,
    out: &mut [T],
) {
    if let Some(map) = map {
        let to_joint = map.to_joint.get(base..).unwrap_or_default();
        return put(
            lowest,
            |low| to_joint[usize::from(low)],
            values,
            convert,
            None,
            out,
        );
    }
    let Some(places) = out.get_mut(base..) else {
        return;
    };
    match places.first_chunk_mut::<RUN_COLUMNS>() {
        // No bounds to check: a byte is less than 256.
        Some(places) => {
            for (&low, &value) in lowest.iter().zip(values) {
                places[usize::from(low)] = convert(value);
            }
        }
        None => put(lowest, u32::from, values, convert, None, places),
    }
}

/// Writes values to any columns. One that is not among the joined ones has a position past the end
/// of `out`.
fn put<C: Copy, V: Copy, T>(
    columns: &[C],
    wide_column: impl Fn(C) -> u32,
    values: &[V],
    convert: impl Fn(V) -> T,
    map: Option<&VarMap>,
    out: &mut [T],
) {
    let entries = columns.iter().zip(values);
    match map {
        None => {
            for (&column, &value) in entries {
                if let Some(place) = out.get_mut(wide_column(column) as usize) {
                    *place = convert(value);
                }
            }
        }
        Some(map) => {
            let to_joint = map.to_joint.as_slice();
            for (&column, &value) in entries {
                let joint = to_joint[wide_column(column) as usize];
                if let Some(place) = out.get_mut(joint as usize) {
                    *place = convert(value);
                }
            }
        }
    }
}
