"""Indices of observations, of any kind, as numbers from 0."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from anndex._checks import shown
from anndex.errors import InvalidIndexError

__all__ = ["counted_from_end", "numbers"]


def numbers(indices: Any, n_obs: int) -> NDArray[np.int64]:
    """Observations that a slice, an array of integers or a mask selects.

    Raises
    ------
    anndex.errors.InvalidIndexError
        If it is none of these, or out of range.
    """
    if isinstance(indices, slice):
        try:
            bounds = indices.indices(n_obs)
        except (TypeError, ValueError) as error:
            raise InvalidIndexError(f"can't slice observations like this: {error}") from None
        return np.arange(*bounds, dtype=np.int64)
    try:
        rows = np.asarray(indices)
    except (TypeError, ValueError, OverflowError):
        # Lists of lists of different lengths.
        rows = np.asarray(None)
    if rows.ndim == 1 and rows.dtype == bool and len(rows) == n_obs:
        return np.flatnonzero(rows)
    if rows.ndim != 1 or (rows.dtype.kind not in "iu" and rows.size):
        raise InvalidIndexError(
            "observations are indexed by an integer, a slice or an array of integers, "
            f"but not by {shown(indices)}"
        )
    wide = rows.astype(np.uint64 if rows.dtype.kind == "u" else np.int64, copy=False)
    # Without a sign negative numbers are large, so that one look finds all that is unusual.
    if wide.size and wide.view(np.uint64).max() >= n_obs:
        return np.array([counted_from_end(row, n_obs) for row in wide.tolist()], np.int64)
    return wide.view(np.int64)


def counted_from_end(index: int, n_obs: int) -> int:
    """A number from 0 for one that may be negative.

    Raises
    ------
    anndex.errors.InvalidIndexError
        If it is out of range.
    """
    if not -n_obs <= index < n_obs:
        raise InvalidIndexError(
            f"the observation {shown(index)} is out of range: there are {n_obs}"
        )
    return index % n_obs
