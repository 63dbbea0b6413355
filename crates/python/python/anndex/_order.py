"""The order of a loader's observations, in the form of the samplers of a ``DataLoader``.

Trainers that replace a part of a ``DataLoader``, as accelerate does to skip batches, make one of
its dataset, batch sampler and collate function. Made of those of a loader, it has the same batches.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anndex._loader import Loader

__all__ = ["BatchOrder", "Order", "order"]


class BatchOrder:
    """The observations of each batch. Iterating over it is a pass of the loader over an epoch."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    @property
    def batch_size(self) -> int:
        """Observations per batch."""
        return self._loader.batch_size

    @property
    def drop_last(self) -> bool:
        """Whether a smaller last batch is left out."""
        return self._loader.drop_last

    @property
    def sampler(self) -> Order:
        """The observations one by one."""
        return self._loader.sampler

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[list[int]]:
        return self._loader.pass_in_indices()


class Order:
    """The observations one by one. Iterating over it is a pass of the loader over an epoch."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def __len__(self) -> int:
        return self._loader.n_obs

    def __iter__(self) -> Iterator[int]:
        for batch in self._loader.pass_in_indices():
            yield from batch


def order(loader: Loader, is_fixed: bool) -> Order:
    """Give the order; one that is the same in each epoch as one of torch's sequential samplers.

    By that, trainers know it from a shuffled one.
    """
    if is_fixed and "torch.utils.data" in sys.modules:
        return _fixed_order()(loader)  # type: ignore[no-any-return]
    return Order(loader)


@cache
def _fixed_order() -> Any:
    from torch.utils.data import SequentialSampler

    return type("FixedOrder", (Order, SequentialSampler), {"__doc__": Order.__doc__})
