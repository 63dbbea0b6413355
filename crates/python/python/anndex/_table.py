"""Tables in memory: what the native module has read into Arrow, as data frames of pandas."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, cast

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
    tables: list[Any] = [pyarrow.table(table) for table in native.read_tables(list(paths))]
    first = tables[0]
    alike = all(table.schema.equals(first.schema) for table in tables)
    if not kwargs and alike and _are_plain(tables, pyarrow, pandas):
        # Nothing of pandas's rules is needed, so each value is copied once instead of twice.
        whole = pyarrow.concat_tables([table.replace_schema_metadata(None) for table in tables])
        frame: Any = whole.to_pandas()
        index, *others = [_index(table) for table in tables]
        frame.index = index.append(others)
        return cast("pd.DataFrame", frame)
    if len(tables) == 1 and not kwargs:
        return cast("pd.DataFrame", tables[0].to_pandas())
    frames = [table.to_pandas() for table in tables]
    return cast("pd.DataFrame", pandas.concat(frames, join=join, **kwargs))


def _packages() -> tuple[Any, Any]:
    try:
        return import_module("pandas"), import_module("pyarrow")
    except ImportError as error:
        raise MissingPackageError(
            f"a table becomes a data frame of pandas by way of pyarrow; pip install pandas pyarrow "
            f"({error})"
        ) from None


def _are_plain(tables: list[Any], pyarrow: Any, pandas: Any) -> bool:
    """Whether what pandas has noted about its own types and index changes nothing."""
    schema = tables[0].schema
    if any(pyarrow.types.is_dictionary(field.type) for field in schema):
        # Categories are united by pandas.
        return False
    noted: list[dict[str, Any]] = [table.schema.pandas_metadata or {} for table in tables]
    for one in noted:
        if any(not isinstance(column, dict) for column in one.get("index_columns", [])):
            return False
        if one.get("columns") != noted[0].get("columns"):
            return False
    empty = schema.empty_table()
    typed, plain = empty.to_pandas(), empty.replace_schema_metadata(None).to_pandas()
    return bool(typed.dtypes.equals(plain.dtypes) and typed.columns.identical(plain.columns))


def _index(table: Any) -> Any:
    """The index of a table that has it not among its columns."""
    return table.select([]).to_pandas().index
