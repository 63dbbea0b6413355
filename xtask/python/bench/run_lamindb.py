"""Measure lamindb's MappedCollection: cell by cell, and in a DataLoader."""

import numpy as np
import torch
from lamindb.core import MappedCollection
from torch.utils.data import DataLoader

from measure import measure, paths, specification


def open_loader(spec):
    """Return a function that starts an epoch."""
    workers = spec["workers"]
    join = {"none": None}.get(spec["join"], spec["join"])
    mapped = MappedCollection(paths(spec), join=join, parallel=workers > 0)
    if spec["through"] == "sample":
        cells = np.random.default_rng(spec["seed"]).permutation(len(mapped)).tolist()
        return lambda: (mapped[cell]["X"] for cell in cells)
    torch.manual_seed(spec["seed"])
    batches = DataLoader(
        mapped,
        batch_size=spec["batch_size"],
        shuffle=True,
        num_workers=workers,
        worker_init_fn=mapped.torch_worker_init_fn if workers else None,
    )
    return lambda: (batch["X"] for batch in batches)


if __name__ == "__main__":
    spec = specification()
    packages = ["lamindb", "anndata", "h5py", "numpy", "torch", "zarr"]
    measure(spec, packages, lambda: open_loader(spec))
