"""Paths as the registry takes them."""

from __future__ import annotations

import os

from anndex._arguments import AnyPath
from anndex._checks import path_text
from anndex.errors import UnsupportedError

__all__ = ["is_url", "local_path", "location"]


def local_path(path: AnyPath) -> str:
    """An absolute local path; URLs are refused, without what may be secret in them."""
    text = path_text(path)
    if is_url(text):
        scheme, _, _ = text.partition("://")
        raise UnsupportedError(
            f"{scheme}:// can't be used here: new files are in local directories, so give a path"
        )
    return os.path.abspath(text)


def location(location: AnyPath) -> str:
    """A URL as it is, anything else as an absolute path."""
    text = path_text(location)
    return text if is_url(text) else os.path.abspath(text)


def is_url(text: str) -> bool:
    """Whether this is not a path; which URLs can be opened depends on the build."""
    return "://" in text
