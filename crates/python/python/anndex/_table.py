"""Tables in memory: what the native module has read into Arrow, as data frames of pandas."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from anndex import _anndex as native
from anndex.errors import MissingPackageError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["concat_tables", "read_table"]


def read_table(path: str) -> pd.DataFrame:
    """Read a file as pandas reads it.

    Raises
    ------
    anndex.errors.AnndexError
        As the native module; `ImportError` if pandas or pyarrow is not installed.
    """
    return concat_tables([path], "outer")


def concat_tables(
    paths: Sequence[str], join: Literal["inner", "outer"], **kwargs: Any
) -> pd.DataFrame:
    """Concatenate files as ``pandas.concat`` does, whose other parameters are those of it.

    Raises
    ------
    anndex.errors.AnndexError
        As the native module; `ImportError` if pandas or pyarrow is not installed.
    """
    pandas, pyarrow = _packages()
    paths = list(paths)
    if set(kwargs) <= {"ignore_index"}:
        frame = _stacked(paths, pandas, pyarrow)
        if frame is not None:
            if kwargs.get("ignore_index"):
                frame.index = pandas.RangeIndex(len(frame))
            return cast("pd.DataFrame", frame)
    tables: list[Any] = [pyarrow.table(table) for table in native.read_tables(paths)]
    are_text = {_is_text(path) for path in paths}
    if not kwargs and len(are_text) == 1:
        first, *others = (table.schema for table in tables)
        noted: list[dict[str, Any]] = [table.schema.pandas_metadata or {} for table in tables]
        if all(other.equals(first) for other in others) and _are_plain(first, noted, pyarrow):
            # Nothing of pandas's rules is needed, so each value is copied once instead of twice.
            index = _index(noted, [table.num_rows for table in tables], pandas)
            tables = [table.replace_schema_metadata(None) for table in tables]
            frame = _frame(pyarrow.concat_tables(tables), are_text.pop(), pyarrow)
            frame.index = index
            return cast("pd.DataFrame", frame)
    frames: list[Any] = []
    for path in paths:
        # The memory of a table is given back before the next becomes a frame.
        frames.append(_frame(tables.pop(0), _is_text(path), pyarrow))
    if len(frames) == 1 and not kwargs:
        return cast("pd.DataFrame", frames[0])
    return cast("pd.DataFrame", pandas.concat(frames, join=join, **kwargs))


def _stacked(paths: list[str], pandas: Any, pyarrow: Any) -> Any:
    """Files of the same columns, read to where they stand in the frame; `None` for others."""
    internals = getattr(pandas.api, "internals", None)
    if internals is None:
        # A frame can be made of memory that is there since version 3 of pandas.
        return None
    reader = native.open_stacked(paths)
    if reader is None:
        return None
    noted: list[dict[str, Any]] = [json.loads(text or "{}") for text in reader.pandas_metadata]
    named = reader.columns
    if named is not None and not _are_plain(pyarrow.schema(named), noted, pyarrow):
        return None
    stacked = reader.read()
    if stacked is None:
        return None
    blocks: list[Any] = []
    for columns, values in stacked.blocks:
        for used, run in groupby(range(len(columns)), key=lambda row: columns[row] is not None):
            rows = list(run)
            if used:
                own = values if len(rows) == len(columns) else values[rows[0] : rows[-1] + 1]
                blocks.append((own, np.array([columns[row] for row in rows])))
    table = pyarrow.table(stacked.rest)
    rest = _frame(table, named is None, pyarrow)
    for number, column in enumerate(stacked.others):
        series = rest.iloc[:, number]
        values = series.array
        if isinstance(series.dtype, np.dtype):
            # Blocks of NumPy have two dimensions. What pandas gives out may not be written to.
            values = series.to_numpy(copy=True)[np.newaxis]
        blocks.append((values, np.array([column])))
    index = _index(noted or [{}] * len(paths), stacked.rows, pandas)
    return internals.create_dataframe_from_blocks(
        blocks, index=index, columns=pandas.Index(stacked.names)
    )


def _is_text(path: str) -> bool:
    return path.lower().endswith((".csv", ".tsv"))


def _frame(table: Any, is_text: bool, pyarrow: Any) -> Any:
    """A table as a frame. In one of text, NaN stands where a boolean is missing."""
    frame = table.to_pandas()
    for name, values in zip(table.column_names, table.columns):
        if is_text and values.null_count and pyarrow.types.is_boolean(values.type):
            frame[name] = frame[name].fillna(np.nan)
    return frame


def _packages() -> tuple[Any, Any]:
    try:
        return import_module("pandas"), import_module("pyarrow")
    except ImportError as error:
        raise MissingPackageError(
            f"a table becomes a data frame of pandas by way of pyarrow; pip install pandas pyarrow "
            f"({error})"
        ) from None


def _are_plain(schema: Any, noted: list[dict[str, Any]], pyarrow: Any) -> bool:
    """Whether what pandas has noted about each table, all of these columns, changes nothing."""
    if any(pyarrow.types.is_dictionary(field.type) for field in schema):
        # Categories are united by pandas.
        return False
    for one in noted:
        if any(not isinstance(column, dict) for column in one.get("index_columns", [])):
            return False
        if one.get("columns") != noted[0].get("columns"):
            return False
    kinds: dict[str, str] = {
        column.get("field_name", column.get("name")): column.get("numpy_type")
        for column in noted[0].get("columns", [])
    }
    # The others are asked, and the first one about its name, as to ask all takes long.
    fields = [field for field in schema if not _is_usual(field, kinds, pyarrow)] or [*schema][:1]
    few = pyarrow.schema(fields, metadata=schema.metadata).empty_table()
    typed, plain = few.to_pandas(), few.replace_schema_metadata(None).to_pandas()
    return bool(typed.dtypes.equals(plain.dtypes) and typed.columns.identical(plain.columns))


def _is_usual(field: Any, kinds: dict[str, str], pyarrow: Any) -> bool:
    """Whether a column has numbers of the type that pandas has noted, if it has noted any."""
    types, kind = pyarrow.types, field.type
    if not (types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)):
        return False
    usual: str = np.dtype(kind.to_pandas_dtype()).name
    name: str = field.name
    return kinds.get(name, usual) == usual


def _index(noted: list[dict[str, Any]], rows: list[int], pandas: Any) -> Any:
    """The index of tables, of which none has it among its columns: what is noted, and their rows."""
    indexes: list[Any] = []
    for one, count in zip(noted, rows):
        index = pandas.RangeIndex(count)
        for described in one.get("index_columns", []):
            start, stop, step = (described[key] for key in ("start", "stop", "step"))
            kept = pandas.RangeIndex(start, stop, step, name=described["name"])
            # Without pandas, rows may have been left out.
            index = kept if len(kept) == count else index
        indexes.append(index)
    first, *others = indexes
    return first.append(others)
