"""Batches of a mapped collection for training loops, read ahead by native threads."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anndex import _anndex as native
from anndex.errors import (
    InvalidInputError,
    InvalidTypeError,
    MissingPackageError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from anndex._mapped import MappedCollection

__all__ = ["Loader", "LoaderOptions", "LoaderState", "WeightedSampler", "made"]


class LoaderOptions(TypedDict):
    """The parameters of the native module's `Loader`."""

    batch_size: int
    shuffle: str | None
    seed: int
    block_size: int
    window_size: int
    weights: list[float] | None
    replacement: bool
    num_samples: int | None
    indices: list[int] | None
    sparse: bool
    drop_last: bool
    rank: int
    world_size: int
    memory: int
    threads: int


class LoaderState(TypedDict):
    """How far a `Loader` is, as plain numbers."""

    epoch: int
    batch: int
    digest: int


@dataclass(frozen=True)
class WeightedSampler:
    """Draw observations at random, each with a probability in proportion to its weight.

    Parameters
    ----------
    weights : array of float
        One weight per observation, such as ``mapped.get_label_weights("cell_type")``, which
        balances labels.
    num_samples : int, optional
        How many are drawn in an epoch. Default: as many as there are observations.
    replacement : bool, default True
        Whether an observation can be drawn more than once.
    """

    weights: ArrayLike
    num_samples: int | None = None
    replacement: bool = True


class Loader:
    """Batches of a mapped collection, epoch after epoch; made by `MappedCollection.loader`.

    Every ``for`` loop over it is a pass over one epoch, the next one each time. Native threads read
    and decode ahead, in an order that depends on nothing but `seed` and the number of the epoch.

    Notes
    -----
    A batch is a dict with the keys of samples. Dense matrices are arrays of observations ×
    variables; sparse ones are CSR. Labels are integers, or lists of text if they are not encoded.
    """

    def __init__(
        self,
        mapped: MappedCollection,
        options: LoaderOptions,
        to: Literal["torch", "numpy"],
        pin_memory: bool | None,
        sampler: Iterable[int] | None,
    ) -> None:
        if to not in ("torch", "numpy"):
            raise InvalidInputError(f'to must be "torch" or "numpy", but is {to!r}')
        self._mapped = mapped
        self._options = options
        self._to = to
        self._sampler = sampler
        self._torch = _package("torch") if to == "torch" else None
        if pin_memory is None:
            pin_memory = to == "torch" and bool(self._torch.cuda.is_available())
        if pin_memory and to != "torch":
            raise InvalidInputError('memory is pinned for torch only; leave out to="numpy"')
        self._pin_memory = pin_memory
        self._handle = self._made()

    def _made(self) -> native.Loader:
        if self._sampler is not None:
            indices = [int(index) for index in self._sampler]
            self._options = {**self._options, "indices": indices}
        return self._mapped._native.loader(self._options)

    @property
    def batch_size(self) -> int:
        """Observations per batch."""
        return self._options["batch_size"]

    def __len__(self) -> int:
        """Give the number of batches in an epoch."""
        return self._handle.n_batches()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Pass over an epoch: the next one, or where `load_state_dict` has put the loader."""
        if self._sampler is not None:
            # A sampler has another order in each epoch.
            self._handle = self._made()
        epoch = self._handle.epoch()
        try:
            while (batch := epoch.next()) is not None:
                yield {key: self._converted(values) for key, values in batch.items()}
        finally:
            epoch.close()

    def state_dict(self) -> LoaderState:
        """Say how far the loader is: which batches were handed out, not what was read ahead.

        Raises
        ------
        anndex.errors.UnsupportedError
            If the loader has a sampler whose order it does not know.
        """
        self._check_resumable()
        epoch, batch, digest = self._handle.state()
        return {"epoch": epoch, "batch": batch, "digest": digest}

    def load_state_dict(self, state_dict: LoaderState) -> None:
        """Have the next pass go on where a loader with the same parameters was.

        Raises
        ------
        anndex.errors.InvalidInputError
            If the state is of a loader with other parameters.
        anndex.errors.UnsupportedError
            If the loader has a sampler whose order it does not know.
        """
        self._check_resumable()
        try:
            state = (state_dict["epoch"], state_dict["batch"], state_dict["digest"])
        except (KeyError, TypeError):
            raise InvalidInputError(f"this is no state of a loader: {state_dict!r}") from None
        self._handle.load_state(*state)

    def set_epoch(self, epoch: int) -> None:
        """Have the next pass be over epoch number `epoch`, from its beginning."""
        self._handle.set_epoch(epoch)

    def _check_resumable(self) -> None:
        if self._sampler is not None:
            raise UnsupportedError(
                "the order of a sampler can't be entered in the middle; use shuffle, an array of "
                "indices or anndex.WeightedSampler to resume an epoch"
            )

    def _converted(self, values: Any) -> Any:
        if isinstance(values, tuple):
            return self._sparse(*values)
        if self._to == "numpy" or not isinstance(values, np.ndarray) or values.dtype == object:
            return values
        return self._pinned(self._torch.from_numpy(values))

    def _sparse(
        self,
        data: NDArray[Any],
        indices: NDArray[Any],
        indptr: NDArray[Any],
        shape: tuple[int, int],
    ) -> Any:
        # Both want one type for columns and row pointers.
        if len(data) <= np.iinfo(np.int32).max:
            indptr = indptr.astype(np.int32)
        else:
            indices = indices.astype(np.int64)
        if self._to == "numpy":
            matrix = _package("scipy.sparse").csr_matrix(shape, dtype=data.dtype)
            # Its constructor would check what is known to be right, value by value.
            matrix.data, matrix.indices, matrix.indptr = data, indices, indptr
            return matrix
        from_numpy = self._torch.from_numpy
        return self._torch.sparse_csr_tensor(
            self._pinned(from_numpy(indptr)),
            self._pinned(from_numpy(indices)),
            self._pinned(from_numpy(data)),
            size=shape,
            check_invariants=False,
        )

    def _pinned(self, tensor: Any) -> Any:
        return tensor.pin_memory() if self._pin_memory else tensor

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} batches of {self.batch_size} from {self._mapped})"

    def __getstate__(self) -> dict[str, Any]:
        state = {**self.__dict__, "_handle": None, "_torch": None}
        state["_passed"] = None if self._sampler is not None else self.state_dict()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        passed: LoaderState | None = state.pop("_passed")
        self.__dict__.update(state)
        self._torch = _package("torch") if self._to == "torch" else None
        self._handle = self._made()
        if passed is not None:
            self.load_state_dict(passed)


def made(
    mapped: MappedCollection,
    *,
    batch_size: int,
    shuffle: str | bool,
    sparse: bool,
    seed: int,
    sampler: Any,
    drop_last: bool,
    rank: int | None,
    world_size: int | None,
    memory: int | str,
    to: Literal["torch", "numpy"],
    block_size: int,
    window_size: int,
    threads: int,
    pin_memory: bool | None,
) -> Loader:
    """Make a loader of the arguments of `MappedCollection.loader`."""
    if shuffle not in ("exact", "block", True, False):
        raise InvalidInputError(
            f'shuffle must be "exact", "block" or False, but is {shuffle!r}'
        )
    if (rank is None) != (world_size is None):
        raise InvalidInputError("give both rank and world_size, or neither")
    if rank is None or world_size is None:
        rank, world_size = _distributed()
    options: LoaderOptions = {
        "batch_size": _number("batch_size", batch_size),
        "shuffle": "exact" if shuffle is True else shuffle or None,
        "seed": _number("seed", seed),
        "block_size": _number("block_size", block_size),
        "window_size": _number("window_size", window_size),
        "weights": None,
        "replacement": True,
        "num_samples": None,
        "indices": None,
        "sparse": bool(sparse),
        "drop_last": bool(drop_last),
        "rank": _number("rank", rank),
        "world_size": _number("world_size", world_size),
        "memory": _bytes(memory),
        "threads": _number("threads", threads),
    }
    unknown: Iterable[int] | None = None
    if sampler is None:
        pass
    elif isinstance(sampler, WeightedSampler) or type(sampler).__name__ == "WeightedRandomSampler":
        # torch's has the same attributes.
        options["weights"] = np.asarray(sampler.weights, dtype=np.float64).tolist()
        options["replacement"] = bool(sampler.replacement)
        options["num_samples"] = sampler.num_samples
    elif isinstance(sampler, (Sequence, np.ndarray)):
        options["indices"] = _indices(sampler, mapped.n_obs)
    elif isinstance(sampler, Iterable):
        unknown = sampler
    else:
        raise InvalidTypeError(f"sampler must give indices, but is {sampler!r}")
    return Loader(mapped, options, to, pin_memory, unknown)


def _package(name: str) -> Any:
    """Import an optional package, of which the types say little."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise MissingPackageError(
            f"these batches need {package}, which can't be imported ({error}); pip install {package}"
        ) from None


