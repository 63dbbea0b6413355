"""The mapped collection: many AnnData files as one dataset that is indexed by observation."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, TypeAlias, cast, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

from anndex import _arguments as arguments
from anndex import _loader_options as loader_options
from anndex import _torch
from anndex._anndex import Mapped
from anndex._arguments import AnyPath
from anndex._checks import choice, flag
from anndex._indices import counted_from_end, numbers
from anndex._loader import Loader
from anndex._mapped_options import MappedOptions
from anndex._opened import OpenedFiles
from anndex._sample import Sample, SampleBatch
from anndex.errors import InvalidInputError

if TYPE_CHECKING:
    from torch.utils.data import Dataset

    from anndex._anndex import Record

    # What a DataLoader wants to be given, as far as type checkers are concerned.
    MapStyle: TypeAlias = Dataset[dict[str, Any]]
else:
    MapStyle = object

__all__ = ["MappedCollection"]


class MappedCollection(OpenedFiles, MapStyle):
    """Map-style dataset over many AnnData files, virtually concatenated.

    Nothing is concatenated or loaded: every sample or batch reads just its rows, with the
    interpreter lock released. A plain ``DataLoader(mapped, batch_size=128, shuffle=True)`` reads
    each batch in one call; worker processes of every start method work, too.

    Parameters
    ----------
    path_list : list of path-like
        The files (``.h5ad``) and directories (``.zarr``), in the order of their observations. What
        is at a URL (``s3://``, ``gs://``, ``az://``, ``https://`` and others) is read in place.
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
    cache_dir : path-like, optional
        Where matrices that are compressed by columns are kept after their conversion. Default: a
        directory of the user's cache.
    chunk_cache : int or str, default "128MiB"
        What decoded chunks may take that samples and batches come back to, in bytes. A `loader` has
        a budget of its own.
    stream_gap : int or str, default "64KiB"
        Ranges of an object at a URL are read by one request if no more bytes than this lie between
        them: more of it means fewer requests and more bytes.
    stream_requests : int, default 64
        How many requests are made to servers at the same time.
    names : list of str, optional
        What the files are called in warnings. Default: their paths.

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
    missing become float, with NaN. They are where a file lacks a column, which a warning says.

    Variables are given as `pandas.Index` where pandas is installed, else as object arrays.

    Examples
    --------
    >>> mapped = anndex.MappedCollection(["a.h5ad", "b.zarr"], obs_keys="cell_type")
    >>> mapped[0]["X"].shape == (mapped.n_vars,)
    True
    >>> loader = DataLoader(mapped, batch_size=128, shuffle=True)
    """

    path_list: list[str | os.PathLike[str]]
    layers_keys: list[str]
    obs_keys: list[str] | None
    obsm_keys: list[str] | None
    encode_labels: list[str] | Literal[False]
    unknown_label: Any
    parallel: bool

    def __init__(
        self,
        path_list: Sequence[str | os.PathLike[str]],
        layers_keys: str | Sequence[str] | None = None,
        obs_keys: str | Sequence[str] | None = None,
        obsm_keys: str | Sequence[str] | None = None,
        obs_filter: Mapping[str, Any] | None = None,
        join: Literal["inner", "outer"] | None = "inner",
        encode_labels: bool | list[str] = True,
        unknown_label: Any | dict[str, Any] | None = None,
        cache_categories: bool = True,
        parallel: bool = False,
        dtype: DTypeLike | None = None,
        *,
        cache_dir: AnyPath | None = None,
        chunk_cache: int | str = "128MiB",
        stream_gap: int | str = "64KiB",
        stream_requests: int = 64,
        names: Sequence[str] | None = None,
    ) -> None:
        paths = arguments.absolute_paths(path_list)
        options = MappedOptions(
            layers_keys=layers_keys,
            obs_keys=obs_keys,
            obsm_keys=obsm_keys,
            obs_filter=obs_filter,
            join=join,
            encode_labels=encode_labels,
            unknown_label=unknown_label,
            cache_categories=cache_categories,
            parallel=parallel,
            dtype=dtype,
            cache_dir=cache_dir,
            chunk_cache=chunk_cache,
            stream_gap=stream_gap,
            stream_requests=stream_requests,
            names=names,
        )
        native = options.native()
        self._hold(list(path_list), paths, options, native, Mapped(paths, native))

    @classmethod
    def _of_record(cls, record: Record, options: MappedOptions, stream: bool) -> MappedCollection:
        """Map the artifacts of a collection, as its registry finds them."""
        native = options.native()
        opened = record.mapped(native, stream)
        locations = opened.locations()
        # Workers that open it again find what was converted.
        directory = opened.cache_dir()
        native["cache_dir"] = None if directory is None else os.fspath(directory)
        mapped = cls.__new__(cls)
        given: list[str | os.PathLike[str]] = [
            path if "://" in path else Path(path) for path in locations
        ]
        mapped._hold(given, locations, options, native, opened)
        return mapped

    def _hold(
        self,
        path_list: list[str | os.PathLike[str]],
        paths: list[str],
        options: MappedOptions,
        native: arguments.Options,
        opened: Mapped,
    ) -> None:
        self.path_list = path_list
        self.layers_keys = native["layers_keys"]
        self.obs_keys = None if options.obs_keys is None else native["obs_keys"]
        self.obsm_keys = None if options.obsm_keys is None else native["obsm_keys"]
        self.encode_labels = native["encode_labels"] or False
        self.unknown_label = options.unknown_label
        self.parallel = options.parallel
        OpenedFiles.__init__(self, paths, native, opened)
        self._encoded = frozenset(self.encoders)

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
        try:
            row = operator.index(idx)  # type: ignore[arg-type]
        except TypeError:
            return self._batch(idx)
        if not 0 <= row < self.n_obs:
            row = counted_from_end(row, self.n_obs)
        if not _torch.registered:
            _torch.register()
        return (self._handle or self._native).sample(row)

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
        if not _torch.registered:
            _torch.register()
        rows = numbers(indices, self.n_obs)
        native = self._handle or self._native
        try:
            arrays = native.batch(rows)
        except InvalidInputError as error:
            if self._closed:
                raise
            # Rows that can't be stacked can still be had one by one.
            return SampleBatch(len(rows), samples=native.samples(rows), error=error)
        return SampleBatch(len(rows), arrays=arrays, encoded=self._encoded)

    def loader(
        self,
        batch_size: int = 1,
        shuffle: Literal["exact", "block"] | bool = False,
        *,
        sparse: bool = False,
        seed: int = 0,
        sampler: Any | None = None,
        drop_last: bool = False,
        rank: int | None = None,
        world_size: int | None = None,
        memory: int | str | None = None,
        to: Literal["torch", "numpy"] = "torch",
        block_size: int = 256,
        window_size: int = 16_384,
        threads: int = 0,
        pin_memory: bool | None = None,
    ) -> Loader:
        """Iterate batches that native threads read ahead.

        Parameters
        ----------
        batch_size : int, default 1
            Observations per batch.
        shuffle : {"exact", "block"} or bool, default False
            ``"exact"`` (or True) is a random permutation of all observations. ``"block"`` permutes
            blocks of `block_size` neighbours, and observations within windows of `window_size`,
            which reads less. A warning says what ``"exact"`` costs where `memory` does not hold
            enough.
        sparse : bool, default False
            Whether layers are given as CSR instead of dense.
        seed : int, default 0
            What is random depends on it and on the number of the epoch.
        sampler : WeightedSampler, torch's WeightedRandomSampler, or iterable of int, optional
            Which observations an epoch has. Default: all of them.
        drop_last : bool, default False
            Leave out the last batch if it is smaller; with several ranks, what is beyond the full
            batches that all of them have.
        rank, world_size : int, optional
            Which part of each epoch this process takes. Default: those of torch's default process
            group if there is one when a pass begins, else everything. All ranks have as many
            batches, and every observation is in one of them: where a rank has one more than fills
            its batches, the last batch of the others is cut in two, the second of which has one.
            Where there are too few for that, `drop_last` is asked for.
        memory : int or str, optional
            What is read ahead takes at most this, in bytes, beside two batches; but one batch is
            read whatever it takes. More of it means less to decode. A shuffled collection that
            fits is kept there. Default: ``"1GiB"``, of which dense batches of rows that are stored
            as they are take next to nothing: those are read again in each epoch.
        to : {"torch", "numpy"}, default "torch"
            What arrays are given as; sparse matrices as sparse CSR tensors, or SciPy's.
        block_size, window_size : int
            Observations of a block and of a window of ``shuffle="block"``.
        threads : int, default 0
            Threads that decode; 0 stands for the number of cores. No influence on what is loaded.
        pin_memory : bool, optional
            Whether tensors are in pinned memory. Default: if CUDA is there.

        Returns
        -------
        Loader
            An iterable of dicts.

        Examples
        --------
        >>> loader = mapped.loader(batch_size=128, shuffle="exact", seed=0)
        >>> for epoch in range(3):
        ...     for batch in loader:
        ...         train(batch["X"], batch["cell_type"])
        """
        choice("shuffle", shuffle, "exact", "block", True, False)
        follows_group = rank is None and world_size is None
        rank, world_size = loader_options.part(rank, world_size)
        options: loader_options.LoaderOptions = {
            "batch_size": arguments.number("batch_size", batch_size),
            "shuffle": "exact" if shuffle is True else shuffle or None,
            "seed": arguments.number("seed", seed),
            "block_size": arguments.number("block_size", block_size),
            "window_size": arguments.number("window_size", window_size),
            "weights": None,
            "replacement": True,
            "num_samples": None,
            "indices": None,
            "sparse": flag("sparse", sparse),
            "drop_last": flag("drop_last", drop_last),
            "rank": rank,
            "world_size": world_size,
            "memory": None if memory is None else arguments.byte_count(memory),
            "threads": arguments.number("threads", threads),
        }
        unknown = loader_options.add_sampler(options, sampler, self.n_obs, follows_group)
        return Loader(self, options, to, pin_memory, unknown, follows_group)

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(self.n_obs))

    def _batch(self, indices: Any) -> dict[str, NDArray[Any]]:
        """The arrays of many observations."""
        rows = numbers(indices, self.n_obs)
        return {key: _array(values) for key, values in self._native.batch(rows).items()}

    @classmethod
    def torch_worker_init_fn(cls, worker_id: int) -> None:
        """Do nothing, as ``worker_init_fn`` of a ``DataLoader``.

        Workers need no preparation. It is here for those who pass it.
        """


def _array(values: Any) -> NDArray[Any]:
    if isinstance(values, np.ndarray):
        return cast("NDArray[Any]", values)
    return np.array(values, dtype=object)
