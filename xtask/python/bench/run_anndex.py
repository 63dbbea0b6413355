"""Measure anndex: its loader, a plain DataLoader over its mapped collection, and single cells."""

import numpy as np

import anndex
from measure import measure, paths, specification


def open_loader(spec):
    """Return a function that starts an epoch."""
    files = paths(spec)
    if spec["format"] == "annbatch":
        files = sorted(path for path in files[0].iterdir() if path.is_dir())
    join = {"none": None}.get(spec["join"], spec["join"])
    # Single cells have no other budget than that of decoded chunks.
    cache = {}
    if spec["through"] == "sample" and spec["memory"]:
        cache["chunk_cache"] = spec["memory"]
    mapped = anndex.MappedCollection(files, obs_keys=spec.get("obs_keys"), join=join, **cache)
    order, batch_size, seed = spec["order"], spec["batch_size"], spec["seed"]
    if spec["through"] == "sample":
        cells = np.random.default_rng(seed).permutation(len(mapped)).tolist()
        return lambda: (mapped[cell]["X"] for cell in cells)
    if spec["through"] == "dataloader":
        torch.manual_seed(seed)
        batches = torch.utils.data.DataLoader(mapped, batch_size=batch_size, shuffle=True)
    else:
        options = {"block_size": spec["block_size"]} if order == "block" else {}
        batches = mapped.loader(
            batch_size=batch_size,
            shuffle=order,
            sparse=spec["output"].startswith("csr"),
            seed=seed,
            memory=spec["memory"],
            to="torch" if spec["output"].endswith("torch") else "numpy",
            **options,
        )
    return lambda: (batch["X"] for batch in batches)


if __name__ == "__main__":
    spec = specification()
    packages = ["anndex", "numpy"]
    # Only where it is needed, since it takes half a gigabyte.
    if spec["through"] == "dataloader" or spec["output"].endswith("torch"):
        import torch

        packages.append("torch")
    measure(spec, packages, lambda: open_loader(spec))
