"""Measure scDataset over anndata's AnnCollection of files that stay on disk."""

import anndata as ad
from anndata.experimental import AnnCollection
from scdataset import BlockShuffling, scDataset
from torch.utils.data import DataLoader

from measure import measure, paths, specification


def dense(view):
    """Return the matrix of cells that were read together, as scDataset's own transform does it.

    That one goes through `AnnCollectionView.to_adata`, which fails with anndata 0.13.
    """
    return view.X.toarray()


def open_loader(spec):
    """Return a function that starts an epoch."""
    files = [ad.read_h5ad(path, backed="r") for path in paths(spec)]
    dataset = scDataset(
        AnnCollection(files, join_vars="inner"),
        BlockShuffling(block_size=spec["block_size"]),
        batch_size=spec["batch_size"],
        fetch_factor=spec["rows_ahead"] // spec["batch_size"],
        fetch_transform=dense,
        seed=spec["seed"],
    )
    batches = DataLoader(dataset, batch_size=None)
    return lambda: iter(batches)


if __name__ == "__main__":
    spec = specification()
    packages = ["scDataset", "anndata", "h5py", "numpy", "torch"]
    measure(spec, packages, lambda: open_loader(spec))
