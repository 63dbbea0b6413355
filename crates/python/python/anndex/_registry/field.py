"""Fields of records as attributes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar, cast, overload

import numpy as np

from anndex._checks import shown, text
from anndex.errors import InvalidInputError, InvalidTypeError

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Field", "Value", "plain_value", "plain_values"]

T = TypeVar("T")
Value: TypeAlias = bool | int | str | datetime | None


class HasFields(Protocol):
    """A record, as far as its fields see it."""

    def _get(self, name: str) -> Any: ...
    def _set(self, name: str, value: Any) -> None: ...


class Field(Generic[T]):
    """A field of a record. What is assigned is written by the record's ``save()``."""

    def __init__(self, doc: str, name: str = "") -> None:
        self.__doc__ = doc
        self._name = name

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = self._name or name

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...
    @overload
    def __get__(self, record: HasFields, owner: type) -> T: ...
    def __get__(self, record: HasFields | None, owner: type) -> Self | T:
        if record is None:
            return self
        return cast("T", record._get(self._name))  # pyright: ignore[reportPrivateUsage]

    def __set__(self, record: HasFields, value: T) -> None:
        record._set(self._name, value)  # pyright: ignore[reportPrivateUsage]


def plain_value(value: Any) -> Value:
    """A value as the native module takes it; times in UTC."""
    if isinstance(value, np.generic):
        value = cast("Any", value).item()
    if isinstance(value, datetime):
        try:
            return value.astimezone(timezone.utc)
        except (OverflowError, ValueError, OSError):
            raise InvalidInputError(
                f"{value} is outside of the years from 1 to 9999, in UTC"
            ) from None
    if isinstance(value, str):
        return text("a field", value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise InvalidInputError(f"{shown(value)} has more than 64 bits; no field can hold it")
        return value
    raise InvalidTypeError(
        f"a field holds text, an integer, a bool or a datetime, but this is {shown(value)}"
    )


def plain_values(value: Any) -> Value | list[Value]:
    """One value, or several, for lookups. A record stands for its id."""
    is_several = isinstance(value, Iterable) and not isinstance(value, (str, bytes, type))
    if is_several and getattr(cast("Any", value), "ndim", 1) != 0:
        several: Iterable[Any] = cast("Any", value)
        return [_one_value(one) for one in several]
    return _one_value(value)


def _one_value(value: Any) -> Value:
    """A value, or the id of a record."""
    # The class of a record has no id.
    record_id = None if isinstance(value, type) else getattr(value, "_lookup_id", None)
    return plain_value(value if record_id is None else record_id())
