"""Tables in memory: what the native module has read into Arrow, as data frames of pandas."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from anndex import _anndex as native
from anndex._checks import explained
from anndex.errors import CorruptError, MissingPackageError

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
        metadata: list[Any] = [table.schema.metadata or {} for table in tables]
        noted = _notes([one.get(b"pandas") for one in metadata])
        is_same = noted is not None and all(other.equals(first) for other in others)
        if noted is not None and is_same and _are_plain(first, noted, pyarrow, paths[0]):
            # Nothing of pandas's rules is needed, so each value is copied once instead of twice.
            index = _index(noted, [table.num_rows for table in tables], pandas)
            tables = [table.replace_schema_metadata(None) for table in tables]
            frame = _frame(pyarrow.concat_tables(tables), are_text.pop(), pyarrow)
            frame.index = index
            return cast("pd.DataFrame", frame)
    frames: list[Any] = []
    for path in paths:
        # The memory of a table is given back before the next becomes a frame.
        table = tables.pop(0)
        with _made_of(path):
            frame = _frame(table, _is_text(path), pyarrow)
        frames.append(frame)
    if len(frames) == 1 and not kwargs:
        return cast("pd.DataFrame", frames[0])
    with explained("the tables can't be concatenated; look at their columns and the parameters"):
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
    noted = _notes(list(reader.pandas_metadata))
    if noted is None:
        return None
    named = reader.columns
    if named is not None and not _are_plain(pyarrow.schema(named), noted, pyarrow, paths[0]):
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
    with _made_of(paths[0]):
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


def _notes(texts: list[str | bytes | None]) -> list[dict[str, Any]] | None:
    """What pandas has noted about each table; `None` if some of it is not what pandas writes."""
    notes: list[dict[str, Any]] = []
    for text in texts:
        try:
            note: Any = json.loads(text or "{}")
        except (ValueError, RecursionError):
            return None
        if not isinstance(note, dict) or not _is_understood(cast("dict[str, Any]", note)):
            return None
        notes.append(cast("dict[str, Any]", note))
    return notes


def _is_understood(note: dict[str, Any]) -> bool:
    columns, indexes = note.get("columns", []), note.get("index_columns", [])
    if not isinstance(columns, list) or not isinstance(indexes, list):
        return False
    are_columns = all(_is_column(column) for column in cast("Any", columns))
    return are_columns and all(
        isinstance(index, str) or _is_range(index) for index in cast("Any", indexes)
    )


def _is_column(column: object) -> bool:
    if not isinstance(column, dict):
        return False
    described = cast("dict[str, Any]", column)
    texts = [described.get(key) for key in ("field_name", "name", "numpy_type")]
    return all(text is None or isinstance(text, str) for text in texts)


def _is_range(index: object) -> bool:
    """Whether this describes a `pandas.RangeIndex`."""
    if not isinstance(index, dict):
        return False
    described = cast("dict[str, Any]", index)
    bounds = [described.get(key) for key in ("start", "stop", "step")]
    is_whole = all(isinstance(bound, int) and abs(bound) < 2**63 for bound in bounds)
    name = described.get("name")
    return is_whole and bounds[2] != 0 and (name is None or isinstance(name, str))


def _made_of(path: str) -> AbstractContextManager[None]:
    """Says that a table can't become a frame."""
    message = (
        "the table was read, but pandas can't make a data frame of it, maybe for what it has noted "
        "in the file; write it anew, without the metadata of the key 'pandas'"
    )
    return explained(message, CorruptError, path)


def _is_text(path: str) -> bool:
    return path.lower().endswith((".csv", ".tsv"))


def _frame(table: Any, is_text: bool, pyarrow: Any) -> Any:
    """A table as a frame. In one of text, NaN stands where a boolean is missing."""
    frame = table.to_pandas()
    for name, values in zip(table.column_names, table.columns, strict=True):
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


def _are_plain(schema: Any, noted: list[dict[str, Any]], pyarrow: Any, path: str) -> bool:
    """Whether what pandas has noted about each table, all of these columns, changes nothing."""
    if any(pyarrow.types.is_dictionary(field.type) for field in schema):
        # Categories are united by pandas.
        return False
    for one in noted:
        if any(not isinstance(column, dict) for column in one.get("index_columns", [])):
            return False
        if one.get("columns") != noted[0].get("columns"):
            return False
    kinds: dict[Any, str] = {
        column.get("field_name", column.get("name")): column.get("numpy_type")
        for column in noted[0].get("columns", [])
    }
    # The others are asked, and the first one about its name, as to ask all takes long.
    fields = [field for field in schema if not _is_usual(field, kinds, pyarrow)] or [*schema][:1]
    few = pyarrow.schema(fields, metadata=schema.metadata).empty_table()
    with _made_of(path):
        typed, plain = few.to_pandas(), few.replace_schema_metadata(None).to_pandas()
    return bool(typed.dtypes.equals(plain.dtypes) and typed.columns.identical(plain.columns))


def _is_usual(field: Any, kinds: dict[Any, str], pyarrow: Any) -> bool:
    """Whether a column has numbers of the type that pandas has noted, if it has noted any."""
    types, kind = pyarrow.types, field.type
    if not (types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)):
        return False
    usual: str = np.dtype(kind.to_pandas_dtype()).name
    name: str = field.name
    return kinds.get(name, usual) == usual


def _index(noted: list[dict[str, Any]], rows: list[int], pandas: Any) -> Any:
    """The index of tables that have none among their columns: what is noted, and their rows."""
    indexes: list[Any] = []
    for one, count in zip(noted, rows, strict=True):
        index = pandas.RangeIndex(count)
        for described in one.get("index_columns", []):
            start, stop, step = (described[key] for key in ("start", "stop", "step"))
            kept = pandas.RangeIndex(start, stop, step, name=described.get("name"))
            # Without pandas, rows may have been left out.
            index = kept if len(kept) == count else index
        indexes.append(index)
    first, *others = indexes
    return first.append(others)
