"""Paths as the registry takes them."""

from __future__ import annotations

import os

from anndex._arguments import AnyPath
from anndex.errors import InvalidTypeError, UnsupportedError

__all__ = ["local_path"]


def local_path(path: AnyPath) -> str:
    """An absolute local path; URLs are refused, without what may be secret in them."""
    try:
        text = os.fsdecode(path)
    except TypeError as error:
        raise InvalidTypeError(f"this is no path: {error}") from None
    scheme, found, _ = text.partition("://")
    if found:
        raise UnsupportedError(
            f"{scheme}:// can't be opened: this build has instances and storages in local "
            "directories only"
        )
    return os.path.abspath(text)