def _distributed() -> tuple[int, int]:
    """Give the rank and world size of torch's default process group, if there is one."""
    distributed: Any = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def _number(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
        raise InvalidInputError(f"{name} must be an integer from 0, but is {value!r}")
    return int(value)


def _indices(sampler: Any, n_obs: int) -> list[int]:
    indices = np.asarray(sampler)
    if indices.ndim != 1 or (indices.size and indices.dtype.kind not in "iu"):
        raise InvalidInputError("a sampler of indices must be a list or array of integers")
    indices = np.where(indices < 0, indices + n_obs, indices)
    if (indices < 0).any():
        raise InvalidInputError(f"an index of the sampler is out of range: there are {n_obs}")
    return [int(index) for index in indices]


_UNITS = {"": 1, "B": 1}
_UNITS |= {f"{unit}iB": 1 << 10 * power for power, unit in enumerate("KMGT", 1)}
_UNITS |= {f"{unit}B": 1000**power for power, unit in enumerate("KMGT", 1)}


def _bytes(memory: int | str) -> int:
    """Read a number of bytes, such as ``"2GiB"``."""
    if not isinstance(memory, str):
        return _number("memory", memory)
    matched = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", memory.strip())
    if matched is None or matched[2] not in _UNITS:
        raise InvalidInputError(
            f'memory must be bytes, such as 500_000_000, "500MB" or "2GiB", but is {memory!r}'
        )
    return int(float(matched[1]) * _UNITS[matched[2]])
