"""Arguments of `MappedCollection.loader` in the form that the native module takes."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anndex._checks import explained, flag, number, shown
from anndex.errors import InvalidInputError, InvalidTypeError

__all__ = [
    "LoaderOptions",
    "WeightedSampler",
    "add_sampler",
    "given_indices",
    "is_sequential",
    "part",
]


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
    memory: int | None
    threads: int


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


def is_sequential(sampler: Any) -> bool:
    """Whether a sampler is torch's that has the same order in each epoch."""
    return type(sampler).__name__ == "SequentialSampler"


def add_sampler(
    options: LoaderOptions, sampler: Any, n_obs: int, follows_group: bool
) -> Iterable[int] | None:
    """Write a sampler into the options, or give it back if only its indices are known."""
    if sampler is None:
        return None
    if getattr(sampler, "num_replicas", 1) > 1 and (follows_group or options["world_size"] > 1):
        # A part of the part would be left, and nobody would have the rest.
        raise InvalidInputError(
            f"{type(sampler).__name__} divides an epoch among ranks, and so does the loader; leave "
            "it out, or give rank=0 and world_size=1"
        )
    if isinstance(sampler, WeightedSampler) or type(sampler).__name__ == "WeightedRandomSampler":
        # torch's has the same attributes.
        with explained("the weights of a sampler are a number for each observation"):
            weights = np.asarray(sampler.weights, dtype=np.float64)
        if weights.ndim != 1:
            raise InvalidInputError("the weights of a sampler are a list or array of numbers")
        options["weights"] = weights.tolist()
        options["replacement"] = flag("replacement", sampler.replacement)
        drawn = sampler.num_samples
        options["num_samples"] = None if drawn is None else number("num_samples", drawn)
        return None
    if isinstance(sampler, (Sequence, np.ndarray)):
        options["indices"] = _indices(sampler, n_obs)
        return None
    if isinstance(sampler, Iterable):
        return cast("Iterable[int]", sampler)
    raise InvalidTypeError(f"sampler must give indices, but is {shown(sampler)}")


def given_indices(sampler: Iterable[Any]) -> list[int]:
    """What a sampler gives, as it comes."""
    with explained("a sampler gives integers"):
        return [number("each index of a sampler", index) for index in sampler]


def part(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """Give rank and world size: what was said, else those of torch's default process group."""
    if (rank is None) != (world_size is None):
        raise InvalidInputError("give both rank and world_size, or neither")
    if rank is not None and world_size is not None:
        return number("rank", rank), number("world_size", world_size)
    distributed: Any = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def _indices(sampler: Any, n_obs: int) -> list[int]:
    with explained("a sampler of indices is a list or array of integers"):
        indices: NDArray[Any] = np.asarray(sampler)
    if indices.ndim != 1 or (indices.size and indices.dtype.kind not in "iu"):
        raise InvalidInputError("a sampler of indices must be a list or array of integers")
    indices = np.where(indices < 0, indices + n_obs, indices)
    if (indices < 0).any():
        raise InvalidInputError(f"an index of the sampler is out of range: there are {n_obs}")
    return [int(index) for index in indices]
