"""How torch collates samples: taught to it once it is imported, since anndex works without it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from anndex._sample import Sample, SampleBatch

__all__ = ["register"]

_registered = False


def register() -> None:
    """Tell torch how to collate samples, if it is imported and was not told yet.

    Called whenever samples are read, which comes before they are collated.
    """
    global _registered
    if _registered or "torch.utils.data" not in sys.modules:
        return
    _torch("utils.data._utils.collate").default_collate_fn_map[Sample] = _collate
    _registered = True


def _collate(
    samples: Sequence[Sample],
    *,
    collate_fn_map: dict[type | tuple[type, ...], Callable[..., Any]] | None = None,
) -> Any:
    """Collate samples: those of one batch without a copy, others as torch collates dicts."""
    if isinstance(samples, SampleBatch):
        return {key: _tensor(values) for key, values in samples.arrays.items()}
    collate = _torch("utils.data._utils.collate").collate
    return collate([dict(sample) for sample in samples], collate_fn_map=collate_fn_map)


def _tensor(values: Any) -> Any:
    return _torch().from_numpy(values) if isinstance(values, np.ndarray) else values


def _torch(module: str = "") -> Any:
    """A module of torch, of which the types say little."""
    return importlib.import_module(f"torch.{module}" if module else "torch")
