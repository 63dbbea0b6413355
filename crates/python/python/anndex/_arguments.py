"""Arguments of `MappedCollection` in the form that the native module takes."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypedDict, TypeGuard, cast

import numpy as np
from numpy.typing import DTypeLike

from anndex._checks import number, path_text, shown, text
from anndex.errors import InvalidInputError, InvalidTypeError

__all__ = [
    "AnyPath",
    "Keys",
    "Options",
    "absolute_paths",
    "byte_count",
    "conditions",
    "dtype_name",
    "key_list",
    "number",
    "unknown_label",
]

AnyPath: TypeAlias = str | os.PathLike[str]
Keys: TypeAlias = str | Sequence[str] | None
Label: TypeAlias = bool | int | float | str


class Options(TypedDict):
    """The options of the native module's `Mapped`."""

    layers_keys: list[str]
    obs_keys: list[str]
    obsm_keys: list[str]
    obs_filter: list[tuple[str, list[Label | None]]]
    join: Literal["inner", "outer"] | None
    encode_labels: list[str] | None
    unknown_label: Label | list[tuple[str, Label]] | None
    cache_categories: bool
    dtype: str | None
    cache_dir: str | None
    names: list[str]
    chunk_cache: int
    stream_gap: int
    stream_requests: int


def absolute_paths(paths: Iterable[AnyPath]) -> list[str]:
    """Paths that mean the same in a worker process with another working directory."""
    if isinstance(paths, (str, bytes, os.PathLike)):
        raise InvalidTypeError(
            f"path_list must be a list of paths, but is one path; write [{os.fspath(paths)!r}]"
        )
    try:
        listed = list(paths)
    except TypeError:
        raise InvalidTypeError(
            f"path_list must be a list of paths, but is {shown(paths)}"
        ) from None
    for given in cast("list[Any]", listed):
        if not isinstance(given, (str, bytes, os.PathLike)):
            raise InvalidTypeError(f"path_list must be a list of paths, but one is {shown(given)}")
    decoded = [path_text(path) for path in listed]
    return [path if "://" in path else os.path.abspath(path) for path in decoded]


def key_list(name: str, keys: Keys) -> list[str]:
    """Keys as a list; a single one may stand without it."""
    if keys is None:
        return []
    listed: list[Any] = [keys] if isinstance(keys, str) else _listed(name, keys)
    return [str(text(f"each of {name}", key)) for key in listed]


def conditions(obs_filter: Any) -> list[tuple[str, list[Label | None]]]:
    """The conditions of `obs_filter`: columns, each with the values that it may have."""
    if obs_filter is None:
        return []
    if isinstance(obs_filter, tuple):
        warnings.warn(
            "a tuple as obs_filter is deprecated, use a dict", DeprecationWarning, stacklevel=4
        )
        if len(cast("Any", obs_filter)) != 2:
            raise InvalidInputError("a tuple as obs_filter has a column and its values; use a dict")
        column, values = cast("tuple[Any, Any]", obs_filter)
        return conditions({text("the column of obs_filter", column): values})
    if not _is_mapping(obs_filter):
        raise InvalidTypeError(
            f"obs_filter must be a dict of columns and values, but is {shown(obs_filter)}"
        )
    if not obs_filter:
        raise InvalidInputError("obs_filter names no column; leave it out to select all")
    columns = key_list("the columns of obs_filter", list(obs_filter))
    return [
        (column, [label(value) for value in _values(values)])
        for column, values in zip(columns, obs_filter.values(), strict=True)
    ]


def _values(values: Any) -> list[Any]:
    """One value or several, as a list."""
    single = isinstance(values, (str, bytes)) or not isinstance(values, Iterable)
    # A NumPy array without an axis is one value.
    if single or getattr(cast("Any", values), "ndim", 1) == 0:
        return [values]
    return list(cast("Iterable[Any]", values))


def unknown_label(given: Any) -> Label | list[tuple[str, Label]] | None:
    """The label that is encoded as -1, or one per key. Missing values are never encoded."""
    if not _is_mapping(given):
        return label(given)
    labels = [(str(key), label(one)) for key, one in given.items()]
    return [(key, one) for key, one in labels if one is not None]


def label(value: Any) -> Label | None:
    """A label as a plain Python object; None if it stands for a missing value."""
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        value = cast("Any", value).item()
    # pandas.NA and NaT, without importing pandas.
    if value is None or type(cast("Any", value)).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise InvalidInputError(f"a label must be UTF-8, but one is {value!r}") from None
    if isinstance(value, float):
        return None if value != value else value
    if isinstance(value, str):
        return text("a label", value)
    if isinstance(value, (bool, int)):
        if not -(2**63) <= value < 2**64:
            raise InvalidInputError(f"a label is {shown(value)}, which no column can hold")
        return value
    raise InvalidTypeError(f"a label must be text, a number or a bool, but one is {shown(value)}")


def dtype_name(dtype: DTypeLike | None) -> str | None:
    """The name of a NumPy dtype."""
    if dtype is None:
        return None
    try:
        return np.dtype(dtype).name
    except Exception as error:
        raise InvalidTypeError(f"dtype is none of NumPy's: {error}") from None


def _is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)


def _listed(name: str, values: Any) -> list[Any]:
    try:
        return list(values)
    except TypeError:
        raise InvalidTypeError(f"{name} must be a list, but is {shown(values)}") from None


_UNITS = {
    "": 1,
    "B": 1,
    **{f"{unit}iB": 1 << 10 * power for power, unit in enumerate("KMGT", 1)},
    **{f"{unit}B": 1000**power for power, unit in enumerate("KMGT", 1)},
}


def byte_count(memory: int | str, name: str = "memory") -> int:
    """Read a number of bytes, such as ``"2GiB"``."""
    if not isinstance(memory, str):
        return number(name, memory)
    matched = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", memory.strip())
    if matched is None or matched[2] not in _UNITS:
        raise InvalidInputError(
            f'{name} must be bytes, such as 500_000_000, "500MB" or "2GiB", but is {memory!r}'
        )
    factor = _UNITS[matched[2]]
    whole, _, part = matched[1].partition(".")
    if len(whole) > 20:
        raise InvalidInputError(f"{name} must be a number of bytes, but is {shown(memory)}")
    return number(name, int(whole) * factor + int(float(f"0.{part}0") * factor))
