"""Measure annbatch's Loader, on its own collection and on what anndata wrote to Zarr."""

import anndata as ad
import numpy as np
import zarr
from annbatch import DatasetCollection, Loader

from measure import measure, paths, specification


def matrix_only(group):
    """Return the matrix without `obs`, which would be gathered for each batch."""
    return ad.AnnData(X=ad.io.sparse_dataset(group["X"]))


def open_loader(spec):
    """Return a function that starts an epoch."""
    zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"})
    library, output = None, spec["output"]
    if output.endswith("torch"):
        library = "torch"
    loader = Loader(
        batch_size=spec["batch_size"],
        chunk_size=spec["block_size"],
        preload_nchunks=spec["rows_ahead"] // spec["block_size"],
        shuffle=True,
        preload_to_gpu=False,
        to=library,
        rng=np.random.default_rng(spec["seed"]),
    )
    if spec["format"] == "annbatch":
        loader.use_collection(DatasetCollection(paths(spec)[0], mode="r"), load_adata=matrix_only)
    else:
        loader.add_adatas([matrix_only(zarr.open_group(path, mode="r")) for path in paths(spec)])
    if output == "dense-torch":
        return lambda: (batch["X"].to_dense() for batch in loader)
    if output == "dense-numpy":
        return lambda: (batch["X"].toarray() for batch in loader)
    return lambda: (batch["X"] for batch in loader)


if __name__ == "__main__":
    spec = specification()
    packages = ["annbatch", "anndata", "numpy", "scipy", "torch", "zarr", "zarrs"]
    measure(spec, packages, lambda: open_loader(spec))
