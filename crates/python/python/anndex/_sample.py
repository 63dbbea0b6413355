"""What indexing gives: one observation, or many that were read in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from anndex.errors import AnndexError

__all__ = ["Sample", "SampleBatch"]


class Sample(dict[str, Any]):
    """One observation: a dict of its matrix rows and labels.

    The keys are ``"_store_idx"``, the layers, ``"obsm_<key>"`` and the obs keys, in this order. A
    matrix that the observation's file lacks is left out, a column of ``obs`` that it lacks is NaN.
    """


class SampleBatch(Sequence[Sample]):
    """Observations that were read in one call, as a sequence of samples.

    This is what a ``DataLoader`` hands to its ``collate_fn``. torch's own takes the arrays as they
    are; any other sees a sequence of `Sample`, whose rows are views into them.
    """

    __slots__ = ("_arrays", "_encoded", "_error", "_length", "_samples")

    def __init__(
        self,
        length: int,
        *,
        arrays: dict[str, Any] | None = None,
        encoded: frozenset[str] = frozenset(),
        samples: list[Sample] | None = None,
        error: AnndexError | None = None,
    ) -> None:
        self._length = length
        self._arrays = arrays
        self._encoded = encoded
        self._samples = samples
        self._error = error

    @property
    def arrays(self) -> dict[str, Any]:
        """Each key's values for all observations: arrays, and lists where the values are text.

        Raises
        ------
        anndex.errors.InvalidInputError
            If the observations have rows of different lengths, or different keys.
        """
        if self._arrays is None:
            raise self._error or AnndexError("the samples can't be stacked")
        return self._arrays

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> list[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | list[Sample]:
        if isinstance(index, slice):
            return [self[one] for one in range(self._length)[index]]
        row = range(self._length)[index]
        if self._samples is not None:
            return self._samples[row]
        return Sample(
            (key, self._code(values[row]) if key in self._encoded else values[row])
            for key, values in self.arrays.items()
        )

    @staticmethod
    def _code(value: np.generic) -> int | float:
        """An encoded label as single samples have it: an int, or NaN if it is missing."""
        number: int | float = value.item()
        return np.nan if number != number else int(number)
