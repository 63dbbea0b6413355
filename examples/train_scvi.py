"""Trains scvi-tools' SCVI on a collection, by its data module for mapped collections.

    pip install scvi-tools lamindb
    python examples/train_scvi.py 10x_pbmc68k_reduced.h5ad --directory ./cells

`scvi.dataloaders.MappedCollectionDataModule` refuses to start where lamindb is not installed, but
calls nothing of it: it asks a collection for `mapped()` and indexes what it gets, which is ours.

SCVI models counts. A file whose X is not made of counts, but whose `raw.X` is their logarithm after
scaling each cell to 10 000, still has them: with the total of each cell in `obs["n_counts"]` they
are computed back, and that they come out as whole numbers is checked.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import scvi
from numpy.typing import NDArray
from scipy import sparse
from scvi.dataloaders import MappedCollectionDataModule
from scvi.model import SCVI

import anndex as ln

# scvi-tools, SciPy and anndata have types for some of this only.
# pyright: reportMissingTypeStubs=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Train scvi-tools' SCVI on a collection of AnnData files."
    )
    parser.add_argument("paths", nargs="+", type=Path, help="AnnData files, each a batch of SCVI")
    parser.add_argument("--directory", type=Path, help="where to keep the instance")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    scvi.settings.seed = arguments.seed
    with tempfile.TemporaryDirectory() as temporary:
        directory = arguments.directory or Path(temporary)
        collection = register(arguments.paths, directory)
        train(collection, arguments.epochs)


def register(paths: list[Path], directory: Path) -> ln.Collection:
    """Make a collection of the counts of each file, whose obs says which file it was."""
    ln.init(directory)
    artifacts: list[ln.Artifact] = []
    for path in paths:
        adata = counts(ad.read_h5ad(path))
        adata.obs["file"] = path.stem
        target = directory / f"{path.stem}-counts.h5ad"
        adata.write_h5ad(target)
        artifacts.append(ln.Artifact(target).save())
    return ln.Collection(artifacts, name="counts").save()


def counts(adata: Any) -> ad.AnnData:
    """The same cells with counts as X."""
    values = dense(adata.X)
    if not is_whole(values):
        if adata.raw is None or "n_counts" not in adata.obs:
            raise SystemExit("neither X are counts, nor are there raw.X and obs['n_counts']")
        totals = adata.obs["n_counts"].to_numpy(dtype=np.float64)
        values = np.expm1(dense(adata.raw.X)) * totals[:, None] / 10_000
        if not is_whole(values):
            raise SystemExit("raw.X are not the logarithms of counts scaled to 10 000 per cell")
    names = adata.var_names if values.shape[1] == adata.n_vars else adata.raw.var_names
    return ad.AnnData(
        sparse.csr_matrix(values.round().astype(np.float32)),
        obs=adata.obs[[]].copy(),
        var=names.to_frame(name="gene")[[]],
    )


def dense(matrix: Any) -> NDArray[np.float64]:
    return np.asarray(matrix.toarray() if sparse.issparse(matrix) else matrix, dtype=np.float64)


def is_whole(values: NDArray[np.float64]) -> bool:
    """Whether no value is below 0 or off a whole number by more than what was rounded away."""
    return bool((values >= 0).all() and np.allclose(values, values.round(), rtol=1e-3, atol=0.05))


def train(collection: ln.Collection, epochs: int) -> None:
    """Print the mean loss of each epoch."""
    # The module is declared to take lamindb's class.
    given: Any = collection
    module = MappedCollectionDataModule(given, batch_key="file", batch_size=128, parallel=False)
    model: Any = SCVI(adata=None, registry=module.registry, n_latent=10)
    model.train(max_epochs=epochs, datamodule=module, enable_progress_bar=False)
    for epoch, loss in enumerate(model.history["train_loss"].iloc[:, 0], start=1):
        print(f"epoch {epoch}: loss {float(loss):.4f}")


if __name__ == "__main__":
    main()
