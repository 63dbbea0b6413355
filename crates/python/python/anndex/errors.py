"""The exceptions of anndex.

Each is an `AnndexError` and also the builtin exception that Python users expect in its place, so
that ``except FileNotFoundError`` and ``except AnndexError`` both work.
"""

from __future__ import annotations

from anndex._anndex import shown_message

__all__ = [
    "AlreadyExistsError",
    "AnndexError",
    "BackendError",
    "BugError",
    "CancelledError",
    "ConflictError",
    "CorruptError",
    "InvalidIndexError",
    "InvalidInputError",
    "InvalidTypeError",
    "KeyNotFoundError",
    "MissingPackageError",
    "NoInstanceError",
    "PathNotFoundError",
    "PermissionDeniedError",
    "RecordNotFoundError",
    "StorageError",
    "UnsupportedError",
]


def _shown(text: str) -> str:
    # Half a character, which Python has in text and nobody else, is written as its escape.
    return shown_message(text.encode(errors="backslashreplace").decode())


class AnndexError(Exception):
    """Anything that anndex refuses or fails to do.

    Attributes
    ----------
    operation : str or None
        What failed, such as ``"open"`` or ``"read"``.
    context : dict of str to str
        Where: ``"path"`` is the file or directory, ``"node"`` the group or array inside it,
        ``"key"`` the name that was asked for.
    """

    operation: str | None = None
    context: dict[str, str]

    def __init__(self, *args: object) -> None:
        shown = [_shown(text) if isinstance(text, str) else text for text in args]
        super().__init__(*shown)
        self.context = {}

    @property
    def path(self) -> str | None:
        """The file or directory, if the error is about one."""
        return self.context.get("path")

    def __str__(self) -> str:
        # KeyError would quote its message, OSError would read two arguments as a number and text.
        return " ".join(str(argument) for argument in self.args)


class InvalidInputError(AnndexError, ValueError):
    """An argument is wrong, or does not fit the data; the same call will fail again."""


class InvalidTypeError(AnndexError, TypeError):
    """An argument has a type that it can't have."""


class InvalidIndexError(AnndexError, IndexError):
    """There is no observation at this index."""


class KeyNotFoundError(AnndexError, KeyError):
    """No file of the collection has this layer, column of obs, or matrix of obsm."""


class RecordNotFoundError(AnndexError, LookupError):
    """No record is what was asked for, or it was deleted meanwhile."""


class PathNotFoundError(AnndexError, FileNotFoundError):
    """There is no file or directory here."""


class PermissionDeniedError(AnndexError, PermissionError):
    """The system refuses access."""


class UnsupportedError(AnndexError, NotImplementedError):
    """The data are valid, but nothing in this build can read or write them."""


class CorruptError(AnndexError, OSError, ValueError):
    """Stored bytes break their own format."""


class StorageError(AnndexError, OSError):
    """Reading or writing bytes failed."""


class AlreadyExistsError(AnndexError, FileExistsError):
    """Something with this identity is there already."""


class ConflictError(AnndexError, RuntimeError):
    """Another writer got there first; trying again can succeed."""


class BackendError(AnndexError, RuntimeError):
    """The database failed."""


class CancelledError(AnndexError, RuntimeError):
    """The caller stopped the operation."""


class NoInstanceError(AnndexError, RuntimeError):
    """No instance is open."""


class MissingPackageError(AnndexError, ImportError):  # type: ignore[override]
    """An optional package is needed that is not installed."""


class BugError(AnndexError, RuntimeError):
    """anndex broke a promise of its own; please report it."""


_KINDS: dict[str, type[AnndexError]] = {
    "already exists": AlreadyExistsError,
    "conflict": ConflictError,
    "invalid input": InvalidInputError,
    "unsupported": UnsupportedError,
    "corrupt": CorruptError,
    "permission denied": PermissionDeniedError,
    "storage": StorageError,
    "backend": BackendError,
    "cancelled": CancelledError,
}


def _from_native(  # pyright: ignore[reportUnusedFunction]
    kind: str,
    operation: str | None,
    message: str,
    context: dict[str, str],
    cause: str | None,
) -> AnndexError:
    """Make the exception for an error of the native module."""
    error_type = _KINDS.get(kind, BugError)
    if kind == "not found":
        if "key" in context:
            error_type = KeyNotFoundError
        else:
            is_content = "path" in context or "object" in context
            error_type = PathNotFoundError if is_content else RecordNotFoundError
    if error_type is BugError:
        message = f"this is a bug in anndex, please report it with what led to it: {message}"
    text = message if operation is None else f"{operation}: {message}"
    if context:
        where = ", ".join(f"{key}: {value}" for key, value in context.items())
        text = f"{text} ({where})"
    if cause is not None:
        text = f"{text}: {cause}"
    error = error_type(text)
    error.operation = operation
    error.context = context
    return error
