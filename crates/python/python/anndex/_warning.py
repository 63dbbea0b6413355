"""Warnings that name the line from which anndex was called."""

from __future__ import annotations

import inspect
import warnings

__all__ = ["warn"]


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the nearest line that is not in this package."""
    frame = inspect.currentframe()
    level = 0
    while frame is not None and _is_own(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
        level += 1
    warnings.warn(message, category, stacklevel=level + 1)


def _is_own(module: str) -> bool:
    return module == "anndex" or module.startswith("anndex.")
