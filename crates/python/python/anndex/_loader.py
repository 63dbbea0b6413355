"""Batches of a mapped collection for training loops, read ahead by native threads."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from anndex import _anndex as native
from anndex._checks import choice, explained, flag, number, shown
from anndex._loader_options import LoaderOptions, given_indices, is_sequential, part
from anndex._order import BatchOrder, Order, order
from anndex._sample import Sample, SampleBatch
from anndex._warning import warn
from anndex.errors import InvalidInputError, MissingPackageError, UnsupportedError

if TYPE_CHECKING:
    from anndex._mapped import MappedCollection

__all__ = ["Loader", "LoaderState"]


CsrParts: TypeAlias = tuple[NDArray[Any], NDArray[Any], NDArray[Any], tuple[int, int]]


class LoaderState(TypedDict):
    """How far a `Loader` is, as plain numbers."""

    epoch: int
    batch: int
    digest: int


class Loader:
    """Batches of a mapped collection, epoch after epoch; made by `MappedCollection.loader`.

    Every ``for`` loop over it is a pass over one epoch, the next one each time. Native threads read
    and decode ahead, in an order that depends on nothing but `seed` and the number of the epoch.

    Notes
    -----
    A batch is a dict with the keys of samples. Dense matrices are arrays of observations ×
    variables; sparse ones are CSR. Labels are integers, or lists of text if they are not encoded.

    It has the attributes of a ``DataLoader`` that trainers look for. What they make of these, such
    as ``accelerate.skip_first_batches``, has the same batches, but is read by torch. Lightning's
    ``overfit_batches`` needs ``shuffle=False``, and refuses a loader that is shuffled.
    """

    num_workers = 0
    """Threads read ahead, and not processes."""
    timeout = 0
    worker_init_fn: Callable[[int], None] | None = None
    multiprocessing_context: Any = None
    generator: Any = None
    prefetch_factor: int | None = None
    persistent_workers = False
    pin_memory_device = ""

    def __init__(
        self,
        mapped: MappedCollection,
        options: LoaderOptions,
        to: Literal["torch", "numpy"],
        pin_memory: bool | None,
        sampler: Iterable[int] | None,
        follows_group: bool,
    ) -> None:
        choice("to", to, "torch", "numpy")
        flag("pin_memory", pin_memory, optional=True)
        self._mapped = mapped
        self._options = options
        # Whether the part of the epoch is that of this process in torch's default process group.
        self._follows_group = follows_group
        self._to = to
        self._sampler = sampler
        # None is never asked for anything.
        self._torch: Any = _package("torch") if to == "torch" else None
        if pin_memory is None:
            pin_memory = to == "torch" and bool(_package("torch").cuda.is_available())
        if pin_memory and to != "torch":
            raise InvalidInputError('memory is pinned for torch only; leave out to="numpy"')
        self._pin_memory = pin_memory
        self._handle = self._made()

    def _made(self) -> native.Loader:
        if self._sampler is not None:
            self._options["indices"] = given_indices(self._sampler)
        return self._mapped._native.loader(self._options)  # pyright: ignore[reportPrivateUsage]

    def _native(self) -> native.Loader:
        """Give the native loader of this process's part of the epoch.

        Trainers are given loaders before they start a process group. Without another look, every
        rank would then train on everything.
        """
        if self._follows_group:
            rank, world_size = part(None, None)
            if (rank, world_size) != (self._options["rank"], self._options["world_size"]):
                self._options["rank"], self._options["world_size"] = rank, world_size
                self._handle = self._made()
        return self._handle

    @property
    def dataset(self) -> MappedCollection:
        """The collection that it loads."""
        return self._mapped

    @property
    def batch_size(self) -> int:
        """Observations per batch."""
        return self._options["batch_size"]

    @property
    def drop_last(self) -> bool:
        """Whether a smaller last batch is left out."""
        return self._options["drop_last"]

    @property
    def pin_memory(self) -> bool:
        """Whether tensors are in pinned memory."""
        return self._pin_memory

    @property
    def sampler(self) -> Order:
        """The observations of this process's part of each epoch, one by one.

        It is one of torch's ``SequentialSampler`` if they are the same in each epoch.
        """
        options = self._options
        is_drawn = options["shuffle"] is not None or options["weights"] is not None
        is_unknown = not (self._sampler is None or is_sequential(self._sampler))
        return order(self, not (is_drawn or is_unknown))

    @property
    def batch_sampler(self) -> BatchOrder:
        """The observations of each batch of this process's part of each epoch."""
        return BatchOrder(self)

    @property
    def n_obs(self) -> int:
        """The number of observations of this process's part of an epoch."""
        return self._native().n_obs()

    def __len__(self) -> int:
        """Give the number of batches in an epoch."""
        return self._native().n_batches()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Pass over an epoch: the next one, or where `load_state_dict` has put the loader."""
        epoch = self._next_handle().epoch()
        number = 0
        try:
            while (batch := epoch.next()) is not None:
                number += 1
                # What the order costs is known once the first batch was seen.
                if number == 2 and (notice := self._handle.notice()) is not None:
                    warn(notice)
                yield {key: self._converted(values) for key, values in batch.items()}
        finally:
            epoch.close()

    def pass_in_indices(self) -> Iterator[list[int]]:
        """Pass over an epoch as by iterating, but give the observations of each batch.

        The next pass is over the next epoch, also if this one is left early.
        """
        handle = self._next_handle()
        epoch, first = handle.next_pass()
        handle.set_epoch(epoch + 1)
        for batch in range(first, handle.n_batches()):
            yield handle.batch_indices(epoch, batch)

    def collate_fn(self, samples: Sequence[Sample]) -> dict[str, Any]:
        """Make one batch of samples of `dataset`, as the loader has it."""
        if isinstance(samples, SampleBatch):
            arrays = samples.arrays
        else:
            with explained("collate_fn takes a list of samples of the dataset"):
                arrays = {key: _stacked([sample[key] for sample in samples]) for key in samples[0]}
        sparse = self._mapped.layers_keys if self._options["sparse"] else ()
        # Memory is pinned by the process that this may be a worker of.
        return {
            key: self._converted(_csr(values) if key in sparse else values, pins=False)
            for key, values in arrays.items()
        }

    def state_dict(self) -> LoaderState:
        """Say how far the loader is: which batches were handed out, not what was read ahead.

        It is the same for all ranks of a process group, so that the state of one is enough.

        Raises
        ------
        anndex.errors.UnsupportedError
            If the loader has a sampler whose order it does not know.
        """
        self._check_resumable()
        epoch, batch, digest = self._native().state()
        return {"epoch": epoch, "batch": batch, "digest": digest}

    def load_state_dict(self, state_dict: LoaderState) -> None:
        """Have the next pass go on where a loader with the same parameters was.

        Where that had handed out the last batch of its epoch, the next pass is over the next one:
        trainers count batches, and do not ask for one more to find that there is none.

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
        except (KeyError, TypeError, IndexError):
            raise InvalidInputError(
                f"a state of a loader has epoch, batch and digest, but this is {shown(state_dict)}"
            ) from None
        state = (number("epoch", state[0]), number("batch", state[1]), number("digest", state[2]))
        handle = self._native()
        handle.load_state(*state)
        epoch, batch, _ = state
        if 0 < batch == handle.n_batches():
            handle.set_epoch(epoch + 1)

    def set_epoch(self, epoch: int) -> None:
        """Have the next pass be over epoch number `epoch`, from its beginning."""
        self._native().set_epoch(number("epoch", epoch))

    def _next_handle(self) -> native.Loader:
        """Give the native loader for another pass."""
        handle = self._native()
        if self._sampler is not None:
            # A sampler has another order in each epoch.
            handle = self._handle = self._made()
        return handle

    def _check_resumable(self) -> None:
        if self._sampler is not None:
            raise UnsupportedError(
                "the order of a sampler can't be entered in the middle; use shuffle, an array of "
                "indices or anndex.WeightedSampler to resume an epoch"
            )

    def _converted(self, values: Any, pins: bool = True) -> Any:
        if isinstance(values, tuple):
            return self._sparse(*cast("CsrParts", values), pins)
        if self._to == "numpy" or not isinstance(values, np.ndarray):
            return values
        array = cast("NDArray[Any]", values)
        return array if array.dtype == object else self._tensor(array, pins)

    def _sparse(
        self,
        data: NDArray[Any],
        indices: NDArray[Any],
        indptr: NDArray[Any],
        shape: tuple[int, int],
        pins: bool,
    ) -> Any:
        # Both want one type for columns and row pointers.
        if len(data) <= np.iinfo(np.int32).max:
            indptr = indptr.astype(np.int32)
        else:
            indices = indices.astype(np.int64)
        if self._to == "numpy":
            if data.dtype == np.float16:
                raise UnsupportedError(
                    "SciPy has no sparse matrices of float16; map the collection with "
                    'dtype="float32", or have the loader give tensors (to="torch")'
                )
            matrix = _package("scipy.sparse").csr_matrix(shape, dtype=data.dtype)
            # Its constructor would check what is known to be right, value by value.
            matrix.data, matrix.indices, matrix.indptr = data, indices, indptr
            return matrix
        parts = [self._tensor(part, pins) for part in (indptr, indices, data)]
        return _package("torch").sparse_csr_tensor(*parts, size=shape, check_invariants=False)

    def _tensor(self, array: NDArray[Any], pins: bool) -> Any:
        tensor = self._torch.from_numpy(array)
        if not (pins and self._pin_memory):
            return tensor
        with explained("memory can't be pinned; use pin_memory=False", UnsupportedError):
            return tensor.pin_memory()

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self)} batches of {self.batch_size} from {self._mapped})"
        )

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


def _stacked(values: list[Any]) -> Any:
    """Values of samples as a batch has them: an array, or a list where some are text."""
    return values if any(isinstance(value, str) for value in values) else np.array(values)


def _csr(rows: NDArray[Any]) -> CsrParts:
    """The parts of a sparse matrix."""
    in_rows, columns = np.nonzero(rows)
    counts = np.bincount(in_rows, minlength=len(rows))
    indptr = np.concatenate([[0], np.cumsum(counts)])
    return rows[in_rows, columns], columns.astype(np.int32), indptr, (len(rows), rows.shape[1])


def _package(name: str) -> Any:
    """Import an optional package, of which the types say little."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise MissingPackageError(
            f"these batches need {package}, which can't be imported ({error}); "
            f"pip install {package}"
        ) from None
