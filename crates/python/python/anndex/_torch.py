"""How torch collates samples: taught to it once it is imported, since anndex works without it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from anndex._sample import Sample, SampleBatch

__all__ = ["register", "registered"]

registered = False
"""Whether torch knows."""


def register() -> None:
    """Tell torch how to collate samples, if it is imported.

    To be called, until it has done so, whenever samples are read: they are collated after that.
    """
    global registered
    if "torch.utils.data" in sys.modules:
        _torch("torch.utils.data._utils.collate").default_collate_fn_map[Sample] = _collate
        registered = True


def _collate(
    samples: Sequence[Sample],
    *,
    collate_fn_map: dict[type | tuple[type, ...], Callable[..., Any]] | None = None,
) -> Any:
    """Collate samples: those of one batch without a copy, others as torch collates dicts."""
    if isinstance(samples, SampleBatch):
        from_numpy = _torch("torch").from_numpy
        return {
            key: from_numpy(values) if isinstance(values, np.ndarray) else values
            for key, values in samples.arrays.items()
        }
    collate = _torch("torch.utils.data._utils.collate").collate
    return collate([dict(sample) for sample in samples], collate_fn_map=collate_fn_map)


def _torch(module: str) -> Any:
    """A module of torch, of which the types say little."""
    return importlib.import_module(module)
