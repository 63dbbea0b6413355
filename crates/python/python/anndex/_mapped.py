"""The mapped collection: many AnnData files as one dataset that is indexed by observation."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, cast, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

from anndex import _arguments as arguments
from anndex import _torch
from anndex._anndex import Mapped
from anndex._sample import Sample, SampleBatch
from anndex.errors import InvalidIndexError, InvalidInputError

if TYPE_CHECKING:
    import pandas as pd
    from typing_extensions import Self

__all__ = ["MappedCollection"]

_CACHES = ("indices", "indices_list", "storage_idx", "var_indices", "var_joint")


class MappedCollection:
    """Map-style dataset over many AnnData files, virtually concatenated.

    Nothing is concatenated or loaded: every sample or batch reads just its rows, with the
    interpreter lock released. A plain ``DataLoader(mapped, batch_size=128, shuffle=True)`` reads
    each batch in one call; worker processes of every start method work, too.

    Parameters
    ----------
    path_list : list of path-like
        The files (``.h5ad``) and directories (``.zarr``), in the order of their observations.
    layers_keys : str or list of str, optional
        The layers of each sample: ``"X"``, ``"raw.X"`` or names in ``layers``. Default: ``"X"``.
    obs_keys : str or list of str, optional
        The columns of ``obs`` in each sample. Default: none.
    obsm_keys : str or list of str, optional
        The matrices of ``obsm`` in each sample, under ``"obsm_<key>"``. Default: none.
    obs_filter : dict of str to value or list of values, optional
        Select the observations that have one of these values in each of these columns of
        ``obs``. NaN selects missing values.
    join : {"inner", "outer"} or None, default "inner"
        How the variables of the files are joined in ``X`` and ``layers``: those that all files
        have, those that any file has (values that a file lacks are 0), or not at all.
    encode_labels : bool or list of str, default True
        Whether labels are encoded into integers, or for which of `obs_keys`.
    unknown_label : str or dict of str to str, optional
        A label that is encoded as -1, or one per encoded key.
    cache_categories : bool, default True
        Keep the columns of `obs_keys` in memory, 4 bytes per observation and encoded key.
    parallel : bool, default False
        No effect: reads share no state between processes. It is here for those who pass it.
    dtype : str or dtype, optional
        Convert layers and obsm to this type. Default: as stored.

    Attributes
    ----------
    n_obs : int
        The number of observations, with `obs_filter` applied.
    n_vars : int or None
        The number of joined variables; None without a join.
    n_obs_list, n_vars_list : list of int
        The same for each file; `n_vars_list` is None as long as the variables were not read.
    join_vars : {"inner", "outer"} or None
        The join that is done; None if all files have the same variables.
    encoders : dict of str to dict
        The integer of each label, per encoded key.

    Raises
    ------
    anndex.errors.AnndexError
        A subclass that is also the builtin exception that fits: `FileNotFoundError`,
        `PermissionError`, `ValueError`, `TypeError`, `KeyError` for keys that no file has, or
        `NotImplementedError` for encodings that can't be read.

    See Also
    --------
    torch.utils.data.DataLoader : Takes this as its dataset.

    Notes
    -----
    A single index gives a sample, a dict. A slice or array of integers gives a batch: a dict of
    the same keys with arrays whose first axis are the observations.

    In a batch, a matrix has one dtype for the whole collection, and labels some of which are
    missing become float, with NaN.

    Variables are given as `pandas.Index` where pandas is installed, else as object arrays.

    Examples
    --------
    >>> mapped = anndex.MappedCollection(["a.h5ad", "b.zarr"], obs_keys="cell_type")
    >>> mapped[0]["X"].shape == (mapped.n_vars,)
    True
    >>> loader = DataLoader(mapped, batch_size=128, shuffle=True)
    """

    path_list: list[arguments.AnyPath]
    layers_keys: list[str]
    obs_keys: list[str] | None
    obsm_keys: list[str] | None
    encode_labels: list[str] | Literal[False]
    unknown_label: Any
    filtered: bool
    parallel: bool
    n_obs: int
    n_vars: int | None
    n_obs_list: list[int]
    n_vars_list: list[int] | None
    var_list: list[pd.Index] | None
    join_vars: Literal["inner", "outer"] | None
    encoders: dict[str, dict[Any, int]]

    def __init__(
        self,
        path_list: Sequence[arguments.AnyPath],
        layers_keys: arguments.Keys = None,
        obs_keys: arguments.Keys = None,
        obsm_keys: arguments.Keys = None,
        obs_filter: Mapping[str, Any] | None = None,
        join: Literal["inner", "outer"] | None = "inner",
        encode_labels: bool | list[str] = True,
        unknown_label: Any | dict[str, Any] | None = None,
        cache_categories: bool = True,
        parallel: bool = False,
        dtype: DTypeLike | None = None,
    ) -> None:
        self._paths = arguments.absolute_paths(path_list)
        self.path_list = list(path_list)
        self.layers_keys = arguments.key_list(
            "layers_keys", "X" if layers_keys is None else layers_keys
        )
        keys = arguments.key_list("obs_keys", obs_keys)
        self.obs_keys = None if obs_keys is None else keys
        obsm = arguments.key_list("obsm_keys", obsm_keys)
        self.obsm_keys = None if obsm_keys is None else obsm
        if isinstance(encode_labels, (list, tuple)):
            encoded = arguments.key_list("encode_labels", encode_labels)
        else:
            encoded = keys if encode_labels else []
        self.encode_labels = encoded or False
        self.unknown_label = unknown_label
        self.filtered = obs_filter is not None
        self.parallel = parallel
        if join not in (None, "inner", "outer"):
            raise InvalidInputError(f'join must be "inner", "outer" or None, but is {join!r}')
        self._join = join
        self._options: arguments.Options = {
            "layers_keys": self.layers_keys,
            "obs_keys": keys,
            "obsm_keys": obsm,
            "obs_filter": arguments.conditions(obs_filter),
            "join": join,
            "encode_labels": encoded,
            "unknown_label": arguments.unknown_label(unknown_label),
            "cache_categories": bool(cache_categories),
            "dtype": arguments.dtype_name(dtype),
            "cache_dir": None,
        }
        self._closed = False
        self._handle: Mapped | None = Mapped(self._paths, self._options)
        for notice in self._native.notices():
            warnings.warn(notice, UserWarning, stacklevel=2)
        shapes = self._native.shapes()
        self.n_obs_list = [n_obs for n_obs, _ in shapes]
        self.n_obs = sum(self.n_obs_list)
        self.n_vars_list = None
        self.var_list = None
        self.n_vars = None
        # A join that has nothing to do is none, as in lamindb.
        self.join_vars = self._join if self._native.join() else None
        self.encoders = self._native.encoders()
        if self._join is not None:
            self._read_vars()
            self.n_vars = self._native.n_vars()

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

    def __len__(self) -> int:
        return self.n_obs

    def __repr__(self) -> str:
        state = ", closed" if self._closed else ""
        return (
            f"{type(self).__name__}({self.n_obs} observations × {self.n_vars} variables "
            f"in {len(self._paths)} files{state})"
        )

    @overload
    def __getitem__(self, idx: SupportsIndex) -> Sample: ...
    @overload
    def __getitem__(self, idx: slice | Sequence[int] | NDArray[Any]) -> dict[str, NDArray[Any]]: ...
    def __getitem__(
        self, idx: SupportsIndex | slice | Sequence[int] | NDArray[Any]
    ) -> Sample | dict[str, NDArray[Any]]:
        """Read one observation, or a batch of them.

        Parameters
        ----------
        idx : int, slice, or array of int or bool
            Negative numbers count from the end.

        Returns
        -------
        Sample or dict of str to ndarray
            A sample for an integer; for others a batch, in the order asked for.

        Raises
        ------
        IndexError
            If an index is out of range, or no index.
        """
        _torch.register()
        if isinstance(idx, slice):
            rows = np.arange(*idx.indices(self.n_obs), dtype=np.int64)
        else:
            try:
                row = operator.index(idx)  # type: ignore[arg-type]
            except TypeError:
                rows = self._rows(idx)
            else:
                if not -self.n_obs <= row < self.n_obs:
                    raise self._out_of_range(row)
                return Sample(self._native.sample(row % self.n_obs))
        batch = self._native.batch(rows)
        return {key: _array(values) for key, values in batch.items()}

    def __getitems__(self, indices: Sequence[int] | NDArray[Any]) -> SampleBatch:
        """Read many observations in one call, as a ``DataLoader`` does.

        Parameters
        ----------
        indices : sequence of int
            Negative numbers count from the end.

        Returns
        -------
        SampleBatch
            A sequence of samples in the same order, which torch collates without a copy.
        """
        _torch.register()
        rows = self._rows(indices)
        try:
            arrays = self._native.batch(rows)
        except InvalidInputError as error:
            if self._closed:
                raise
            # Rows that can't be stacked can still be had one by one.
            samples = [Sample(sample) for sample in self._native.samples(rows)]
            return SampleBatch(len(rows), samples=samples, error=error)
        return SampleBatch(len(rows), arrays=arrays, encoded=frozenset(self.encoders))

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(self.n_obs))

    def _rows(self, indices: Any) -> NDArray[np.int64]:
        """Indices of any kind as numbers from 0, after checking them."""
        rows = np.asarray(indices)
        if rows.ndim == 1 and rows.dtype == bool and len(rows) == self.n_obs:
            return np.flatnonzero(rows)
        if rows.ndim != 1 or (rows.dtype.kind not in "iu" and rows.size):
            raise InvalidIndexError(
                "observations are indexed by an integer, a slice or an array of integers, "
                f"but not by {indices!r}"
            )
        rows = rows.astype(np.int64, copy=False)
        wrong = (rows < -self.n_obs) | (rows >= self.n_obs)
        if wrong.any():
            raise self._out_of_range(int(rows[wrong][0]))
        return np.where(rows < 0, rows + self.n_obs, rows)

    def _out_of_range(self, index: int) -> InvalidIndexError:
        return InvalidIndexError(
            f"the observation {index} is out of range: there are {self.n_obs}"
        )

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
        keys = arguments.key_list("obs_keys", obs_keys)
        if return_categories:
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
        return self._native.merged_labels(label_key)

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
        return self._native.merged_categories(label_key)

    def check_vars_sorted(self, ascending: bool = True) -> bool:
        """Check whether the variables of every file are sorted.

        Parameters
        ----------
        ascending : bool, default True
            The order.
        """
        self._read_vars()
        return self._native.check_vars_sorted(ascending)

    def check_vars_non_aligned(self, vars: pd.Index | Sequence[str]) -> list[int]:
        """Get the positions of the files whose variables are not exactly these, in this order.

        Parameters
        ----------
        vars : pandas.Index or sequence of str
            The names to compare with.
        """
        self._read_vars()
        return self._native.check_vars_non_aligned([str(name) for name in vars])

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

    @classmethod
    def torch_worker_init_fn(cls, worker_id: int) -> None:
        """Do nothing, as ``worker_init_fn`` of a ``DataLoader``.

        Workers need no preparation. It is here for those who pass it.
        """


def _index(names: list[str]) -> pd.Index:
    try:
        import pandas as pd
    except ImportError:
        return cast("pd.Index", np.array(names, dtype=object))
    return pd.Index(names)


def _array(values: Any) -> NDArray[Any]:
    if isinstance(values, np.ndarray):
        return cast("NDArray[Any]", values)
    return np.array(values, dtype=object)
