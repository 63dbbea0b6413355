"""Preparing a collection: its files written anew for the fastest epochs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from numpy.typing import DTypeLike

from anndex import _anndex as native
from anndex import _arguments as arguments
from anndex._arguments import AnyPath, Keys
from anndex._checks import choice, shown, text
from anndex._registry.data import Data, run_argument
from anndex._registry.paths import local_path
from anndex._warning import warn
from anndex.errors import InvalidTypeError

if TYPE_CHECKING:
    from typing_extensions import Self

    from anndex._registry.run import Run

__all__ = ["Preparable"]


class Preparable(Data):
    """A dataset that can be prepared."""

    __slots__ = ()

    def prepare(
        self,
        directory: AnyPath,
        *,
        shuffle: Literal["exact", "block"] | bool = "exact",
        seed: int = 0,
        layers_keys: Keys = "X",
        obsm_keys: Keys = None,
        obs_keys: Keys = None,
        join: Literal["inner", "outer"] | None = "inner",
        dtype: DTypeLike | None = None,
        rows_per_file: int = 1_048_576,
        memory: int | str = "1GiB",
        block_size: int = 256,
        window_size: int = 65_536,
        threads: int = 0,
        name: str | None = None,
        description: str | None = None,
        run: Run | bool | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> Self:
        """Write the collection anew for the fastest epochs: shuffled, joined, in sharded Zarr.

        The files are AnnData, the directory is a collection for annbatch (best with a name that
        ends in ``.zarr``), and both are registered where they are. Stopped at any point, the same
        call continues; done before, it gives the known collection.

        Parameters
        ----------
        directory : path-like
            Where the files are written; it is made if it does not exist. Outside of all storages
            it becomes one.
        shuffle : {"exact", "block"} or bool, default "exact"
            ``"exact"`` (or True) is a random permutation of all observations. ``"block"`` permutes
            blocks of `block_size` neighbours, and observations within windows of `window_size`,
            which reads a collection that is much larger than `memory` only once.
        seed : int, default 0
            Each gives another order.
        layers_keys : str or list of str, default "X"
            Matrices to write as CSR: ``"X"`` or names in `layers`.
        obsm_keys : str or list of str, optional
            Matrices of `obsm` to write.
        obs_keys : str or list of str, optional
            Columns of `obs` to write. Default: all that any file has.
        join : {"inner", "outer"} or None, default "inner"
            How variables are joined; None if all files have the same.
        dtype : dtype, optional
            Convert matrices to this. Default: as stored.
        rows_per_file : int, default 1_048_576
            Observations of a file, at most.
        memory : int or str, default "1GiB"
            The memory that it may take. More of it means less to decode.
        block_size, window_size : int
            Observations of a block and of a window of ``shuffle="block"``.
        threads : int, default 0
            Threads that decode; 0 stands for the number of cores. No influence on what is written.
        name : str, optional
            The name of the new collection. Default: that of this one and "(prepared)".
        description : str, optional
            The description of the new collection.
        run : Run or bool, optional
            The run that creates it, with this collection as input. Default: the current one, or a
            new one of the transform "anndex prepare"; False for none.
        progress : callable, optional
            Called now and then with the observations that are written and that there are. It must
            not use the registry.

        Returns
        -------
        Collection
            The new collection, saved.

        Examples
        --------
        >>> prepared = collection.prepare("cells-fast.zarr", join="outer", seed=0)
        >>> loader = prepared.mapped().loader(batch_size=4096, shuffle="block", sparse=True)
        """
        choice("shuffle", shuffle, "exact", "block", True, False)
        text("name", name, optional=True)
        text("description", description, optional=True)
        if progress is not None and not callable(progress):
            raise InvalidTypeError(f"progress must be callable, but is {shown(progress)}")
        record, notices = native.prepare(
            self._saved(),
            {
                "directory": local_path(directory),
                "shuffle": "exact" if shuffle is True else shuffle or None,
                "seed": arguments.number("seed", seed),
                "block_size": arguments.number("block_size", block_size),
                "window_size": arguments.number("window_size", window_size),
                "layers_keys": arguments.key_list("layers_keys", layers_keys),
                "obsm_keys": arguments.key_list("obsm_keys", obsm_keys),
                "obs_keys": None if obs_keys is None else arguments.key_list("obs_keys", obs_keys),
                "join": choice("join", join, "inner", "outer", None),
                "dtype": arguments.dtype_name(dtype),
                "rows_per_file": arguments.number("rows_per_file", rows_per_file),
                "memory": arguments.byte_count(memory),
                "threads": arguments.number("threads", threads),
                "name": name,
                "description": description,
                "run": run_argument("run", run),
            },
            progress,
        )
        for notice in notices:
            warn(notice)
        return type(self)._from_native(record, self._instance)
