"""The opened files of a mapped collection: opening, closing and pickling, and what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from anndex._anndex import Mapped
from anndex._arguments import Options, key_list
from anndex._checks import explained, flag, text
from anndex._warning import warn
from anndex.errors import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd
    from typing_extensions import Self

__all__ = ["OpenedFiles"]

_CACHES = ("indices", "indices_list", "storage_idx", "var_indices", "var_joint")


class OpenedFiles:
    """What `MappedCollection` is without reading: its files, their observations and variables."""

    filtered: bool
    n_obs: int
    n_vars: int | None
    n_obs_list: list[int]
    n_vars_list: list[int] | None
    var_list: list[pd.Index] | None
    join_vars: Literal["inner", "outer"] | None
    encoders: dict[str, dict[Any, int]]

    def __init__(self, paths: list[str], options: Options, native: Mapped) -> None:
        self._paths = paths
        self._options = options
        self._closed = False
        self._handle: Mapped | None = native
        for notice in native.notices():
            warn(notice)
        self.filtered = bool(options["obs_filter"])
        self.n_obs_list = [n_obs for n_obs, _ in native.shapes()]
        self.n_obs = sum(self.n_obs_list)
        self.n_vars = None
        self.n_vars_list = None
        self.var_list = None
        # A join that has nothing to do is none, as in lamindb.
        self.join_vars = options["join"] if native.join() else None
        self.encoders = native.encoders()
        if options["join"] is not None:
            self._read_vars()
            self.n_vars = native.n_vars()

    @property
    def _native(self) -> Mapped:
        """The opened files; after unpickling they are opened on first use.

        A worker process can then tell what is wrong with a file, which it can't while unpickling.
        """
        if self._handle is None:
            handle = Mapped(self._paths, self._options)
            if [n_obs for n_obs, _ in handle.shapes()] != self.n_obs_list:
                raise InvalidInputError(
                    "the files have other numbers of observations than when the collection was "
                    f"pickled; open it again (path: {self._paths[0]})"
                )
            self._handle = handle
        return self._handle

    def _read_vars(self) -> list[pd.Index]:
        if self.var_list is None:
            lists, positions = self._native.var_lists()
            indexes = [_index(names) for names in lists]
            self.var_list = [indexes[position] for position in positions]
            self.n_vars_list = [len(names) for names in self.var_list]
        return self.var_list

    @cached_property
    def var_joint(self) -> pd.Index | None:
        """The names of the joined variables; None without a join."""
        names = self._native.var_joint()
        return None if names is None else _index(names)

    @cached_property
    def var_indices(self) -> list[NDArray[np.int64]] | None:
        """How each file's variables and the joined ones correspond; None if they are the same.

        For an inner join the position in the file of each joined variable, for an outer join the
        joined position of each of the file's variables.
        """
        return self._native.var_indices()

    @cached_property
    def indices_list(self) -> list[NDArray[np.int64]]:
        """For each file, the rows that are observations."""
        if not self.filtered:
            return [np.arange(n_obs, dtype=np.int64) for n_obs in self.n_obs_list]
        return np.split(self._native.rows(), np.cumsum(self.n_obs_list)[:-1])

    @cached_property
    def indices(self) -> NDArray[np.int64]:
        """For each observation, its row in its file."""
        return np.concatenate(self.indices_list)

    @cached_property
    def storage_idx(self) -> NDArray[np.int64]:
        """For each observation, the position of its file in `path_list`."""
        return np.repeat(np.arange(len(self.n_obs_list), dtype=np.int64), self.n_obs_list)

    @property
    def shape(self) -> tuple[int, int | None]:
        """Observations × joined variables."""
        return (self.n_obs, self.n_vars)

    @property
    def original_shapes(self) -> list[tuple[int, int | None]]:
        """Observations (with `obs_filter` applied) × variables of each file."""
        n_vars: Sequence[int | None] = self.n_vars_list or [None] * len(self.n_obs_list)
        return list(zip(self.n_obs_list, n_vars, strict=True))

    @property
    def closed(self) -> bool:
        """Whether the collection was closed."""
        return self._closed

    def get_label_weights(
        self,
        obs_keys: str | list[str],
        scaler: float | None = None,
        return_categories: bool = False,
    ) -> NDArray[np.float64] | dict[str, float]:
        """Get weights that balance labels, for a ``WeightedRandomSampler``.

        Parameters
        ----------
        obs_keys : str or list of str
            A column of ``obs``, or several whose labels are taken together, joined by ``"__"``.
        scaler : float, optional
            Weigh ``scaler / (scaler + n)`` instead of ``1 / n``, where `n` is the number of
            observations that have the same label.
        return_categories : bool, default False
            Give the weight of each label instead of that of each observation.

        Returns
        -------
        ndarray of float64, or dict of str to float
            One weight per observation; or per label, in the order in which they occur.
        """
        keys = key_list("obs_keys", obs_keys)
        if scaler is not None:
            with explained("scaler must be a number"):
                scaler = float(scaler)
        if flag("return_categories", return_categories):
            return self._native.category_weights(keys, scaler)
        return self._native.label_weights(keys, scaler)

    def get_merged_labels(self, label_key: str) -> NDArray[Any]:
        """Get the labels of all observations in files that have this column of ``obs``.

        Parameters
        ----------
        label_key : str
            A column of ``obs``; it need not be one of `obs_keys`.

        Returns
        -------
        ndarray
            One label per observation, of the stored type, or objects if they are text.
        """
        return self._native.merged_labels(text("label_key", label_key))

    def get_merged_categories(self, label_key: str) -> list[Any]:
        """Get the sorted distinct labels of a column of ``obs`` over all files.

        Parameters
        ----------
        label_key : str
            A column of ``obs``; it need not be one of `obs_keys`.

        Returns
        -------
        list
            The categories, also those that do not occur, and the values of columns without.
        """
        return self._native.merged_categories(text("label_key", label_key))

    def check_vars_sorted(self, ascending: bool = True) -> bool:
        """Check whether the variables of every file are sorted.

        Parameters
        ----------
        ascending : bool, default True
            The order.
        """
        self._read_vars()
        return self._native.check_vars_sorted(flag("ascending", ascending))

    def check_vars_non_aligned(self, vars: pd.Index | Sequence[str]) -> list[int]:
        """Get the positions of the files whose variables are not exactly these, in this order.

        Parameters
        ----------
        vars : pandas.Index or sequence of str
            The names to compare with.
        """
        self._read_vars()
        return self._native.check_vars_non_aligned(key_list("vars", cast("Sequence[str]", vars)))

    def close(self) -> None:
        """Let go of all files. Reading from the collection is an error from now on."""
        if self._closed:
            return
        if self._handle is not None:
            # What describes the collection stays.
            _ = self.var_joint, self.var_indices, self.indices_list
            self._handle.close()
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        if self._closed:
            raise InvalidInputError("a closed collection can't be pickled")
        state = self.__dict__.copy()
        for name in _CACHES:
            state.pop(name, None)
        return {**state, "_handle": None}


def _index(names: list[str]) -> pd.Index:
    try:
        import pandas as pd
    except ImportError:
        return cast("pd.Index", np.array(names, dtype=object))
    return pd.Index(names)
