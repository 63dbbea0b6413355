"""Collections of AnnData files as one dataset, for training.

`MappedCollection` opens any number of ``.h5ad`` files and ``.zarr`` directories and serves their
observations by index, singly or in batches::

    import anndex
    from torch.utils.data import DataLoader

    mapped = anndex.MappedCollection(["a.h5ad", "b.zarr"], obs_keys="cell_type")
    loader = DataLoader(mapped, batch_size=128, shuffle=True)

Importing anndex needs NumPy alone. With pandas installed, variables are given as `pandas.Index`;
with torch, batches of a plain ``DataLoader`` are read in one call and not copied.
"""

from __future__ import annotations

from anndex import errors
from anndex._anndex import __version__
from anndex._loader import Loader, WeightedSampler
from anndex._mapped import MappedCollection
from anndex._sample import Sample, SampleBatch

__all__ = [
    "Loader",
    "MappedCollection",
    "Sample",
    "SampleBatch",
    "WeightedSampler",
    "__version__",
    "errors",
]
