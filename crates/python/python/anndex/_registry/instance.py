"""Instances: making, opening and closing them, and which one is the current one."""

from __future__ import annotations

import atexit
import os
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from anndex import _anndex as native
from anndex._arguments import AnyPath
from anndex._checks import text
from anndex._registry import paths
from anndex._registry.paths import is_url
from anndex.errors import InvalidTypeError, NoInstanceError

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Instance", "close", "connect", "current", "init"]

# A database must not be open while a process is forked; what is used later is opened again.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=native.close_unused)
atexit.register(native.close_unused)


class Instance:
    """An open instance: a database, a default storage and a local cache.

    `init` and `connect` give it. It can be used as a context manager, which closes it at the end.
    """

    __slots__ = ("_native",)

    def __init__(self, native_instance: native.Instance) -> None:
        if not isinstance(native_instance, native.Instance):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidTypeError("an instance is made by anndex.init() or anndex.connect()")
        self._native = native_instance

    @property
    def native(self) -> native.Instance:
        """The instance in the native module."""
        return self._native

    @property
    def location(self) -> str:
        """The directory that the instance lives in, or the URL of its database without password."""
        return self._native.location

    @property
    def path(self) -> Path | None:
        """The directory that the instance lives in; None for one at a URL."""
        location = self.location
        return None if is_url(location) else Path(location)

    def close(self) -> None:
        """Close the database. Using the instance or its records is an error from now on."""
        global _current
        if _current is self:
            _current = None
        self._native.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Instance({self.location!r})"


_current: Instance | None = None


def init(
    storage: AnyPath,
    *,
    db: AnyPath | None = None,
    user: str | None = None,
    user_name: str | None = None,
) -> Instance:
    """Make an instance and connect to it; one that is there already is opened.

    Parameters
    ----------
    storage : path-like
        The directory of the default storage, which is made if it does not exist. Files in it are
        registered where they are, others are copied into it. All who use an instance at a URL have
        it at the same path. Or the URL of a bucket, such as ``"s3://bucket/cells"``.
    db : path-like, optional
        The directory that the instance lives in, or the URL of a PostgreSQL database, which must
        exist: ``postgres://user:password@host/database``. Default: the directory of the storage,
        or the working directory if the storage is at a URL.
    user : str, optional
        Your handle. Default: ``ANNDEX_USER``, else your login name.
    user_name : str, optional
        Your full name.

    Returns
    -------
    Instance
        The instance, which is now the current one: that of ``anndex.Artifact`` and all others.

    Raises
    ------
    anndex.errors.AnndexError
        `NotImplementedError` for storages and databases that this build lacks, `PermissionError`
        or `OSError` if the directory can't be written, `FileNotFoundError` if the bucket is not
        there, `ValueError` if the instance is there with another storage.

    Examples
    --------
    >>> import anndex as ln
    >>> db = ln.init(storage="./cells")
    >>> db = ln.init(storage="s3://bucket/cells", db="./cells")
    >>> db = ln.init(storage="/shared/cells", db="postgres://ada@host/cells")
    """
    _check_user(user, user_name)
    root = paths.location(storage)
    if db is None and not is_url(root):
        opened = native.Instance.init(root, None, user, user_name)
    else:
        where = paths.location(os.curdir if db is None else db)
        opened = native.Instance.init(where, root, user, user_name)
    return _set_current(Instance(opened))


def connect(
    instance: AnyPath | None = None,
    *,
    user: str | None = None,
    user_name: str | None = None,
) -> Instance:
    """Connect to an instance that was made before.

    Parameters
    ----------
    instance : path-like, optional
        The directory that the instance lives in, or the URL of its PostgreSQL database. Default:
        that of ``ANNDEX_DB``, else the one that the working directory belongs to.
    user : str, optional
        Your handle. Default: ``ANNDEX_USER``, else your login name.
    user_name : str, optional
        Your full name.

    Returns
    -------
    Instance
        The instance, which is now the current one: that of ``anndex.Artifact`` and all others.

    Raises
    ------
    anndex.errors.AnndexError
        `FileNotFoundError` if there is no instance, `NotImplementedError` if this build can't open
        it, `OSError` if it is damaged.
    """
    _check_user(user, user_name)
    location = None if instance is None else paths.location(instance)
    return _set_current(Instance(native.Instance.connect(location, user, user_name)))


def close() -> None:
    """Close the current instance, if there is one."""
    if _current is not None:
        _current.close()


def current() -> native.Instance:
    """The current instance, which records without one of their own belong to."""
    if _current is None:
        raise NoInstanceError(
            "no instance is open; call anndex.init(storage=...) or anndex.connect(...) first"
        )
    return _current.native


def _check_user(user: str | None, user_name: str | None) -> None:
    text("user", user, optional=True)
    text("user_name", user_name, optional=True)


def _set_current(instance: Instance) -> Instance:
    global _current
    _current = instance
    return instance
