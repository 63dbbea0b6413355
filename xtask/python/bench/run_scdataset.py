"""Measure scDataset over anndata's AnnCollection of files that stay on disk."""

import anndata as ad
from anndata.experimental import AnnCollection
from scdataset import BlockShuffling, scDataset
from scdataset.transforms import adata_to_mindex
from torch.utils.data import DataLoader

from measure import measure, paths, specification


def open_loader(spec):
    """Return a function that starts an epoch."""
    files = [ad.read_h5ad(path, backed="r") for path in paths(spec)]
    dataset = scDataset(
        AnnCollection(files, join_vars="inner"),
        BlockShuffling(block_size=spec["block_size"]),
        batch_size=spec["batch_size"],
        fetch_factor=spec["rows_ahead"] // spec["batch_size"],
        fetch_transform=adata_to_mindex,
        seed=spec["seed"],
    )
    batches = DataLoader(dataset, batch_size=None)
    return lambda: (batch["X"] for batch in batches)


if __name__ == "__main__":
    spec = specification()
    packages = ["scDataset", "anndata", "h5py", "numpy", "torch"]
    measure(spec, packages, lambda: open_loader(spec))
