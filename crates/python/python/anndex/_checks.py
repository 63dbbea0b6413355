"""Arguments of any kind, checked before they are used, and errors of other packages as ours."""

from __future__ import annotations

import operator
import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any, cast

import numpy as np

from anndex.errors import (
    AnndexError,
    InvalidInputError,
    InvalidTypeError,
    MissingPackageError,
    PermissionDeniedError,
    StorageError,
    UnsupportedError,
)

__all__ = [
    "choice",
    "explained",
    "flag",
    "integer",
    "items",
    "number",
    "path_text",
    "shown",
    "text",
    "with_article",
]

# Whole numbers are handed on in 64 bits.
_LARGEST = 2**64 - 1
_LONGEST = 60


def with_article(noun: str) -> str:
    """A noun as it stands in sentences: ``"an artifact"``. "u" is spoken as in "unit"."""
    return f"{'an' if noun[:1].lower() in 'aeio' or noun == 'ndarray' else 'a'} {noun}"


def shown(value: Any) -> str:
    """A value as an error shows it: itself if it is short, else its type."""
    if value is None or isinstance(value, (str, bytes, int, float)):
        # Python refuses to write down integers of thousands of digits.
        if isinstance(value, int) and value.bit_length() > 64:
            return f"an integer of {value.bit_length()} bits"
        written = repr(value)
        return written if len(written) <= _LONGEST else f"{written[:_LONGEST]}..."
    return with_article(type(value).__name__)


def text(name: str, value: Any, *, optional: bool = False) -> str:
    """Check a text, which may be None if it is optional."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidInputError(
                f"{name} has surrogates, which no file can hold: {value!r}; remove them"
            ) from None
    elif value is not None or not optional:
        raise InvalidTypeError(f"{name} must be text, but is {shown(value)}")
    return cast("str", value)


def path_text(path: Any) -> str:
    """A path as text."""
    try:
        decoded = os.fsdecode(path)
        os.fsencode(decoded)
    except UnicodeEncodeError:
        raise InvalidInputError(
            f"a path has surrogates, which no file system knows: {shown(path)}"
        ) from None
    except TypeError:
        raise InvalidTypeError(f"a path is text or path-like, but this is {shown(path)}") from None
    if not decoded:
        # It would become the current directory.
        raise InvalidInputError("a path or URL is empty")
    return decoded


def integer(value: Any) -> int | None:
    """A whole number, or None if it is none."""
    try:
        return operator.index(value)
    except TypeError:
        return None


def number(name: str, value: Any) -> int:
    """Check a whole number from 0."""
    checked = None if isinstance(value, bool) else integer(value)
    if checked is not None and 0 <= checked <= _LARGEST:
        return checked
    raise InvalidInputError(
        f"{name} must be an integer from 0 to {_LARGEST}, but is {shown(value)}"
    )


def flag(name: str, value: Any, *, optional: bool = False) -> bool:
    """Check a bool, which may be None if it is optional."""
    if isinstance(value, (bool, np.bool_)):
        return bool(cast("Any", value))
    if optional and value is None:
        return cast("bool", value)
    expected = "True, False or None" if optional else "True or False"
    raise InvalidTypeError(f"{name} must be {expected}, but is {shown(value)}")


def choice(name: str, value: Any, *allowed: str | bool | None) -> Any:
    """Check that a value is one of a few."""
    if (value is None or isinstance(value, (str, bool))) and value in allowed:
        return value
    expected = ", ".join(f'"{one}"' if isinstance(one, str) else str(one) for one in allowed)
    raise InvalidInputError(f"{name} must be one of {expected}, but is {shown(value)}")


def items(name: str, values: Any, item_type: type, of: str) -> list[Any]:
    """Check a list of objects of one type, which `of` names."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise InvalidTypeError(f"{name} must be a list of {of}, but is {shown(values)}")
    try:
        listed = list(cast("Any", values))
    except TypeError:
        raise InvalidTypeError(f"{name} must be a list of {of}, but is {shown(values)}") from None
    for one in listed:
        if not isinstance(one, item_type):
            raise InvalidTypeError(f"{name} must be {of}, but one is {shown(one)}")
    return listed


@contextmanager
def explained(
    message: str, otherwise: type[AnndexError] = InvalidInputError, path: str | None = None
) -> Generator[None]:
    """Have what another package raises be ours, with a message that says what failed.

    Parameters
    ----------
    message : str
        What failed, and what to do about it.
    otherwise : type
        The error for what is neither about a type, nor a package, nor the disk.
    path : str, optional
        The file that is read or written.
    """
    try:
        yield
    except (AnndexError, MemoryError, Warning):
        raise
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        where = "" if path is None else f" (path: {path})"
        made = _fitting(error, otherwise)(f"{message}: {reason}{where}")
        if path is not None:
            made.context = {"path": path}
        raise made from error


def _fitting(error: Exception, otherwise: type[AnndexError]) -> type[AnndexError]:
    if isinstance(error, ImportError):
        return MissingPackageError
    if isinstance(error, PermissionError):
        return PermissionDeniedError
    if isinstance(error, OSError):
        return StorageError
    if isinstance(error, NotImplementedError):
        return UnsupportedError
    if isinstance(error, TypeError) and otherwise is InvalidInputError:
        return InvalidTypeError
    return otherwise
